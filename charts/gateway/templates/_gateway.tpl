{{/*
What the providers do, in one table, and what follows from it. All take the root context of this chart.

llmd-gateway.provider   JSON of the provider's row:
  className           GatewayClass when none is named
  routeTimeouts       whether the controller takes spec.rules[].timeouts of an HTTPRoute
  gatewayLabels       labels its Gateway needs
  silence             what its data plane does with a stream that is silent
Sources: Gateway API, HTTPRouteTimeouts ("0s" disables, or means the longest time possible). Istio: pilot/pkg/networking/core
sets stream_idle_timeout 0 on gateways, and a mesh-wide connectionSettings profile EDGE sets 5 min. agentgateway: its
request timeout ends at the response headers and there is none by default (agentgateway/agentgateway#3285, #3310). GKE:
refuses a route with timeouts as UnsupportedValue (kserve/kserve#5311); its limit is the backend service timeout, 30 s
unless a GCPBackendPolicy says otherwise, 1 to 2147483647 s (Compute API, BackendService.timeoutSec).

llmd-gateway.className, .gatewayName, .gatewayNamespace (empty = the release's)
llmd-gateway.backendTimeoutSeconds   GKE's limit in effect: 0 asks for the longest it has
llmd-gateway.cutoff                  one sentence for people: when the way in cuts a request
*/}}
{{- define "llmd-gateway.provider" -}}
{{- $table := dict
      "istio" (dict
        "className" "istio" "routeTimeouts" true
        "gatewayLabels" (dict "istio.io/enable-inference-extproc" "true")
        "silence" "a silent stream is not cut, unless the mesh sets connectionSettings")
      "agentgateway" (dict
        "className" "agentgateway" "routeTimeouts" true "gatewayLabels" dict
        "silence" "the timeouts end with the response headers, a silent stream is not cut")
      "gke" (dict
        "className" "gke-l7-regional-external-managed" "routeTimeouts" false "gatewayLabels" dict
        "silence" "the limit counts the whole request, busy or silent") -}}
{{- toJson (get $table .Values.provider) -}}
{{- end -}}

{{- define "llmd-gateway.className" -}}
{{- .Values.className | default (get (include "llmd-gateway.provider" . | fromJson) "className") -}}
{{- end -}}

{{- define "llmd-gateway.gatewayName" -}}
{{- .Values.name | default (include "llmd.fullname" .) -}}
{{- end -}}

{{- define "llmd-gateway.backendTimeoutSeconds" -}}
{{- if eq (int64 .Values.gke.backendTimeoutSeconds) 0 -}}2147483647{{- else -}}{{- int64 .Values.gke.backendTimeoutSeconds -}}{{- end -}}
{{- end -}}

{{- define "llmd-gateway.cutoff" -}}
{{- $provider := include "llmd-gateway.provider" . | fromJson -}}
{{- if eq .Values.provider "gke" -}}
{{- $seconds := include "llmd-gateway.backendTimeoutSeconds" . | int64 -}}
GKE cuts every request after {{ $seconds }} s{{ if eq $seconds 2147483647 }}, the longest it can{{ end }} ({{ $provider.silence }}).
{{- else -}}
{{- $limits := list -}}
{{- with int64 .Values.route.requestTimeoutSeconds -}}{{- $limits = append $limits (printf "%d s for a request" .) -}}{{- end -}}
{{- with int64 .Values.route.backendTimeoutSeconds -}}{{- $limits = append $limits (printf "%d s for the engine's answer" .) -}}{{- end -}}
{{- if $limits -}}
{{ .Values.provider }} cuts after {{ join " and " $limits }} ({{ $provider.silence }}).
{{- else -}}
{{ .Values.provider }} does not cut long requests ({{ $provider.silence }}).
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Every contradiction among this chart's own values, together. */}}
{{- define "llmd-gateway.check" -}}
{{- $problems := list -}}
{{- if and (not .Values.create) (not .Values.name) -}}
{{- $problems = append $problems (dict "path" "name" "message" "create is false: name the Gateway to attach to") -}}
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
{{- if eq .Values.provider "gke" -}}
{{- range list "requestTimeoutSeconds" "backendTimeoutSeconds" -}}
{{- if int64 (get $.Values.route .) -}}
{{- $problems = append $problems (dict "path" (printf "route.%s" .) "message" "GKE refuses a route with timeouts; its one limit is gke.backendTimeoutSeconds") -}}
{{- end -}}
{{- end -}}
{{- else if and (int64 .Values.route.requestTimeoutSeconds) (gt (int64 .Values.route.backendTimeoutSeconds) (int64 .Values.route.requestTimeoutSeconds)) -}}
{{- $problems = append $problems (dict "path" "route.backendTimeoutSeconds" "message" "must not be above route.requestTimeoutSeconds, which contains it") -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" . "problems" $problems) -}}
{{- end -}}
