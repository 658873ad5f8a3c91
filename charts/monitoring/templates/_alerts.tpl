{{/*
monitoring.alerts   .   JSON list of alerts: {alert, for, severity, expr, summary, description}. An alert whose metric this
                        endpoint picker or engine does not have is left out.
monitoring.engineSeries (dict "ctx" $ "role" "decode")   label matchers of a role's engine series, without braces
*/}}
{{- define "monitoring.engineSeries" -}}
{{- printf "namespace=%q,pod=~%q" .ctx.Release.Namespace (include "llmd.podPattern" .) -}}
{{- end -}}

{{- define "monitoring.alerts" -}}
{{- toJson (concat
      (include "monitoring.pickerAlerts" . | fromJsonArray)
      (include "monitoring.engineAlerts" . | fromJsonArray)
      (include "monitoring.scalingAlerts" . | fromJsonArray)) -}}
{{- end -}}

{{- define "monitoring.pickerAlerts" -}}
{{- $names := (include "llmd.metrics" . | fromJson).picker -}}
{{- $rules := .Values.rules -}}
{{- $pool := include "llmd.poolName" . -}}
{{- $service := include "llmd.eppName" . -}}
{{- $ours := printf "namespace=%q,service=%q" .Release.Namespace $service -}}
{{- $alerts := list
      (dict "alert" "LlmdEndpointPickerDown" "for" "5m" "severity" "critical"
        "expr" (printf "absent(up{%s} == 1)" $ours)
        "summary" (printf "No endpoint picker of %s can be scraped" $pool)
        "description" "Requests are refused, or spread without any regard to load, depending on scheduler.failureMode. Look at the picker's pods and at the token that Prometheus sends.")
      (dict "alert" "LlmdNoReadyEndpoints" "for" "5m" "severity" "critical"
        "expr" (printf "max(%s{namespace=%q,name=%q}) == 0" $names.ready .Release.Namespace $pool)
        "summary" (printf "The pool %s has no ready model server" $pool)
        "description" "Every request fails, or waits where flow control holds it.")
      (dict "alert" "LlmdRequestErrors" "for" "10m" "severity" "warning"
        "expr" (printf "sum(rate(%s{%s}[5m])) / sum(rate(%s{%s}[5m])) > %s" $names.errors $ours $names.requests $ours (include "llmd.scalar" $rules.errorRatio))
        "summary" (printf "Requests to %s fail" $pool)
        "description" "{{ $value | humanizePercentage }} of the requests end in an error. The label error_code of the metric says which.") -}}
{{- if .Values.global.llmd.flowControl -}}
{{- $alerts = append $alerts (dict "alert" "LlmdRequestsQueue" "for" "10m" "severity" "warning"
        "expr" (printf "sum(%s{namespace=%q,inference_pool=%q}) > %s" $names.queue .Release.Namespace $pool (include "llmd.scalar" $rules.queuedRequests))
        "summary" (printf "Requests to %s wait in the endpoint picker" $pool)
        "description" "{{ $value }} requests wait because the pool is saturated: more replicas are needed, or the limit on concurrency is too low.") -}}
{{- end -}}
{{- toJson $alerts -}}
{{- end -}}

