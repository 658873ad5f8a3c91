{{/* llmd-gateway.check   .   Every contradiction among this chart's own values, together. */}}
{{- define "llmd-gateway.check" -}}
{{- $problems := concat
      (include "llmd-gateway.attachmentProblems" . | fromJsonArray)
      (include "llmd-gateway.timeoutProblems" . | fromJsonArray)
      (include "llmd-gateway.modelProblems" . | fromJsonArray)
      (include "llmd-gateway.tenantProblems" . | fromJsonArray) -}}
{{- include "llmd.failAll" (dict "ctx" . "problems" $problems) -}}
{{- end -}}

{{- define "llmd-gateway.attachmentProblems" -}}
{{- $problems := list -}}
{{- if and (not .Values.create) (not .Values.name) -}}
{{- $problems = append $problems (dict "path" "name" "message" "create is false: name the Gateway to attach to") -}}
{{- end -}}
{{- if and (not .Values.create) (not .Values.route.enabled) -}}
{{- $problems = append $problems (dict "path" "route.enabled" "message" "neither a Gateway nor a route is left to make; set it or create to true") -}}
{{- end -}}
{{- if and .Values.create .Values.namespace (ne .Values.namespace .Release.Namespace) -}}
{{- $problems = append $problems (dict "path" "namespace" "message" "only for attaching (create false); a Gateway that is created lives in the release's namespace") -}}
{{- end -}}
{{- if and .Values.create (has .Values.listener.protocol (list "HTTPS" "TLS")) (not .Values.listener.tlsSecret) -}}
{{- $problems = append $problems (dict "path" "listener.tlsSecret" "message" (printf "protocol %s needs the Secret with the certificate" .Values.listener.protocol)) -}}
{{- end -}}
{{- if and .Values.create .Values.listener.tlsSecret (ne .Values.listener.protocol "HTTPS") -}}
{{- $problems = append $problems (dict "path" "listener.protocol" "message" "a tlsSecret is used only with HTTPS") -}}
{{- end -}}
{{- if and .Values.create (eq .Values.provider "envoy-ai-gateway") (not .Values.className) .Values.global.llmd.namespaceOnly -}}
{{- $problems = append $problems (dict "path" "className" "message" "Envoy Gateway brings no GatewayClass, and global.llmd.namespaceOnly forbids to make one: name one that exists") -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "llmd-gateway.timeoutProblems" -}}
{{- $problems := list -}}
{{- if eq (include "llmd-gateway.family" .) "gke" -}}
{{- range list "requestTimeoutSeconds" "backendTimeoutSeconds" -}}
{{- if int64 (get $.Values.route .) -}}
{{- $problems = append $problems (dict "path" (printf "route.%s" .) "message" "GKE refuses a route with timeouts; its one limit is gke.backendTimeoutSeconds") -}}
{{- end -}}
{{- end -}}
{{- if and .Values.modelRouting.enabled (gt (int .Values.modelRouting.router.timeoutSeconds) 10) -}}
{{- $problems = append $problems (dict "path" "modelRouting.router.timeoutSeconds" "message" "GKE waits ten seconds for an extension at most") -}}
{{- end -}}
{{- else if and (int64 .Values.route.requestTimeoutSeconds) (gt (int64 .Values.route.backendTimeoutSeconds) (int64 .Values.route.requestTimeoutSeconds)) -}}
{{- $problems = append $problems (dict "path" "route.backendTimeoutSeconds" "message" "must not be above route.requestTimeoutSeconds, which contains it") -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "llmd-gateway.modelProblems" -}}
{{- $problems := list -}}
{{- $names := include "llmd-gateway.modelNames" . | fromJsonArray -}}
{{- if .Values.modelRouting.enabled -}}
{{- if and .Values.route.enabled (not $names) -}}
{{- $problems = append $problems (dict "path" "global.llmd.model.id" "message" "name the model: modelRouting sends requests here by its name") -}}
{{- end -}}
{{- if gt (len $names) 128 -}}
{{- $problems = append $problems (dict "path" "modelRouting.names" "message" (printf "a route takes 128 names, these are %d; give further ones a release of their own" (len $names))) -}}
{{- end -}}
{{- if and (not .Values.modelRouting.header) (ne .Values.provider "envoy-ai-gateway") -}}
{{- $problems = append $problems (dict "path" "modelRouting.header" "message" "name the header that carries the model") -}}
{{- end -}}
{{- $ports := dict -}}
{{- range $key := list "port" "healthPort" "metricsPort" -}}
{{- $port := toString (int (get $.Values.modelRouting.router $key)) -}}
{{- with get $ports $port -}}
{{- $problems = append $problems (dict "path" (printf "modelRouting.router.%s" $key) "message" (printf "%s is taken by %s" $port .)) -}}
{{- end -}}
{{- $_ := set $ports $port $key -}}
{{- end -}}
{{- else if .Values.modelRouting.names -}}
{{- $problems = append $problems (dict "path" "modelRouting.names" "message" "has no effect while modelRouting.enabled is false") -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "llmd-gateway.tenantProblems" -}}
{{- $problems := include "llmd.quotas.problems" (dict "path" "tenants" "tenants" .Values.tenants) | fromJsonArray -}}
{{- if include "llmd.quotas.used" .Values.tenants -}}
{{- $where := get (include "llmd-gateway.provider" . | fromJson) "quotas" -}}
{{- if eq $where "none" -}}
{{- $problems = append $problems (dict "path" "tenants" "message" "GKE limits rates by a Cloud Armor policy only, which is not an object of the cluster: make one and name it in gke.securityPolicy") -}}
{{- else if and (eq $where "gateway") (not .Values.create) -}}
{{- $problems = append $problems (dict "path" "tenants" "message" (printf "%s counts for a whole Gateway: set the quotas where the Gateway is made (create true)" .Values.provider)) -}}
{{- else if and (eq $where "route") (not .Values.route.enabled) -}}
{{- $problems = append $problems (dict "path" "tenants" "message" (printf "%s counts for each route: set the quotas where the routes are made (route.enabled true)" .Values.provider)) -}}
{{- end -}}
{{- if and (eq .Values.provider "envoy-ai-gateway") (gt (len (include "llmd.quotas.limits" .Values.tenants | fromJson)) 15) -}}
{{- $problems = append $problems (dict "path" "tenants.limits" "message" "Envoy Gateway takes 15 tenants and the others in one policy") -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}
