{{/*
The dialects of the endpoint picker (EPP): the only place of this chart that knows versions.

Everything else describes routing in the chart's own words (scheduler.profiles, .decider, .prefixCache,
.flowControl); this file says what each word is called in one EPP version, what that version cannot do, and which
command line flags it has. Facts: github.com/llm-d/llm-d-router v0.9.0 and github.com/llm-d/llm-d-inference-scheduler
v0.7.1 (with sigs.k8s.io/gateway-api-inference-extension v1.4.0), each seen with the started binary.

"llmd-scheduler.dialect" returns the table of global.llmd.eppVersion as YAML:
  scorers, filters  our name -> {type, parameters: names the EPP reads}
  pickers           our name -> type
  engines           global.llmd.engine -> the EPP's name of that metrics dialect
  flags             flags that may be set under scheduler.flags
*/}}
{{- define "llmd-scheduler.dialect" -}}
{{- $version := include "llmd-scheduler.eppVersion" . -}}
{{- if eq $version "0.9" -}}
{{- include "llmd-scheduler.dialect.0.9" . -}}
{{- else if eq $version "0.7" -}}
{{- include "llmd-scheduler.dialect.0.7" . -}}
{{- else -}}
{{- fail (printf "global.llmd.eppVersion: %q is not a dialect of this chart; available: 0.7, 0.9" $version) -}}
{{- end -}}
{{- end -}}

{{- define "llmd-scheduler.dialect.0.9" -}}
config: {apiVersion: llm-d.ai/v1alpha1, dataLayer: dataLayer, dataLayerGate: false, extractor: core-metrics-extractor}
objectives: {apiVersion: llm-d.ai/v1alpha2}
# The EPP asks discovery for llm-d.ai first and falls back to the older group, so it may read either.
resourceGroups: [llm-d.ai, inference.networking.x-k8s.io]
leaseSuffix: llm-d.ai
# Prefix parameters belong to a producer; an unnamed one is found by every consumer, a named one only by reference.
prefixCache: {plugin: approx-prefix-cache-producer, unit: tokens}
# The profile handler sets the sidecar's headers itself since 0.8.
headersHandler: ""
deciderGate: ""
flowControl: {quantities: true, maxRequests: true, detector: concurrency-detector}
engines: {vllm: vllm, sglang: sglang, trtllm: trtllm-serve}
scorers:
  prefix-cache: {type: prefix-cache-scorer, parameters: [prefixMatchInfoProducerName]}
  queue: {type: queue-scorer, parameters: []}
  kv-cache-utilization: {type: kv-cache-utilization-scorer, parameters: []}
  no-hit-lru: {type: no-hit-lru-scorer, parameters: [lruSize, prefixMatchInfoProducerName]}
  active-request: {type: active-request-scorer, parameters: [idleThreshold, maxBusyScore, inFlightLoadProducerName]}
  running-requests: {type: running-requests-size-scorer, parameters: []}
  lora-affinity: {type: lora-affinity-scorer, parameters: []}
  load-aware: {type: load-aware-scorer, parameters: [threshold]}
  session-affinity: {type: session-affinity-scorer, parameters: [headerName, profileName]}
  # Nothing creates its producer by default: without the declaration the EPP exits with "no default producer found".
  token-load: {type: token-load-scorer, parameters: [queueThresholdTokens, inFlightLoadProducerName], needs: inflight-load-producer}
filters:
  prefill: {type: prefill-filter, parameters: []}
  decode: {type: decode-filter, parameters: []}
  encode: {type: encode-filter, parameters: []}
  label-selector: {type: label-selector-filter, parameters: [matchLabels, matchExpressions]}
  session-affinity: {type: session-affinity-filter, parameters: [headerName, profileName]}
  prefix-cache-affinity: {type: prefix-cache-affinity-filter, parameters: [affinityThreshold, explorationProbability, maxTTFTPenaltyMs, peakPrefillThroughput, prefixMatchInfoProducerName, inFlightLoadProducerName]}
pickers: {max-score: max-score-picker, random: random-picker, weighted-random: weighted-random-picker}
fairness: {global-strict: global-strict-fairness-policy, round-robin: round-robin-fairness-policy}
ordering: {fcfs: fcfs-ordering-policy, edf: edf-ordering-policy, slo-deadline: slo-deadline-ordering-policy}
flags: [disable-endpoint-subset-filter, enable-grpc-stream-metrics, enable-pprof, grpc-max-recv-msg-size, grpc-max-send-msg-size, health-checking, metrics-staleness-threshold, refresh-metrics-interval, refresh-prometheus-metrics-interval, tracing, v, zap-devel, zap-encoder, zap-log-level, zap-stacktrace-level, zap-time-encoding]
{{- end -}}

{{- define "llmd-scheduler.dialect.0.7" -}}
config: {apiVersion: inference.networking.x-k8s.io/v1alpha1, dataLayer: data, dataLayerGate: true, extractor: model-server-protocol-metrics}
objectives: {apiVersion: inference.networking.x-k8s.io/v1alpha2}
resourceGroups: [inference.networking.x-k8s.io]
leaseSuffix: gateway-api-inference-extension.sigs.k8s.io
# The scorer keeps the index itself; it counts matches in blocks and knows no token limit.
prefixCache: {plugin: prefix-cache-scorer, unit: blocks}
headersHandler: disagg-headers-handler
# The decider reads what the prefix scorer prepares, and preparation runs only behind this gate.
deciderGate: prepareDataPlugins
flowControl: {quantities: false, maxRequests: false, detector: ""}
engines: {vllm: vllm, sglang: sglang}
scorers:
  prefix-cache: {type: prefix-cache-scorer, parameters: []}
  queue: {type: queue-scorer, parameters: []}
  kv-cache-utilization: {type: kv-cache-utilization-scorer, parameters: []}
  no-hit-lru: {type: no-hit-lru-scorer, parameters: [lruSize, prefixPluginType, prefixPluginName]}
  active-request: {type: active-request-scorer, parameters: [requestTimeout, idleThreshold, maxBusyScore]}
  running-requests: {type: running-requests-size-scorer, parameters: []}
  lora-affinity: {type: lora-affinity-scorer, parameters: []}
  load-aware: {type: load-aware-scorer, parameters: [threshold]}
  session-affinity: {type: session-affinity-scorer, parameters: []}
filters:
  prefill: {type: prefill-filter, parameters: []}
  decode: {type: decode-filter, parameters: []}
  encode: {type: encode-filter, parameters: []}
  label-selector: {type: by-label-selector, parameters: [matchLabels, matchExpressions]}
pickers: {max-score: max-score-picker, random: random-picker, weighted-random: weighted-random-picker}
fairness: {global-strict: global-strict-fairness-policy, round-robin: round-robin-fairness-policy}
ordering: {fcfs: fcfs-ordering-policy, edf: edf-ordering-policy}
flags: [disable-endpoint-subset-filter, enable-pprof, health-checking, metrics-staleness-threshold, refresh-metrics-interval, refresh-prometheus-metrics-interval, tracing, v, zap-devel, zap-encoder, zap-log-level, zap-stacktrace-level, zap-time-encoding]
{{- end -}}
