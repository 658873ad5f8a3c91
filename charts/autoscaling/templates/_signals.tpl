{{/*
autoscaling.signal   (dict "ctx" $ "role" "decode" "signal" "queue")
  The translation of a signal: JSON {query, metricType, metricName, selector (label -> value), perPod}.
  A query gives exactly one series. Sums go with AverageValue: the target is for each replica, so the numerator has to
  grow with the pool. Where nothing was counted yet a labelled metric has no series; the queries then give 0, but only
  while the endpoint picker is being scraped: a scrape that fails gives no answer, which holds the replicas, instead of
  a zero, which would remove them.
*/}}
{{- define "autoscaling.signal" -}}
{{- $names := include "llmd.metrics" .ctx | fromJson -}}
{{- $pool := include "llmd.poolName" .ctx -}}
{{- $namespace := .ctx.Release.Namespace -}}
{{- $zero := printf "sum(%s{namespace=%q,name=%q}) * 0" $names.picker.ready $namespace $pool -}}
{{- if eq .signal "queue" -}}
{{- $metric := $names.picker.queue -}}
{{- toJson (dict
      "query" (printf "sum(%s{namespace=%q,inference_pool=%q}) or %s" $metric $namespace $pool $zero)
      "metricType" "AverageValue" "metricName" $metric "selector" (dict "inference_pool" $pool) "perPod" false) -}}
{{- else if eq .signal "running" -}}
{{- $metric := $names.picker.inFlight -}}
{{- $service := include "llmd.eppName" .ctx -}}
{{- /* By the pod, which every way of scraping names; a Service is named by some only. */ -}}
{{- $pods := printf "%s-[a-z0-9]+(-[a-z0-9]{5})?" $service -}}
{{- toJson (dict
      "query" (printf "sum(%s{namespace=%q,pod=~%q}) or %s" $metric $namespace $pods $zero)
      "metricType" "AverageValue" "metricName" $metric "selector" (dict "service" $service) "perPod" false) -}}
{{- else if eq .signal "saturation" -}}
{{- $metric := $names.picker.saturation -}}
{{- /* A share of the pool, not an amount: Value multiplies it with the ready replicas. AverageValue would never ask for
       more than 1/threshold replicas. */ -}}
{{- toJson (dict
      "query" (printf "max(%s{namespace=%q,inference_pool=%q})" $metric $namespace $pool)
      "metricType" "Value" "metricName" $metric "selector" (dict "inference_pool" $pool) "perPod" false) -}}
{{- else if eq .signal "kv-cache" -}}
{{- $metric := $names.engine.kvCache -}}
{{- /* The mean of a replica's ranks first: a pod with eight of them, or a group of such pods, is still one replica. At zero
       replicas there is no series. */ -}}
{{- $pattern := include "llmd.podPattern" (dict "ctx" .ctx "role" .role) -}}
{{- $series := printf "%s{namespace=%q,pod=~%q}" $metric $namespace $pattern -}}
{{- $replica := printf "avg by (pod) (%s)" $series -}}
{{- $workload := (get (include "llmd.roles" .ctx | fromJson) .role).workload -}}
{{- if and (eq $workload "LeaderWorkerSet") (not (include "llmd.leadersOnly" .ctx)) -}}
{{- /* Every pod of a group serves; a pod's name is the group's, and behind it the index of all but the leader. */ -}}
{{- $group := printf "(%s-[0-9]+)(-[0-9]+)?" (include "llmd.componentName" (dict "ctx" .ctx "component" .role)) -}}
{{- $replica = printf "avg by (group) (label_replace(%s, \"group\", \"$1\", \"pod\", %q))" $series $group -}}
{{- end -}}
{{- toJson (dict
      "query" (printf "sum(%s) or vector(0)" $replica)
      "metricType" "AverageValue" "metricName" $metric "selector" dict "perPod" true) -}}
{{- else if eq .signal "prefill-tokens" -}}
{{- $metric := $names.picker.inFlightTokens -}}
{{- $rate := include "llmd.scalar" .spec.peakPrefillTokensPerSecond -}}
{{- toJson (dict
      "query" (printf "sum(%s{namespace=%q,producer_name=\"inflight-load-producer\",endpoint_name=~%q}) / %s or %s" $metric $namespace (include "llmd.podPattern" (dict "ctx" .ctx "role" .role)) $rate $zero)
      "metricType" "AverageValue" "metricName" $metric "selector" dict "perPod" false) -}}
{{- else if eq .signal "planned" -}}
{{- toJson (dict "query" "" "metricType" "AverageValue" "metricName" "" "selector" dict "perPod" false "external" true) -}}
{{- end -}}
{{- end -}}

{{/*
autoscaling.startingQueries   (dict "ctx" $ "role" "decode")   JSON {pending, replicas}: the PromQL of replicas that are not ready
yet and of all, out of kube-state-metrics.
*/}}
{{- define "autoscaling.startingQueries" -}}
{{- $selector := printf "{namespace=%q,deployment=%q}" .ctx.Release.Namespace (include "llmd.componentName" (dict "ctx" .ctx "component" .role)) -}}
{{- toJson (dict
      "pending" (printf "max(kube_deployment_status_replicas_unavailable%s) or vector(0)" $selector)
      "replicas" (printf "max(kube_deployment_status_replicas%s)" $selector)) -}}
{{- end -}}
