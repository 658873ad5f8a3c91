{{/*
EndpointPickerConfig from the chart's one description of routing. What a thing is called in an EPP version comes from
_dialect.tpl alone.

llmd-scheduler.config   .   the configuration file, YAML
llmd-scheduler.profiles .   JSON: the profiles in effect, in order, checked:
                            {name: {filters: [{plugin}], scorers: [{plugin, weight}], picker: type, plugins: [{name, type, parameters}]}}

Order matters to EPP 0.7 and 0.9: a decider must be declared before the handler that names it, and a producer before its
consumers is what the documentation shows. So: the user's own plugins, data sources, producers, policies, deciders,
handlers, filters, scorers, pickers.

A plugin keeps its type as its name wherever it can. A named producer is ignored by consumers that do not name it, and a
named metrics source is joined by a second, default one that scrapes every pod again.
*/}}
{{- define "llmd-scheduler.config" -}}
{{- $dialect := include "llmd-scheduler.dialect" . | fromYaml -}}
{{- $extra := deepCopy (.Values.extraPlugins | default dict) -}}
{{- include "llmd.prune" $extra -}}
{{- $profiles := include "llmd-scheduler.profiles" (dict "ctx" . "dialect" $dialect "extra" $extra) | fromJson -}}
{{- $needed := dict -}}
{{- range $profile := $profiles.list -}}
{{- range $profile.needs -}}{{- $_ := set $needed . true -}}{{- end -}}
{{- end -}}
{{- $gates := list -}}
{{- $plugins := list -}}
{{- range $name, $plugin := $extra -}}
{{- $plugins = append $plugins (merge (dict "name" $name) $plugin) -}}
{{- end -}}

{{- $metrics := include "llmd-scheduler.config.metrics" (dict "ctx" . "dialect" $dialect "extra" $extra) | fromJson -}}
{{- $gates = concat $gates $metrics.gates -}}
{{- $plugins = concat $plugins $metrics.plugins -}}

{{- $prefix := include "llmd-scheduler.config.prefixCache" (dict "ctx" . "dialect" $dialect) | fromJson -}}
{{- if and $prefix (eq $dialect.prefixCache.plugin "approx-prefix-cache-producer") -}}
{{- $plugins = append $plugins (dict "type" $dialect.prefixCache.plugin "parameters" $prefix) -}}
{{- end -}}
{{- range $type := keys $needed | sortAlpha -}}
{{- $plugins = append $plugins (dict "type" $type) -}}
{{- end -}}

{{- $flow := dict -}}
{{- if .Values.global.llmd.flowControl -}}
{{- $flow = include "llmd-scheduler.config.flowControl" (dict "ctx" . "dialect" $dialect) | fromJson -}}
{{- $gates = append $gates "flowControl" -}}
{{- $plugins = concat $plugins $flow.plugins -}}
{{- else -}}
{{- include "llmd-scheduler.config.noFlowControl" . -}}
{{- end -}}

{{- $handler := include "llmd-scheduler.config.handler" (dict "ctx" . "dialect" $dialect "profiles" $profiles) | fromJson -}}
{{- $gates = concat $gates $handler.gates -}}
{{- $plugins = concat $plugins $handler.plugins $profiles.plugins -}}

{{- /* The user's plugin of a name wins over the chart's, and over a second declaration of the same. */ -}}
{{- $declared := list -}}{{- $seen := dict -}}
{{- range $plugins -}}
{{- $name := get . "name" | default (get . "type") -}}
{{- if not (hasKey $seen $name) -}}{{- $_ := set $seen $name true -}}{{- $declared = append $declared . -}}{{- end -}}
{{- end -}}

{{- $config := dict "apiVersion" $dialect.config.apiVersion "kind" "EndpointPickerConfig" "plugins" $declared -}}
{{- if $gates -}}{{- $_ := set $config "featureGates" ($gates | uniq | sortAlpha) -}}{{- end -}}
{{- if $metrics.sources -}}{{- $_ := set $config $dialect.config.dataLayer (dict "sources" $metrics.sources) -}}{{- end -}}
{{- with $flow.section -}}{{- $_ := set $config "flowControl" . -}}{{- end -}}
{{- $list := list -}}
{{- range $profiles.list -}}{{- $list = append $list (dict "name" .name "plugins" .plugins) -}}{{- end -}}
{{- $_ := set $config "schedulingProfiles" $list -}}
{{- toYaml $config -}}
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
{{- include "llmd.fail" (dict "ctx" $ctx "path" "global.llmd.engine" "message" (printf "EPP %s has no metrics dialect for %q; available: %s" (include "llmd-scheduler.eppVersion" $ctx) $engine (join ", " (keys $dialect.engines | sortAlpha)))) -}}
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

