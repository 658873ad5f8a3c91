{{/*
llmd.metrics   .   JSON: the names of the metrics that this release's endpoint picker (by global.llmd.eppVersion) and
                   engine (by global.llmd.engine) have. A metric that one of them lacks is "". The one table of them.
Sources: the /metrics of llm-d-router 0.9.0 and llm-d-inference-scheduler 0.7.1, which keeps the older prefixes
(https://github.com/llm-d/llm-d-router); vLLM 0.32.0 and, for SGLang,
https://docs.sglang.io/docs/references/production_metrics; for TensorRT-LLM the names that llm-d-router 0.9.0 reads.
*/}}
{{- define "llmd.metrics" -}}
{{- $picker := dict
      "ready" "llm_d_epp_ready_endpoints"
      "requests" "llm_d_epp_request_total"
      "errors" "llm_d_epp_request_error_total"
      "inFlight" "llm_d_epp_request_running"
      "inFlightTokens" (has (toString .Values.global.llmd.eppVersion) (list "0.7" "0.9") | ternary "" "llm_d_epp_inflight_tokens")
      "duration" "llm_d_epp_request_duration_seconds"
      "queue" "llm_d_epp_flow_control_queue_size"
      "saturation" "llm_d_epp_flow_control_pool_saturation"
      "decisions" "llm_d_epp_disagg_decision_total"
      "prefixHits" "llm_d_epp_prefix_indexer_hit_ratio"
      "scheduling" "llm_d_epp_scheduler_e2e_duration_seconds" -}}
{{- if eq (toString .Values.global.llmd.eppVersion) "0.7" -}}
{{- $picker = dict
      "ready" "inference_pool_ready_pods"
      "requests" "inference_objective_request_total"
      "errors" "inference_objective_request_error_total"
      "inFlight" "inference_objective_running_requests"
      "inFlightTokens" ""
      "duration" "inference_objective_request_duration_seconds"
      "queue" "inference_extension_flow_control_queue_size"
      "saturation" ""
      "decisions" "llm_d_inference_scheduler_disagg_decision_total"
      "prefixHits" "inference_extension_prefix_indexer_hit_ratio"
      "scheduling" "inference_extension_scheduler_e2e_duration_seconds" -}}
{{- end -}}
{{- $none := dict "waiting" "" "running" "" "kvCache" "" "promptTokens" "" "generatedTokens" "" "firstToken" "" "tokenGap" "" "preemptions" "" "prefixHits" "" "prefixQueries" "" -}}
{{- $engines := dict
      "vllm" (dict
        "waiting" "vllm:num_requests_waiting" "running" "vllm:num_requests_running" "kvCache" "vllm:kv_cache_usage_perc"
        "promptTokens" "vllm:prompt_tokens_total" "generatedTokens" "vllm:generation_tokens_total"
        "firstToken" "vllm:time_to_first_token_seconds" "tokenGap" "vllm:inter_token_latency_seconds"
        "preemptions" "vllm:num_preemptions_total"
        "prefixHits" "vllm:prefix_cache_hits_total" "prefixQueries" "vllm:prefix_cache_queries_total")
      "sglang" (dict
        "waiting" "sglang:num_queue_reqs" "running" "sglang:num_running_reqs" "kvCache" "sglang:token_usage"
        "promptTokens" "sglang:prompt_tokens_total" "generatedTokens" "sglang:generation_tokens_total"
        "firstToken" "sglang:time_to_first_token_seconds" "tokenGap" "sglang:inter_token_latency_seconds")
      "trtllm" (dict
        "waiting" "trtllm_num_requests_waiting" "running" "trtllm_num_requests_running" "kvCache" "trtllm_kv_cache_utilization") -}}
{{- toJson (dict "picker" $picker "engine" (mergeOverwrite $none (get $engines .Values.global.llmd.engine | default dict))) -}}
{{- end -}}
