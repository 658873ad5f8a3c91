{{/*
The index of prompt prefixes.

llmd-scheduler.prefix  (dict "ctx" $ "dialect" $table)   JSON
  {plugins: producers to declare, sources: entries of the data layer, producer: name that consumers must be told, "" for the
   default one, scorer: parameters of the scorer itself (EPP 0.7), scorerType: its type where it is another than the
   dialect's, gates: feature gates, tiers: {name: {weight, parameters of its scorer}}}

approximate: what the EPP itself sent where. precise: what the engines say is in their KV cache. For the latter the EPP cuts
the tokens of a prompt into the engine's blocks, so it needs the engine's tokens (a render service, or with EPP 0.7 a
tokenizer in its pod), its block size, and its events; the hashes are its own (github.com/llm-d/llm-d-kv-cache v0.9.0,
pkg/kvcache/kvblock/token_processor.go).

A tier is a second place where an engine keeps blocks, such as the host's memory. Approximate: an index of its own with its
own capacity, and a scorer of its own whose weight is a share of the prefix scorer's. Precise: the events name the place, and
the share is the weight of that place.
*/}}
{{- define "llmd-scheduler.prefix" -}}
{{- if eq .ctx.Values.prefixCache.source "precise" -}}
{{- include "llmd-scheduler.prefix.precise" . -}}
{{- else -}}
{{- include "llmd-scheduler.prefix.approximate" . -}}
{{- end -}}
{{- end -}}

{{- define "llmd-scheduler.tiers" -}}
{{- $tiers := dict -}}
{{- range $name, $tier := (.Values.prefixCache.tiers | default dict) -}}
{{- if not (kindIs "invalid" $tier) -}}{{- $_ := set $tiers $name $tier -}}{{- end -}}
{{- end -}}
{{- toJson $tiers -}}
{{- end -}}

