{{/*
The translation of signals into metrics: the only place that knows their names. EPP names by
https://github.com/llm-d/llm-d-router (0.9) and llm-d-inference-scheduler (0.7), engine names by their /metrics.

autoscaling.signal   (dict "ctx" $ "role" "decode" "signal" "queue")
  JSON: {query, metricType, metricName, selector (label -> value), perPod}
  A query gives exactly one series. Sums go with AverageValue: the target is for each replica, so the numerator has to
  grow with the pool. Where nothing was counted yet a labelled metric has no series; the queries then give 0, but only
  while the endpoint picker is being scraped: a scrape that fails gives no answer, which holds the replicas, instead of
  a zero, which would remove them.
*/}}
{{- define "autoscaling.signal" -}}
{{- $new := ne (toString .ctx.Values.global.llmd.eppVersion) "0.7" -}}
{{- $pool := include "llmd.poolName" .ctx -}}
{{- $namespace := .ctx.Release.Namespace -}}
{{- $service := include "llmd.eppName" .ctx -}}
{{- $ready := printf "%s{namespace=%q,name=%q}" ($new | ternary "llm_d_epp_ready_endpoints" "inference_pool_ready_pods") $namespace $pool -}}
{{- if eq .signal "queue" -}}
{{- $metric := $new | ternary "llm_d_epp_flow_control_queue_size" "inference_extension_flow_control_queue_size" -}}
{{- toJson (dict
      "query" (printf "sum(%s{namespace=%q,inference_pool=%q}) or sum(%s) * 0" $metric $namespace $pool $ready)
      "metricType" "AverageValue" "metricName" $metric "selector" (dict "inference_pool" $pool) "perPod" false) -}}
{{- else if eq .signal "running" -}}
{{- $metric := $new | ternary "llm_d_epp_request_running" "inference_objective_running_requests" -}}
{{- toJson (dict
      "query" (printf "sum(%s{namespace=%q,service=%q}) or sum(%s) * 0" $metric $namespace $service $ready)
      "metricType" "AverageValue" "metricName" $metric "selector" (dict "service" $service) "perPod" false) -}}
{{- else if eq .signal "saturation" -}}
{{- /* A share of the pool, not an amount: Value multiplies it with the ready replicas. AverageValue would never ask for
       more than 1/threshold replicas. */ -}}
{{- $metric := "llm_d_epp_flow_control_pool_saturation" -}}
{{- toJson (dict
      "query" (printf "max(%s{namespace=%q,inference_pool=%q})" $metric $namespace $pool)
      "metricType" "Value" "metricName" $metric "selector" (dict "inference_pool" $pool) "perPod" false) -}}
{{- else if eq .signal "kv-cache" -}}
{{- $metric := get (dict "vllm" "vllm:kv_cache_usage_perc" "sglang" "sglang:token_usage" "trtllm" "trtllm_kv_cache_utilization") .ctx.Values.global.llmd.engine -}}
{{- /* The mean of a pod's ranks first: a pod with eight of them is still one pod. */ -}}
{{- toJson (dict
      "query" (printf "sum(avg by (pod) (%s{namespace=%q,pod=~%q})) or vector(0)" $metric $namespace (include "llmd.podPattern" (dict "ctx" .ctx "role" .role)))
      "metricType" "AverageValue" "metricName" $metric "selector" dict "perPod" true) -}}
{{- end -}}
{{- end -}}
