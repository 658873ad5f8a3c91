{{/*
monitoring.requestPanels   .   JSON list of panels: what clients and the endpoint picker see.
monitoring.enginePanels    .   JSON list of panels: what the engines of each role do.
*/}}
{{- define "monitoring.requestPanels" -}}
{{- $names := (include "llmd.metrics" . | fromJson).picker -}}
{{- $ours := printf "namespace=%q,service=%q" .Release.Namespace (include "llmd.eppName" .) -}}
{{- $pool := printf "namespace=%q,inference_pool=%q" .Release.Namespace (include "llmd.poolName" .) -}}
{{- $panels := list
      (include "monitoring.panel" (dict "title" "Requests" "unit" "reqps" "queries" (list
        (list (printf "sum(rate(%s{%s}[5m]))" $names.requests $ours) "arriving")
        (list (printf "sum by (error_code) (rate(%s{%s}[5m]))" $names.errors $ours) "failing {{error_code}}"))) | fromJson)
      (include "monitoring.panel" (dict "title" "Requests in flight" "unit" "short" "queries" (list
        (list (printf "sum(%s{%s})" $names.inFlight $ours) "in flight"))) | fromJson)
      (include "monitoring.panel" (dict "title" "Duration of requests" "unit" "s" "queries"
        (include "monitoring.quantiles" (dict "metric" $names.duration "series" $ours) | fromJsonArray)) | fromJson)
      (include "monitoring.panel" (dict "title" "Ready endpoints" "unit" "short" "queries" (list
        (list (printf "max(%s{namespace=%q,name=%q})" $names.ready .Release.Namespace (include "llmd.poolName" .)) "ready"))) | fromJson)
      (include "monitoring.panel" (dict "title" "Prefix found in a cache, as the endpoint picker expects it" "unit" "percentunit" "queries" (list
        (list (printf "sum(rate(%s_sum{%s}[5m])) / sum(rate(%s_count{%s}[5m]))" $names.prefixHits $ours $names.prefixHits $ours) "mean share of the prompt"))) | fromJson)
      (include "monitoring.panel" (dict "title" "Time to choose an endpoint" "unit" "s" "queries"
        (include "monitoring.quantiles" (dict "metric" $names.scheduling "series" $ours) | fromJsonArray)) | fromJson) -}}
{{- if .Values.global.llmd.flowControl -}}
{{- $panels = append $panels (include "monitoring.panel" (dict "title" "Requests held by flow control" "unit" "short" "queries" (list
        (list (printf "sum by (priority) (%s{%s})" $names.queue $pool) "priority {{priority}}"))) | fromJson) -}}
{{- if $names.saturation -}}
{{- $panels = append $panels (include "monitoring.panel" (dict "title" "Saturation of the pool" "unit" "percentunit" "queries" (list
        (list (printf "max(%s{%s})" $names.saturation $pool) "saturation"))) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- if include "llmd.disaggregated" . -}}
{{- $panels = append $panels (include "monitoring.panel" (dict "title" "Ways taken by requests" "unit" "reqps" "queries" (list
        (list (printf "sum by (decision_type) (rate(%s{%s}[5m]))" $names.decisions $ours) "{{decision_type}}"))) | fromJson) -}}
{{- end -}}
{{- toJson $panels -}}
{{- end -}}

{{- define "monitoring.enginePanels" -}}
{{- $names := (include "llmd.metrics" . | fromJson).engine -}}
{{- $panels := list -}}
{{- range $role := keys (include "llmd.roles" . | fromJson) | sortAlpha -}}
{{- $series := include "monitoring.engineSeries" (dict "ctx" $ "role" $role) -}}
{{- if $names.running -}}
{{- $panels = append $panels (include "monitoring.panel" (dict "title" (printf "%s: requests running and waiting" $role) "unit" "short" "queries" (list
      (list (printf "sum(%s{%s})" $names.running $series) "running") (list (printf "sum(%s{%s})" $names.waiting $series) "waiting"))) | fromJson) -}}
{{- $panels = append $panels (include "monitoring.panel" (dict "title" (printf "%s: KV cache in use" $role) "unit" "percentunit" "queries" (list
      (list (printf "avg by (pod) (%s{%s})" $names.kvCache $series) "{{pod}}"))) | fromJson) -}}
{{- end -}}
{{- if $names.promptTokens -}}
{{- $panels = append $panels (include "monitoring.panel" (dict "title" (printf "%s: tokens" $role) "unit" "short" "queries" (list
      (list (printf "sum(rate(%s{%s}[5m]))" $names.promptTokens $series) "read a second") (list (printf "sum(rate(%s{%s}[5m]))" $names.generatedTokens $series) "written a second"))) | fromJson) -}}
{{- $panels = append $panels (include "monitoring.panel" (dict "title" (printf "%s: time to first token" $role) "unit" "s" "queries"
      (include "monitoring.quantiles" (dict "metric" $names.firstToken "series" $series) | fromJsonArray)) | fromJson) -}}
{{- if ne $role "prefill" -}}
{{- $panels = append $panels (include "monitoring.panel" (dict "title" (printf "%s: time between tokens" $role) "unit" "s" "queries"
      (include "monitoring.quantiles" (dict "metric" $names.tokenGap "series" $series) | fromJsonArray)) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- if $names.prefixHits -}}
{{- $panels = append $panels (include "monitoring.panel" (dict "title" (printf "%s: prompt tokens found in the prefix cache" $role) "unit" "percentunit" "queries" (list
      (list (printf "sum(rate(%s{%s}[5m])) / sum(rate(%s{%s}[5m]))" $names.prefixHits $series $names.prefixQueries $series) "found"))) | fromJson) -}}
{{- end -}}
{{- if $names.preemptions -}}
{{- $panels = append $panels (include "monitoring.panel" (dict "title" (printf "%s: requests pushed out of the KV cache" $role) "unit" "short" "queries" (list
      (list (printf "sum by (pod) (rate(%s{%s}[5m]))" $names.preemptions $series) "{{pod}}"))) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- toJson $panels -}}
{{- end -}}