{{- define "llmd-scheduler.prefix.approximate" -}}
{{- $ctx := .ctx -}}{{- $table := .dialect.prefixCache -}}{{- $in := $ctx.Values.prefixCache -}}
{{- $parameters := dict -}}
{{- if not $in.autoTune -}}{{- $_ := set $parameters "autoTune" false -}}{{- end -}}
{{- with int64 $in.blockSizeTokens -}}{{- $_ := set $parameters "blockSizeTokens" . -}}{{- end -}}
{{- with int64 $in.lruCapacityPerServer -}}{{- $_ := set $parameters "lruCapacityPerServer" . -}}{{- end -}}
{{- $longest := dict -}}
{{- with int64 $in.maxPrefixTokens -}}
{{- if eq $table.unit "tokens" -}}
{{- $_ := set $longest "maxPrefixTokensToMatch" . -}}
{{- else -}}
{{- $block := int64 ($in.blockSizeTokens | default 16) -}}
{{- $_ := set $longest "maxPrefixBlocksToMatch" (div (add . $block -1) $block) -}}
{{- end -}}
{{- end -}}
{{- $parameters = merge $parameters $longest -}}
{{- $own := eq $table.plugin "approx-prefix-cache-producer" -}}
{{- $plugins := list -}}{{- $tiers := dict -}}{{- $problems := list -}}
{{- if and $own $parameters -}}{{- $plugins = append $plugins (dict "type" $table.plugin "parameters" $parameters) -}}{{- end -}}
{{- /* The EPP raises smaller blocks to its least size, so the capacity is counted in that. */ -}}
{{- $block := max (int64 ($in.blockSizeTokens | default $ctx.Values.global.llmd.blockSize | default 16)) (int64 $table.leastBlockTokens) | int64 -}}
{{- range $name, $tier := include "llmd-scheduler.tiers" $ctx | fromJson -}}
{{- $path := printf "prefixCache.tiers.%s" $name -}}
{{- $capacity := int64 (get $tier "lruCapacityPerServer" | default 0) -}}
{{- $bytes := int64 (get $tier "bytes" | default 0) -}}
{{- /* A stated capacity may be rounded, not a multiple: an index of what is gone sends requests to the wrong server. */ -}}
{{- $holds := 0 | int64 -}}
{{- if and $bytes (int64 $in.kvBytesPerToken) -}}{{- $holds = div $bytes (mul (int64 $in.kvBytesPerToken) $block) -}}{{- end -}}
{{- if and $holds (gt (mul 10 $capacity) (mul 11 $holds)) -}}
{{- $problems = append $problems (dict "path" (printf "%s.lruCapacityPerServer" $path) "message" (printf "is %d blocks of %d tokens, and the tier's %d bytes hold %d at %d bytes a token; leave it out" $capacity $block $bytes $holds (int64 $in.kvBytesPerToken))) -}}
{{- end -}}
{{- if eq $capacity 0 -}}
{{- if and $bytes (int64 $in.kvBytesPerToken) -}}
{{- $capacity = div $bytes (mul (int64 $in.kvBytesPerToken) $block) -}}
{{- if eq $capacity 0 -}}{{- $problems = append $problems (dict "path" (printf "%s.bytes" $path) "message" (printf "%d bytes hold not one block of %d tokens at %d bytes a token" $bytes $block (int64 $in.kvBytesPerToken))) -}}{{- end -}}
{{- else -}}
{{- $problems = append $problems (dict "path" $path "message" "how much it holds is unknown: set lruCapacityPerServer, or bytes here and prefixCache.kvBytesPerToken") -}}
{{- end -}}
{{- end -}}
{{- $tierParameters := merge (dict "autoTune" false "blockSizeTokens" $block "lruCapacityPerServer" $capacity) $longest -}}
{{- if $own -}}
{{- $producer := printf "%s-%s" $table.plugin $name -}}
{{- $plugins = append $plugins (dict "type" $table.plugin "name" $producer "parameters" $tierParameters) -}}
{{- $_ := set $tiers $name (dict "weight" $tier.weight "parameters" (dict "prefixMatchInfoProducerName" $producer)) -}}
{{- else -}}
{{- $_ := set $tiers $name (dict "weight" $tier.weight "parameters" $tierParameters) -}}
{{- end -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" $ctx "problems" $problems) -}}
{{- toJson (dict "plugins" $plugins "sources" list "producer" "" "scorer" (ternary dict $parameters $own) "scorerType" "" "gates" list "tiers" $tiers) -}}
{{- end -}}

{{- define "llmd-scheduler.prefix.precise" -}}
{{- include "llmd.failAll" (dict "ctx" .ctx "problems" (include "llmd-scheduler.prefix.problems" . | fromJsonArray)) -}}
{{- $in := .ctx.Values.prefixCache -}}{{- $facts := .ctx.Values.global.llmd -}}{{- $table := .dialect.prefixCache.precise -}}
{{- $index := include "llmd-scheduler.prefix.index" . | fromJson -}}
{{- if eq $table.tokens "socket" -}}
{{- /* Index and scorer in one. An indexerConfig replaces the number of workers that tokenize, and with none every request hangs. */ -}}
{{- $uds := dict "socketFile" (printf "%s/tokenizer-uds.socket" (include "llmd-scheduler.tokenizer.folder" .ctx)) -}}
{{- with .ctx.Values.render.model -}}{{- $_ := set $uds "modelTokenizerMap" (dict $facts.model.id .) -}}{{- end -}}
{{- $_ := set $index.indexerConfig "tokenizersPoolConfig" (dict "modelName" $facts.model.id "workersCount" 5 "uds" $uds) -}}
{{- $gates := ternary (list .dialect.deciderGate) list $in.speculative -}}
{{- toJson (dict "plugins" list "sources" list "producer" "" "scorer" $index "scorerType" $table.plugin "gates" $gates "tiers" dict) -}}
{{- else -}}
{{- $plugins := list
      (dict "type" "token-producer" "parameters" (dict "modelName" $facts.model.id "vllm" (dict "url" (include "llmd-scheduler.renderUrl" .ctx))))
      (dict "type" "endpoint-notification-source")
      (dict "type" $table.plugin "parameters" $index) -}}
{{- $sources := list (dict "pluginRef" "endpoint-notification-source" "extractors" (list (dict "pluginRef" $table.plugin))) -}}
{{- toJson (dict "plugins" $plugins "sources" $sources "producer" $table.plugin "scorer" dict "scorerType" "" "gates" list "tiers" dict) -}}
{{- end -}}
{{- end -}}

{{/* Parameters of the precise index, JSON: how it cuts prompts, what it keeps, whom it hears. */}}
{{- define "llmd-scheduler.prefix.index" -}}
{{- $in := .ctx.Values.prefixCache -}}{{- $facts := .ctx.Values.global.llmd -}}
{{- $hashing := dict .dialect.prefixCache.precise.blockSize (int64 $facts.blockSize) -}}
{{- with $facts.hashSeed -}}{{- $_ := set $hashing "hashSeed" (include "llmd.scalar" .) -}}{{- end -}}
{{- $index := dict "kvBlockIndexConfig" (dict "enableMetrics" true "inMemoryConfig" (dict "podCacheSize" (int64 $in.podsPerBlock))) -}}
{{- $tiers := include "llmd-scheduler.tiers" .ctx | fromJson -}}
{{- if $tiers -}}
{{- $places := list (dict "name" "gpu" "weight" 1) -}}
{{- range $name, $tier := $tiers -}}{{- $places = append $places (dict "name" $name "weight" $tier.weight) -}}{{- end -}}
{{- $_ := set $index "kvCacheBackendConfigs" $places -}}
{{- end -}}
{{- toJson (dict
      "tokenProcessorConfig" $hashing
      "indexerConfig" $index
      "kvEventsConfig" (dict
        "topicFilter" "kv@"
        "concurrency" (int64 $in.eventWorkers)
        "discoverPods" true
        "podDiscoveryConfig" (dict "socketPort" (int64 $facts.ports.kvEvents)))
      "speculativeIndexing" $in.speculative) -}}
{{- end -}}

{{- define "llmd-scheduler.prefix.problems" -}}
{{- $ctx := .ctx -}}{{- $in := $ctx.Values.prefixCache -}}{{- $facts := $ctx.Values.global.llmd -}}
{{- $problems := list -}}
{{- with include "llmd-scheduler.lacks" (dict "ctx" $ctx "dialect" .dialect "feature" "precise-prefix-index") -}}
{{- $problems = append $problems (dict "path" "prefixCache.source" "message" (printf "precise is %s" .)) -}}
{{- end -}}
{{- if eq .dialect.prefixCache.precise.tokens "socket" -}}
{{- if $ctx.Values.render.url -}}
{{- $problems = append $problems (dict "path" "render.url" "message" (printf "EPP %s asks no service for tokens, but the tokenizer in its own pod; leave it empty" (include "llmd-scheduler.eppVersion" $ctx))) -}}
{{- end -}}
{{- if and (eq (include "llmd-scheduler.handler" $ctx) "disaggregated") (eq $ctx.Values.decider.type "prefix-based") (not $in.speculative) -}}
{{- $problems = append $problems (dict "path" "prefixCache.speculative" "message" (printf "must be true with prefixCache.source precise and decider.type prefix-based: EPP %s tells the decider nothing otherwise, and nothing is ever prefilled in another pod" (include "llmd-scheduler.eppVersion" $ctx))) -}}
{{- end -}}
{{- end -}}
{{- if not (has $facts.engine (list "vllm" "sglang")) -}}
{{- $problems = append $problems (dict "path" "prefixCache.source" "message" (printf "precise needs KV cache events, which vllm and sglang publish; global.llmd.engine is %s" $facts.engine)) -}}
{{- end -}}
{{- if not $facts.kvEvents.enabled -}}
{{- $problems = append $problems (dict "path" "global.llmd.kvEvents.enabled" "message" "must be true with prefixCache.source precise: without events the index stays empty") -}}
{{- end -}}
{{- if eq $facts.ipFamily "IPv6" -}}
{{- $problems = append $problems (dict "path" "prefixCache.source" "message" "precise needs KV cache events, which vLLM and SGLang publish over IPv4 only, and global.llmd.ipFamily is IPv6; take approximate") -}}
{{- end -}}
{{- if le (int64 $facts.blockSize) 0 -}}
{{- $problems = append $problems (dict "path" "global.llmd.blockSize" "message" "must be stated with prefixCache.source precise: engine and index have to cut prompts into the same blocks") -}}
{{- end -}}
{{- if not $facts.model.id -}}
{{- $problems = append $problems (dict "path" "global.llmd.model.id" "message" "must be stated with prefixCache.source precise: its tokenizer is needed") -}}
{{- end -}}
{{- if contains "@" (include "llmd.servedName" $ctx) -}}
{{- $problems = append $problems (dict "path" "global.llmd.model.servedName" "message" "must not contain @ with prefixCache.source precise: it separates the parts of the events' topic") -}}
{{- end -}}
{{- if include "llmd-scheduler.leaderElection" $ctx -}}
{{- $problems = append $problems (dict "path" "leaderElection" "message" "must be false with prefixCache.source precise and several replicas: a replica that waits hears no events, and would take over with an empty index") -}}
{{- end -}}
{{- range $key := list "blockSizeTokens" "maxPrefixTokens" "lruCapacityPerServer" -}}
{{- if get $in $key -}}
{{- $problems = append $problems (dict "path" (printf "prefixCache.%s" $key) "message" "belongs to prefixCache.source approximate; precise reads global.llmd.blockSize and has no such limit") -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}