{{/* Parameters of the prefix index that differ from the EPP's own defaults, JSON; {} when none does. */}}
{{- define "llmd-scheduler.config.prefixCache" -}}
{{- $in := .ctx.Values.prefixCache -}}
{{- $out := dict -}}
{{- if not $in.autoTune -}}{{- $_ := set $out "autoTune" false -}}{{- end -}}
{{- with int64 $in.blockSizeTokens -}}{{- $_ := set $out "blockSizeTokens" . -}}{{- end -}}
{{- with int64 $in.lruCapacityPerServer -}}{{- $_ := set $out "lruCapacityPerServer" . -}}{{- end -}}
{{- with int64 $in.maxPrefixTokens -}}
{{- if eq $.dialect.prefixCache.unit "tokens" -}}
{{- $_ := set $out "maxPrefixTokensToMatch" . -}}
{{- else -}}
{{- $block := int64 ($in.blockSizeTokens | default 16) -}}
{{- $_ := set $out "maxPrefixBlocksToMatch" (div (add . $block -1) $block) -}}
{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{/* Flow control settings without the gate are read by nobody: fail instead of pretending. */}}
{{- define "llmd-scheduler.config.noFlowControl" -}}
{{- $problems := list -}}
{{- range $key, $value := .Values.flowControl -}}
{{- if $value -}}
{{- $problems = append $problems (dict "path" (printf "flowControl.%s" $key) "message" "acts only with global.llmd.flowControl true") -}}
{{- end -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" . "problems" $problems) -}}
{{- end -}}

{{/* {plugins, section}. A policy that a band names must be declared, except the two defaults. */}}
{{- define "llmd-scheduler.config.flowControl" -}}
{{- $ctx := .ctx -}}{{- $dialect := .dialect -}}{{- $in := $ctx.Values.flowControl -}}
{{- $version := include "llmd-scheduler.eppVersion" $ctx -}}
{{- $section := dict -}}{{- $plugins := list -}}{{- $problems := list -}}
{{- with $in.maxBytes -}}
{{- if $dialect.flowControl.quantities -}}{{- $_ := set $section "maxBytes" (include "llmd.scalar" .) -}}
{{- else if regexMatch "^[0-9]+$" (include "llmd.scalar" .) -}}{{- $_ := set $section "maxBytes" (include "llmd.scalar" . | int64) -}}
{{- else -}}{{- $problems = append $problems (dict "path" "flowControl.maxBytes" "message" (printf "EPP %s wants a number of bytes, not %q" $version (include "llmd.scalar" .))) -}}
{{- end -}}
{{- end -}}
{{- with int64 $in.maxRequests -}}
{{- if $dialect.flowControl.maxRequests -}}{{- $_ := set $section "maxRequests" . -}}
{{- else -}}{{- $problems = append $problems (dict "path" "flowControl.maxRequests" "message" (printf "unknown to EPP %s; use flowControl.maxBytes" $version)) -}}
{{- end -}}
{{- end -}}
{{- with $in.requestTtlSeconds -}}{{- $_ := set $section "defaultRequestTTL" (printf "%ss" (include "llmd.scalar" .)) -}}{{- end -}}
{{- with int64 $in.maxConcurrency -}}
{{- if $dialect.flowControl.detector -}}
{{- $plugins = append $plugins (dict "type" $dialect.flowControl.detector "parameters" (dict "maxConcurrency" .)) -}}
{{- $_ := set $section "saturationDetector" (dict "pluginRef" $dialect.flowControl.detector) -}}
{{- else -}}{{- $problems = append $problems (dict "path" "flowControl.maxConcurrency" "message" (printf "unknown to EPP %s, which measures saturation by queue length and cache use" $version)) -}}
{{- end -}}
{{- end -}}
{{- $bands := list -}}{{- $priorities := dict -}}
{{- range $name, $band := ($in.priorityBands | default dict) -}}
{{- if not (kindIs "invalid" $band) -}}
{{- $path := printf "flowControl.priorityBands.%s" $name -}}
{{- $entry := dict "priority" (int64 $band.priority) -}}
{{- $twin := get $priorities (toString $entry.priority) -}}
{{- if $twin -}}{{- $problems = append $problems (dict "path" (printf "%s.priority" $path) "message" (printf "%d is the priority of %s already" $entry.priority $twin)) -}}{{- end -}}
{{- $_ := set $priorities (toString $entry.priority) $name -}}
{{- with $band.maxBytes -}}{{- $_ := set $entry "maxBytes" (ternary (include "llmd.scalar" .) (int64 .) $dialect.flowControl.quantities) -}}{{- end -}}
{{- with int64 (get $band "maxRequests") -}}
{{- if $dialect.flowControl.maxRequests -}}{{- $_ := set $entry "maxRequests" . -}}
{{- else -}}{{- $problems = append $problems (dict "path" (printf "%s.maxRequests" $path) "message" (printf "unknown to EPP %s" $version)) -}}{{- end -}}
{{- end -}}
{{- range $key, $table := dict "fairness" $dialect.fairness "ordering" $dialect.ordering -}}
{{- with get $band $key -}}
{{- $type := get $table . -}}
{{- if $type -}}
{{- $_ := set $entry (printf "%sPolicyRef" $key) $type -}}
{{- $plugins = append $plugins (dict "type" $type) -}}
{{- else -}}
{{- $problems = append $problems (dict "path" (printf "%s.%s" $path $key) "message" (printf "EPP %s has no policy %q; available: %s" $version . (join ", " (keys $table | sortAlpha)))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $bands = append $bands $entry -}}
{{- end -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" $ctx "problems" $problems) -}}
{{- if $bands -}}{{- $_ := set $section "priorityBands" $bands -}}{{- end -}}
{{- toJson (dict "section" $section "plugins" $plugins) -}}
{{- end -}}

{{/* {plugins, gates}: deciders first, then what reads them. A missing profile would show only at the first request. */}}
{{- define "llmd-scheduler.config.handler" -}}
{{- $ctx := .ctx -}}{{- $dialect := .dialect -}}
{{- $names := list -}}{{- range .profiles.list -}}{{- $names = append $names .name -}}{{- end -}}
{{- $plugins := list -}}{{- $gates := list -}}
{{- if eq $ctx.Values.handler "disaggregated" -}}
{{- range list "prefill" "decode" -}}
{{- if not (has . $names) -}}
{{- include "llmd.fail" (dict "ctx" $ctx "path" "profiles" "message" (printf "handler disaggregated needs the profiles prefill and decode; %s is missing" .)) -}}
{{- end -}}
{{- end -}}
{{- range $names -}}
{{- if not (has . (list "prefill" "decode" "encode")) -}}
{{- include "llmd.fail" (dict "ctx" $ctx "path" (printf "profiles.%s" .) "message" "handler disaggregated runs the profiles prefill, decode and encode only; this one would never run") -}}
{{- end -}}
{{- end -}}
{{- $deciders := dict -}}
{{- if eq $ctx.Values.decider.type "prefix-based" -}}
{{- $plugins = append $plugins (dict "type" "prefix-based-pd-decider" "parameters" (dict "nonCachedTokens" (int64 $ctx.Values.decider.nonCachedTokens))) -}}
{{- $_ := set $deciders "prefill" "prefix-based-pd-decider" -}}
{{- with $dialect.deciderGate -}}{{- $gates = append $gates . -}}{{- end -}}
{{- else -}}
{{- $plugins = append $plugins (dict "type" "always-disagg-pd-decider") -}}
{{- $_ := set $deciders "prefill" "always-disagg-pd-decider" -}}
{{- end -}}
{{- if has "encode" $names -}}
{{- $plugins = append $plugins (dict "type" "always-disagg-multimodal-decider") -}}
{{- $_ := set $deciders "encode" "always-disagg-multimodal-decider" -}}
{{- end -}}
{{- with $dialect.headersHandler -}}{{- $plugins = append $plugins (dict "type" .) -}}{{- end -}}
{{- $plugins = append $plugins (dict "type" "disagg-profile-handler" "parameters" (dict "deciders" $deciders)) -}}
{{- else -}}
{{- if ne (len $names) 1 -}}
{{- include "llmd.fail" (dict "ctx" $ctx "path" "profiles" "message" (printf "handler single runs exactly one profile, here are %d: %s" (len $names) (join ", " $names))) -}}
{{- end -}}
{{- $plugins = append $plugins (dict "type" "single-profile-handler") -}}
{{- end -}}
{{- toJson (dict "plugins" $plugins "gates" $gates) -}}
{{- end -}}