{{- define "monitoring.engineAlerts" -}}
{{- $names := include "llmd.metrics" . | fromJson -}}
{{- $engine := $names.engine -}}
{{- $alerts := list -}}
{{- range $role := keys (include "llmd.roles" . | fromJson) | sortAlpha -}}
{{- $series := include "monitoring.engineSeries" (dict "ctx" $ "role" $role) -}}
{{- if and $engine.running $engine.promptTokens -}}
{{- $alerts = append $alerts (dict "alert" "LlmdEngineHung" "role" $role "for" "5m" "severity" "critical"
      "expr" (printf "sum by (pod) (%s{%s}) > 0 and sum by (pod) (rate(%s{%s}[5m])) + sum by (pod) (rate(%s{%s}[5m])) == 0" $engine.running $series $engine.promptTokens $series $engine.generatedTokens $series)
      "summary" "{{ $labels.pod }} runs requests but makes no token"
      "description" "The engine holds requests and neither reads prompts nor writes tokens for five minutes, although it answers its health check. A peer of its collectives or of its KV transfer may be gone; restart the pod.") -}}
{{- end -}}
{{- if $engine.kvCache -}}
{{- $alerts = append $alerts (dict "alert" "LlmdKvCacheFull" "role" $role "for" "10m" "severity" "warning"
      "expr" (printf "avg by (pod) (%s{%s}) > %s" $engine.kvCache $series (include "llmd.scalar" $.Values.rules.kvCacheUsage))
      "summary" "The KV cache of {{ $labels.pod }} is full"
      "description" "{{ $value | humanizePercentage }} are in use: requests wait or are pushed out and computed again.") -}}
{{- end -}}
{{- if and $engine.waiting $engine.running -}}
{{- $alerts = append $alerts (dict "alert" "LlmdEngineQueue" "role" $role "for" "10m" "severity" "warning"
      "expr" (printf "sum(%s{%s}) > sum(%s{%s})" $engine.waiting $series $engine.running $series)
      "summary" (printf "More requests wait than run in the %s engines" $role)
      "description" "{{ $value }} requests wait inside the engines. Latency grows without bound while demand stays.") -}}
{{- end -}}
{{- end -}}
{{- if and (include "llmd.disaggregated" .) $engine.promptTokens -}}
{{- $prefill := include "monitoring.engineSeries" (dict "ctx" . "role" "prefill") -}}
{{- $alerts = append $alerts (dict "alert" "LlmdPrefillUnused" "role" "prefill" "for" "15m" "severity" "warning"
      "expr" (printf "sum(rate(%s{namespace=%q,service=%q}[15m])) > 0 and sum(rate(%s{%s}[15m])) == 0" $names.picker.requests .Release.Namespace (include "llmd.eppName" .) $engine.promptTokens $prefill)
      "summary" "Requests arrive, but the prefill pods read no prompt"
      "description" "Decode pods do the prefill too, so the release pays for disaggregation without having it. Look at the decider in the endpoint picker's configuration, at the routing sidecar's log and at the pods' role labels.") -}}
{{- end -}}
{{- toJson $alerts -}}
{{- end -}}

{{/* The HorizontalPodAutoscalers of autoscaled roles, as kube-state-metrics shows them. */}}
{{- define "monitoring.scalingAlerts" -}}
{{- $alerts := list -}}
{{- range $role, $spec := include "llmd.roles" . | fromJson -}}
{{- if $spec.autoscaled -}}
{{- $series := printf "namespace=%q,horizontalpodautoscaler=%q" $.Release.Namespace (include "llmd.componentName" (dict "ctx" $ "component" $role)) -}}
{{- $alerts = append $alerts (dict "alert" "LlmdAutoscalerStuck" "role" $role "for" "10m" "severity" "warning"
      "expr" (printf "max(kube_horizontalpodautoscaler_status_condition{%s,condition=\"ScalingActive\",status=\"false\"}) == 1 and max(kube_horizontalpodautoscaler_status_desired_replicas{%s}) > 0" $series $series)
      "summary" (printf "The autoscaler of %s cannot read its signal" $role)
      "description" "The replicas stay where they are, or at the fallback, whatever the load. Look at the conditions of the HorizontalPodAutoscaler and run its query in Prometheus.") -}}
{{- $alerts = append $alerts (dict "alert" "LlmdAutoscalerAtMaximum" "role" $role "for" "30m" "severity" "info"
      "expr" (printf "max(kube_horizontalpodautoscaler_status_desired_replicas{%s}) >= max(kube_horizontalpodautoscaler_spec_max_replicas{%s})" $series $series)
      "summary" (printf "The %s replicas are at their maximum" $role)
      "description" "Demand may be above what maxReplicas allows.") -}}
{{- end -}}
{{- end -}}
{{- toJson $alerts -}}
{{- end -}}
