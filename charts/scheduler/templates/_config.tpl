{{/*
EndpointPickerConfig from the chart's one description of routing. What a thing is called in an EPP version comes from
_dialect.tpl alone.

llmd-scheduler.config   .   the configuration file, YAML

Order matters to EPP 0.7 and 0.9: a decider must be declared before the handler that names it, and a producer before its
consumers is what the documentation shows. So: the user's own plugins, data sources, producers, policies, deciders,
handlers, filters, scorers, pickers.

A plugin keeps its type as its name wherever it can. A named producer is ignored by consumers that do not name it, and a
named metrics source is joined by a second, default one that scrapes every pod again.
*/}}
{{- define "llmd-scheduler.config" -}}
{{- if not (hasKey .Values "memo config") -}}{{- $_ := set .Values "memo config" (include "llmd-scheduler.makeConfig" .) -}}{{- end -}}
{{- get .Values "memo config" -}}
{{- end -}}

{{- define "llmd-scheduler.makeConfig" -}}
{{- $dialect := include "llmd-scheduler.dialect" . | fromJson -}}
{{- $extra := deepCopy (.Values.extraPlugins | default dict) -}}
{{- include "llmd.prune" $extra -}}
{{- $prefix := include "llmd-scheduler.prefix" (dict "ctx" . "dialect" $dialect) | fromJson -}}
{{- $profiles := include "llmd-scheduler.profiles" (dict "ctx" . "dialect" $dialect "extra" $extra "prefix" $prefix) | fromJson -}}
{{- $plugins := list -}}
{{- range $name, $plugin := $extra -}}
{{- $plugins = append $plugins (merge (dict "name" $name) $plugin) -}}
{{- end -}}
{{- $metrics := include "llmd-scheduler.config.metrics" (dict "ctx" . "dialect" $dialect "extra" $extra) | fromJson -}}
{{- $flow := include "llmd-scheduler.flow" (dict "ctx" . "dialect" $dialect) | fromJson -}}
{{- $predictor := include "llmd-scheduler.predictor" (dict "ctx" . "dialect" $dialect "profiles" $profiles.list "prefix" $prefix) | fromJsonArray -}}
{{- $producers := include "llmd-scheduler.config.producers" (dict "profiles" $profiles.list "prefix" $prefix "flow" $flow) | fromJsonArray -}}
{{- $handler := include "llmd-scheduler.config.handler" (dict "ctx" . "dialect" $dialect "profiles" $profiles) | fromJson -}}
{{- $indexes := include "llmd-scheduler.config.indexes" (dict "prefix" $prefix "readers" (concat $profiles.plugins (values $extra))) | fromJsonArray -}}
{{- $plugins = concat $plugins $metrics.plugins $indexes $producers $predictor $flow.plugins $handler.plugins $profiles.plugins -}}

{{- /* The user's plugin of a name wins over the chart's, and over a second declaration of the same. */ -}}
{{- $declared := list -}}{{- $seen := dict -}}
{{- range $plugins -}}
{{- $name := get . "name" | default (get . "type") -}}
{{- if not (hasKey $seen $name) -}}{{- $_ := set $seen $name true -}}{{- $declared = append $declared . -}}{{- end -}}
{{- end -}}

{{- $config := dict "apiVersion" $dialect.config.apiVersion "kind" "EndpointPickerConfig" "plugins" $declared -}}
{{- $gates := concat $metrics.gates $flow.gates $handler.gates $prefix.gates -}}
{{- if $gates -}}{{- $_ := set $config "featureGates" ($gates | uniq | sortAlpha) -}}{{- end -}}
{{- $sources := concat $metrics.sources $prefix.sources -}}
{{- if $sources -}}{{- $_ := set $config $dialect.config.dataLayer (dict "sources" $sources) -}}{{- end -}}
{{- with $flow.section -}}{{- $_ := set $config "flowControl" . -}}{{- end -}}
{{- with $flow.saturation -}}{{- $_ := set $config "saturationDetector" . -}}{{- end -}}
{{- $list := list -}}
{{- range $profiles.list -}}{{- $list = append $list (dict "name" .name "plugins" .plugins) -}}{{- end -}}
{{- $_ := set $config "schedulingProfiles" $list -}}
{{- toYaml $config -}}
{{- end -}}

