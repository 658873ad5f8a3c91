{{/*
autoscaling.validate   .   Stops with every contradiction in the values at once, each by its path.
*/}}
{{- define "autoscaling.validate" -}}
{{- $problems := include "autoscaling.sourceProblems" . | fromJsonArray -}}
{{- range $role := include "autoscaling.roles" . | fromJsonArray -}}
{{- $spec := include "autoscaling.role" (dict "ctx" $ "role" $role) | fromJson -}}
{{- $problems = concat $problems
      (include "autoscaling.boundProblems" (dict "ctx" $ "role" $role "spec" $spec) | fromJsonArray)
      (include "autoscaling.triggerProblems" (dict "ctx" $ "role" $role "spec" $spec) | fromJsonArray) -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" . "problems" $problems) -}}
{{- end -}}

{{/* Where the signals come from, and whom they are for. */}}
{{- define "autoscaling.sourceProblems" -}}
{{- $problems := list -}}
{{- $roles := include "llmd.roles" . | fromJson -}}
{{- if not (include "autoscaling.roles" . | fromJsonArray) -}}
{{- $problems = append $problems (dict "path" "global.llmd.roles" "message" "no role is autoscaled: set autoscaled: true on a role, or disable autoscaling") -}}
{{- end -}}
{{- range $role, $override := .Values.roles -}}
{{- if and (not (kindIs "invalid" $override)) (not (hasKey $roles $role)) -}}
{{- $problems = append $problems (dict "path" (printf "roles.%s" $role) "message" (printf "there is no such role in global.llmd.roles (%s)" (keys $roles | sortAlpha | join ", "))) -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.kind "keda" -}}
{{- $prometheus := .Values.prometheus -}}
{{- if not $prometheus.serverAddress -}}
{{- $problems = append $problems (dict "path" "prometheus.serverAddress" "message" "name the Prometheus that KEDA queries, for example \"http://prometheus-operated.monitoring.svc:9090\"") -}}
{{- end -}}
{{- $bearer := eq (toString ($prometheus.authModes | default "")) "bearer" -}}
{{- if and $bearer (not $prometheus.tokenSecret.name) -}}
{{- $problems = append $problems (dict "path" "prometheus.tokenSecret.name" "message" "name the Secret with the token (prometheus.authModes is bearer)") -}}
{{- end -}}
{{- if and $bearer $prometheus.podIdentity -}}
{{- $problems = append $problems (dict "path" "prometheus.podIdentity" "message" "KEDA asks for a cloud's identity only without authModes; set one of them") -}}
{{- end -}}
{{- if and (eq (toString ($prometheus.podIdentity | default "")) "aws") (not $prometheus.awsRegion) -}}
{{- $problems = append $problems (dict "path" "prometheus.awsRegion" "message" "name the region of the workspace; requests are signed for it") -}}
{{- end -}}
{{- if and (not $bearer) (or $prometheus.tokenSecret.name $prometheus.caSecret.name) -}}
{{- $problems = append $problems (dict "path" "prometheus.authModes" "message" "set bearer: without it KEDA ignores the token and the certificate authority") -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{/* Fewest and most replicas. */}}
{{- define "autoscaling.boundProblems" -}}
{{- $problems := list -}}
{{- $path := printf "roles.%s" .role -}}
{{- $min := int .spec.minReplicas -}}
{{- $max := int .spec.maxReplicas -}}
{{- if gt $min $max -}}
{{- $problems = append $problems (dict "path" (printf "%s.minReplicas" $path) "message" (printf "%d is more than maxReplicas %d" $min $max)) -}}
{{- end -}}
{{- if .spec.pendingAware -}}
{{- if eq .ctx.Values.kind "hpa" -}}
{{- $problems = append $problems (dict "path" (printf "%s.pendingAware" $path) "message" "a HorizontalPodAutoscaler has no formula; use kind keda") -}}
{{- end -}}
{{- if ne (get (include "llmd.roles" .ctx | fromJson) .role).workload "Deployment" -}}
{{- $problems = append $problems (dict "path" (printf "%s.pendingAware" $path) "message" "kube-state-metrics counts the replicas of Deployments only") -}}
{{- end -}}
{{- end -}}
{{- if and (eq $min 0) (eq .ctx.Values.kind "hpa") -}}
{{- $problems = append $problems (dict "path" (printf "%s.minReplicas" $path) "message" "a HorizontalPodAutoscaler does not go to zero; use kind keda") -}}
{{- else if and (eq $min 0) (not .ctx.Values.global.llmd.flowControl) -}}
{{- $problems = append $problems (dict "path" (printf "%s.minReplicas" $path) "message" "zero replicas need global.llmd.flowControl: otherwise requests are refused instead of held while a replica starts") -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{/* Signals that this endpoint picker or engine does not give. */}}
{{- define "autoscaling.triggerProblems" -}}
{{- $problems := list -}}
{{- $llmd := .ctx.Values.global.llmd -}}
{{- $path := printf "roles.%s.triggers" .role -}}
{{- if not .spec.triggers -}}
{{- $problems = append $problems (dict "path" $path "message" "name at least one trigger, for example {running: {signal: running, threshold: 16}}") -}}
{{- end -}}
{{- range $trigger := .spec.triggers -}}
{{- $own := printf "%s.%s" $path $trigger.name -}}
{{- if not $trigger.threshold -}}
{{- $problems = append $problems (dict "path" (printf "%s.threshold" $own) "message" "set the threshold") -}}
{{- end -}}
{{- $signal := $trigger.signal | default "" -}}
{{- if not (or $signal $trigger.query $trigger.metricName) -}}
{{- $problems = append $problems (dict "path" $own "message" "name a signal (queue, running, saturation, kv-cache, prefill-tokens, planned) or give a query") -}}
{{- end -}}
{{- if and (has $signal (list "queue" "saturation")) (not $llmd.flowControl) -}}
{{- $problems = append $problems (dict "path" (printf "%s.signal" $own) "message" (printf "%s exists only with global.llmd.flowControl: true" $signal)) -}}
{{- end -}}
{{- if and (eq $signal "saturation") (eq (toString $llmd.eppVersion) "0.7") -}}
{{- $problems = append $problems (dict "path" (printf "%s.signal" $own) "message" "saturation needs global.llmd.eppVersion 0.9; 0.7 does not report it") -}}
{{- end -}}
{{- if and (eq $signal "prefill-tokens") (has (toString $llmd.eppVersion) (list "0.7" "0.9")) -}}
{{- $problems = append $problems (dict "path" (printf "%s.signal" $own) "message" (printf "prefill-tokens needs global.llmd.eppVersion 0.10; %s does not report the tokens in flight" $llmd.eppVersion)) -}}
{{- end -}}
{{- if and (eq $signal "prefill-tokens") (eq $.ctx.Values.kind "hpa") -}}
{{- $problems = append $problems (dict "path" (printf "%s.signal" $own) "message" "prefill-tokens divides by a rate, which only a query can; use kind keda") -}}
{{- end -}}
{{- if and (eq $signal "planned") (eq $.ctx.Values.kind "hpa") -}}
{{- $problems = append $problems (dict "path" (printf "%s.signal" $own) "message" "planned speaks KEDA's protocol; use kind keda") -}}
{{- end -}}
{{- if and (eq $signal "planned") (not $.ctx.Values.planner.address) -}}
{{- $problems = append $problems (dict "path" "planner.address" "message" (printf "name the planner that %s asks" $own)) -}}
{{- end -}}
{{- if and $.spec.pendingAware (or (ne $trigger.metricType "AverageValue") $trigger.external) -}}
{{- $problems = append $problems (dict "path" (printf "roles.%s.pendingAware" $.role) "message" (printf "needs triggers that count for each replica, and %s does not" $trigger.name)) -}}
{{- end -}}
{{- if and (eq $signal "kv-cache") (eq $llmd.engine "custom") -}}
{{- $problems = append $problems (dict "path" (printf "%s.signal" $own) "message" "the metric of a custom engine is not known; give a query") -}}
{{- end -}}
{{- if and (eq $.ctx.Values.kind "hpa") $trigger.query (not $trigger.metricName) -}}
{{- $problems = append $problems (dict "path" (printf "%s.query" $own) "message" "a HorizontalPodAutoscaler cannot query Prometheus: give metricName, the name under which the adapter serves it") -}}
{{- end -}}
{{- if and (eq $.ctx.Values.kind "keda") $trigger.metricName (not $trigger.query) (not $signal) -}}
{{- $problems = append $problems (dict "path" (printf "%s.query" $own) "message" "KEDA needs the query") -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}