{{/*
What keeps an index of prefixes. JSON list. A tier's index has a name of its own, and one that no plugin names is left out: it
would be filled, and never read.
*/}}
{{- define "llmd-scheduler.config.indexes" -}}
{{- $named := dict -}}
{{- range .readers -}}
{{- with get (get . "parameters" | default dict) "prefixMatchInfoProducerName" -}}{{- $_ := set $named . true -}}{{- end -}}
{{- end -}}
{{- $list := list -}}
{{- range .prefix.plugins -}}
{{- if or (not (hasKey . "name")) (hasKey $named (get . "name" | default "")) -}}{{- $list = append $list . -}}{{- end -}}
{{- end -}}
{{- toJson $list -}}
{{- end -}}

{{/*
Producers that a named plugin asks for. With a prefix index of another name, whoever counts work in flight must be told it
too: it takes cached tokens off, and would else keep an approximate index of its own. JSON list.
*/}}
{{- define "llmd-scheduler.config.producers" -}}
{{- $needed := dict -}}{{- $counts := false -}}
{{- range .profiles -}}
{{- range .needs -}}{{- $_ := set $needed . true -}}{{- end -}}
{{- if .inFlight -}}{{- $counts = true -}}{{- end -}}
{{- end -}}
{{- range .flow.plugins -}}{{- if eq .type "concurrency-detector" -}}{{- $counts = true -}}{{- end -}}{{- end -}}
{{- if and $counts .prefix.producer -}}{{- $_ := set $needed "inflight-load-producer" true -}}{{- end -}}
{{- $list := list -}}
{{- range $type := keys $needed | sortAlpha -}}
{{- $plugin := dict "type" $type -}}
{{- if and $.prefix.producer (eq $type "inflight-load-producer") -}}{{- $_ := set $plugin "parameters" (dict "prefixMatchInfoProducerName" $.prefix.producer) -}}{{- end -}}
{{- $list = append $list $plugin -}}
{{- end -}}
{{- toJson $list -}}
{{- end -}}

{{/*
Where queue lengths and cache use come from. Without an explicit engine, EPP 0.9 reads an unlabelled pod as vLLM, and 0.7
reads every pod as vLLM unless its data layer is switched on: other engines then look idle for ever.
Gives {plugins, sources, gates}. 0.7 with vLLM: nothing, its built-in collector already speaks that dialect.
*/}}
{{- define "llmd-scheduler.config.metrics" -}}
{{- $ctx := .ctx -}}{{- $dialect := .dialect -}}
{{- $engine := $ctx.Values.global.llmd.engine -}}
{{- $out := dict "plugins" list "sources" list "gates" list -}}
{{- $path := include "llmd-scheduler.metricsPath" $ctx -}}
{{- $name := get $dialect.engines $engine -}}
{{- $own := "" -}}
{{- range $key, $plugin := .extra -}}{{- if eq (toString $plugin.type) $dialect.config.extractor -}}{{- $own = $key -}}{{- end -}}{{- end -}}
{{- if and (not $name) (not $own) -}}
{{- if eq $engine "custom" -}}
{{- include "llmd.fail" (dict "ctx" $ctx "path" "extraPlugins" "message" (printf "global.llmd.engine is custom: declare a plugin of type %s whose engineConfigs name the engine's metrics; without it every pod looks idle" $dialect.config.extractor)) -}}
{{- end -}}
{{- include "llmd.fail" (dict "ctx" $ctx "path" "global.llmd.engine" "message" (printf "EPP %s has no metrics dialect for %q%s; available: %s" (include "llmd-scheduler.eppVersion" $ctx) $engine (include "llmd-scheduler.others" (dict "ctx" $ctx "table" "engines" "key" $engine)) (join ", " (keys $dialect.engines | sortAlpha)))) -}}
{{- end -}}
{{- $default := and (eq $engine "vllm") (eq $path "/metrics") (not $own) -}}
{{- if not (and $default $dialect.config.dataLayerGate) -}}
{{- $extractor := $own | default $dialect.config.extractor -}}
{{- $_ := set $out "plugins" (list
      (dict "type" "metrics-data-source" "parameters" (dict "scheme" "http" "path" $path))
      (dict "type" $dialect.config.extractor "parameters" (dict "engineLabelKey" "llm-d.ai/engine-type" "defaultEngine" ($name | default "vllm")))) -}}
{{- if $own -}}{{- $_ := set $out "plugins" (list (first $out.plugins)) -}}{{- end -}}
{{- $_ := set $out "sources" (list (dict "pluginRef" "metrics-data-source" "extractors" (list (dict "pluginRef" $extractor)))) -}}
{{- if $dialect.config.dataLayerGate -}}{{- $_ := set $out "gates" (list "dataLayer") -}}{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- define "llmd-scheduler.metricsPath" -}}
{{- .Values.metricsPath | default (ternary "/prometheus/metrics" "/metrics" (eq .Values.global.llmd.engine "trtllm")) -}}
{{- end -}}

{{/* {plugins, gates}: deciders first, then what reads them. A missing profile would show only at the first request. */}}
{{- define "llmd-scheduler.config.handler" -}}
{{- $ctx := .ctx -}}{{- $dialect := .dialect -}}
{{- $names := list -}}{{- range .profiles.list -}}{{- $names = append $names .name -}}{{- end -}}
{{- $plugins := list -}}{{- $gates := list -}}{{- $problems := list -}}
{{- if eq (include "llmd-scheduler.handler" $ctx) "disaggregated" -}}
{{- $roles := include "llmd.roles" $ctx | fromJson -}}
{{- /* Without roles (the chart alone) the profiles say what there is. */ -}}
{{- $wanted := list "prefill" "decode" -}}
{{- if hasKey $roles "encode" -}}{{- $wanted = ternary (list "encode" "prefill" "decode") (list "encode" "decode") (hasKey $roles "prefill") -}}{{- end -}}
{{- range $wanted -}}
{{- if not (has . $names) -}}
{{- $problems = append $problems (dict "path" "profiles" "message" (printf "handler disaggregated needs the profiles %s; %s is missing" (join " and " $wanted) .)) -}}
{{- end -}}
{{- end -}}
{{- range $names -}}
{{- if not (has . (list "prefill" "decode" "encode")) -}}
{{- $problems = append $problems (dict "path" (printf "profiles.%s" .) "message" "handler disaggregated runs the profiles prefill, decode and encode only; this one would never run") -}}
{{- else if and $roles (not (hasKey $roles .)) -}}
{{- $problems = append $problems (dict "path" (printf "profiles.%s" .) "message" (printf "global.llmd.roles has no role %s; it would find no pod" .)) -}}
{{- end -}}
{{- end -}}
{{- $deciders := dict -}}
{{- $decider := $ctx.Values.decider -}}
{{- if has "prefill" $names -}}
{{- $type := get $dialect.deciders $decider.type -}}
{{- $plugin := dict "type" $type -}}
{{- if eq $decider.type "prefix-based" -}}
{{- $parameters := dict "nonCachedTokens" (int64 $decider.nonCachedTokens) -}}
{{- if eq (int64 $decider.nonCachedTokens) 0 -}}
{{- $problems = append $problems (dict "path" "decider.nonCachedTokens" "message" "must be above 0 with decider.type prefix-based: 0 switches the decider off, and nothing is ever prefilled in another pod") -}}
{{- end -}}
{{- with int64 $decider.promptTokens -}}
{{- $_ := set $parameters "promptTokens" . -}}
{{- if not (has "promptTokens" $dialect.deciderParameters) -}}
{{- $problems = append $problems (dict "path" "decider.promptTokens" "message" (printf "EPP %s does not read it%s" (include "llmd-scheduler.eppVersion" $ctx) (include "llmd-scheduler.others" (dict "ctx" $ctx "table" "deciderParameters" "key" "promptTokens")))) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $plugin "parameters" $parameters -}}
{{- with $dialect.deciderGate -}}{{- $gates = append $gates . -}}{{- end -}}
{{- end -}}
{{- $plugins = append $plugins $plugin -}}
{{- $_ := set $deciders "prefill" $type -}}
{{- end -}}
{{- if has "encode" $names -}}
{{- $plugins = append $plugins (dict "type" "always-disagg-multimodal-decider") -}}
{{- $_ := set $deciders "encode" "always-disagg-multimodal-decider" -}}
{{- end -}}
{{- with $dialect.headersHandler -}}{{- $plugins = append $plugins (dict "type" .) -}}{{- end -}}
{{- $plugins = append $plugins (dict "type" "disagg-profile-handler" "parameters" (dict "deciders" $deciders)) -}}
{{- else -}}
{{- if ne (len $names) 1 -}}
{{- $problems = append $problems (dict "path" "profiles" "message" (printf "handler single runs exactly one profile, here are %d: %s" (len $names) (join ", " $names))) -}}
{{- end -}}
{{- $plugins = append $plugins (dict "type" "single-profile-handler") -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" $ctx "problems" $problems) -}}
{{- toJson (dict "plugins" $plugins "gates" $gates) -}}
{{- end -}}
