{{/*
Queueing in the EPP.

llmd-scheduler.flow  (dict "ctx" $ "dialect" $table)   JSON {plugins, section: flowControl of the file, saturation: its
                     section saturationDetector (EPP 0.7), gates}
*/}}
{{- define "llmd-scheduler.flow" -}}
{{- if .ctx.Values.global.llmd.flowControl -}}
{{- include "llmd-scheduler.flow.on" . -}}
{{- else -}}
{{- include "llmd-scheduler.flow.off" .ctx -}}
{{- end -}}
{{- end -}}

{{/* Settings without the gate are read by nobody: fail instead of pretending. */}}
{{- define "llmd-scheduler.flow.off" -}}
{{- $problems := list -}}
{{- range $key, $value := omit .Values.flowControl "modelLoadSeconds" -}}
{{- if $value -}}
{{- $problems = append $problems (dict "path" (printf "flowControl.%s" $key) "message" "acts only with global.llmd.flowControl true") -}}
{{- end -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" . "problems" $problems) -}}
{{- toJson (dict "plugins" list "section" dict "saturation" dict "gates" list) -}}
{{- end -}}

{{- define "llmd-scheduler.flow.on" -}}
{{- $ctx := .ctx -}}{{- $dialect := .dialect -}}{{- $in := $ctx.Values.flowControl -}}
{{- $version := include "llmd-scheduler.eppVersion" $ctx -}}
{{- $section := dict -}}{{- $problems := include "llmd-scheduler.flow.waits" . | fromJsonArray -}}
{{- with $in.maxBytes -}}
{{- if $dialect.features.quantities -}}{{- $_ := set $section "maxBytes" (include "llmd.scalar" .) -}}
{{- else if regexMatch "^[0-9]+$" (include "llmd.scalar" .) -}}{{- $_ := set $section "maxBytes" (include "llmd.scalar" . | int64) -}}
{{- else -}}{{- $problems = append $problems (dict "path" "flowControl.maxBytes" "message" (printf "EPP %s wants a number of bytes, not %q" $version (include "llmd.scalar" .))) -}}
{{- end -}}
{{- end -}}
{{- with int64 $in.maxRequests -}}
{{- if get $dialect.features "request-limits" -}}{{- $_ := set $section "maxRequests" . -}}
{{- else -}}{{- $problems = append $problems (dict "path" "flowControl.maxRequests" "message" (printf "%s; use flowControl.maxBytes" (include "llmd-scheduler.lacks" (dict "ctx" $ctx "dialect" $dialect "feature" "request-limits")))) -}}
{{- end -}}
{{- end -}}
{{- if $in.requestTtlSeconds -}}{{- $_ := set $section "defaultRequestTTL" (printf "%ss" (include "llmd.scalar" $in.requestTtlSeconds)) -}}
{{- else if $dialect.unlimitedTtl -}}{{- $_ := set $section "defaultRequestTTL" $dialect.unlimitedTtl -}}
{{- end -}}
{{- with $in.noEndpointTtlSeconds -}}{{- $_ := set $section "noEndpointRequestTTL" (printf "%ss" (include "llmd.scalar" .)) -}}{{- end -}}
{{- if $in.eviction -}}{{- $_ := set $section "enableEviction" true -}}{{- end -}}
{{- range $feature, $set := dict "no-endpoint-ttl" $in.noEndpointTtlSeconds "eviction" $in.eviction "negative-band" $in.negativeBand -}}
{{- if $set -}}
{{- with include "llmd-scheduler.lacks" (dict "ctx" $ctx "dialect" $dialect "feature" $feature) -}}
{{- $problems = append $problems (dict "path" (printf "flowControl.%s" (get (dict "no-endpoint-ttl" "noEndpointTtlSeconds" "eviction" "eviction" "negative-band" "negativeBand") $feature)) "message" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $detector := include "llmd-scheduler.flow.detector" . | fromJson -}}
{{- $problems = concat $problems $detector.problems -}}
{{- $section = merge $section $detector.section -}}
{{- $bands := include "llmd-scheduler.flow.bands" . | fromJson -}}
{{- $problems = concat $problems $bands.problems -}}
{{- $section = merge $section $bands.section -}}
{{- include "llmd.failAll" (dict "ctx" $ctx "problems" $problems) -}}
{{- toJson (dict "section" $section "saturation" $detector.saturation "plugins" (concat $detector.plugins $bands.plugins | default list) "gates" (list "flowControl")) -}}
{{- end -}}

{{/*
Problems of how long a request may wait, JSON list. Where replicas come and go, a request that is given up sooner than a new
replica can load its model never sees the replica that was started for it.
*/}}
{{- define "llmd-scheduler.flow.waits" -}}
{{- $in := .ctx.Values.flowControl -}}{{- $problems := list -}}
{{- $autoscaled := false -}}
{{- range $role, $spec := include "llmd.roles" .ctx | fromJson -}}{{- if $spec.autoscaled -}}{{- $autoscaled = true -}}{{- end -}}{{- end -}}
{{- $key := ternary "noEndpointTtlSeconds" "requestTtlSeconds" (gt (float64 $in.noEndpointTtlSeconds) 0.0) -}}
{{- $wait := float64 (get $in $key) -}}
{{- $load := float64 $in.modelLoadSeconds -}}
{{- if and $autoscaled (gt $wait 0.0) (lt $wait $load) -}}
{{- $problems = append $problems (dict "path" (printf "flowControl.%s" $key) "message" (printf "%s s is less than the %s s in which a new replica may load its model (flowControl.modelLoadSeconds): with an autoscaled role, set at least that, or 0 for no limit" (include "llmd.scalar" $wait) (include "llmd.scalar" $load))) -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{/*
When the pool is full: a number of requests or of tokens that the EPP counts itself (concurrency), or thresholds on what the
engines report (utilization, the EPP's default). JSON {plugins, section, saturation, problems}.
*/}}
{{- define "llmd-scheduler.flow.detector" -}}
{{- $ctx := .ctx -}}{{- $in := $ctx.Values.flowControl -}}
{{- $problems := list -}}{{- $plugins := list -}}{{- $section := dict -}}{{- $saturation := dict -}}
{{- $requests := int64 $in.maxConcurrency -}}{{- $tokens := int64 $in.maxTokenConcurrency -}}
{{- $thresholds := dict -}}
{{- with int64 $in.queueDepthThreshold -}}{{- $_ := set $thresholds "queueDepthThreshold" . -}}{{- end -}}
{{- with float64 $in.kvCacheUtilThreshold -}}{{- $_ := set $thresholds "kvCacheUtilThreshold" . -}}{{- end -}}
{{- if or $requests $tokens -}}
{{- $key := ternary "maxConcurrency" "maxTokenConcurrency" (gt $requests 0) -}}
{{- with include "llmd-scheduler.lacks" (dict "ctx" $ctx "dialect" .dialect "feature" "concurrency-detector") -}}
{{- $problems = append $problems (dict "path" (printf "flowControl.%s" $key) "message" (printf "%s; EPP %s measures saturation by queue length and cache use" . (include "llmd-scheduler.eppVersion" $ctx))) -}}
{{- end -}}
{{- if and $requests $tokens -}}
{{- with include "llmd-scheduler.lacks" (dict "ctx" $ctx "dialect" .dialect "feature" "hybrid-concurrency") -}}
{{- $problems = append $problems (dict "path" "flowControl.maxTokenConcurrency" "message" (printf "together with maxConcurrency it is %s; set one of the two" .)) -}}
{{- end -}}
{{- end -}}
{{- if $thresholds -}}
{{- $problems = append $problems (dict "path" (printf "flowControl.%s" (keys $thresholds | sortAlpha | first)) "message" (printf "is not read beside %s: one detector says when the pool is full" $key)) -}}
{{- end -}}
{{- $parameters := dict -}}
{{- if $requests -}}{{- $_ := set $parameters "maxConcurrency" $requests -}}{{- end -}}
{{- if $tokens -}}
{{- $_ := set $parameters "maxTokenConcurrency" $tokens -}}
{{- $_ := set $parameters "concurrencyMode" (ternary "hybrid" "tokens" (gt $requests 0)) -}}
{{- end -}}
{{- with float64 $in.headroom -}}{{- $_ := set $parameters "headroom" . -}}{{- end -}}
{{- $plugins = append $plugins (dict "type" "concurrency-detector" "parameters" $parameters) -}}
{{- $_ := set $section "saturationDetector" (dict "pluginRef" "concurrency-detector") -}}
{{- else if get .dialect.features "utilization-detector" -}}
{{- with float64 $in.headroom -}}{{- $_ := set $thresholds "headroom" . -}}{{- end -}}
{{- if $thresholds -}}
{{- $plugins = append $plugins (dict "type" "utilization-detector" "parameters" $thresholds) -}}
{{- $_ := set $section "saturationDetector" (dict "pluginRef" "utilization-detector") -}}
{{- end -}}
{{- else -}}
{{- if $in.headroom -}}
{{- $problems = append $problems (dict "path" "flowControl.headroom" "message" (include "llmd-scheduler.lacks" (dict "ctx" $ctx "dialect" .dialect "feature" "utilization-detector"))) -}}
{{- end -}}
{{- $saturation = $thresholds -}}
{{- end -}}
{{- toJson (dict "plugins" $plugins "section" $section "saturation" $saturation "problems" $problems) -}}
{{- end -}}

{{/* Priority bands. JSON {plugins, section, problems}. A policy that a band names must be declared. */}}
{{- define "llmd-scheduler.flow.bands" -}}
{{- $args := . -}}{{- $in := .ctx.Values.flowControl -}}
{{- $problems := list -}}{{- $plugins := list -}}{{- $section := dict -}}
{{- $bands := list -}}{{- $priorities := dict -}}
{{- range $name, $band := ($in.priorityBands | default dict) -}}
{{- if not (kindIs "invalid" $band) -}}
{{- $path := printf "flowControl.priorityBands.%s" $name -}}
{{- $entry := include "llmd-scheduler.flow.band" (dict "ctx" $args.ctx "dialect" $args.dialect "band" $band "path" $path) | fromJson -}}
{{- $problems = concat $problems $entry.problems -}}{{- $plugins = concat $plugins $entry.plugins -}}
{{- $priority := int64 $band.priority -}}
{{- with get $priorities (toString $priority) -}}{{- $problems = append $problems (dict "path" (printf "%s.priority" $path) "message" (printf "%d is the priority of %s already" $priority .)) -}}{{- end -}}
{{- $_ := set $priorities (toString $priority) $name -}}
{{- $bands = append $bands (mergeOverwrite $entry.band (dict "priority" $priority)) -}}
{{- end -}}
{{- end -}}
{{- if $bands -}}{{- $_ := set $section "priorityBands" $bands -}}{{- end -}}
{{- range $key, $field := dict "defaultBand" "defaultPriorityBand" "negativeBand" "defaultNegativePriorityBand" -}}
{{- with get $in $key -}}
{{- $entry := include "llmd-scheduler.flow.band" (dict "ctx" $args.ctx "dialect" $args.dialect "band" . "path" (printf "flowControl.%s" $key)) | fromJson -}}
{{- $problems = concat $problems $entry.problems -}}{{- $plugins = concat $plugins $entry.plugins -}}
{{- with $entry.band -}}{{- $_ := set $section $field . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- /* concat of empty lists is null. */ -}}
{{- toJson (dict "plugins" ($plugins | default list) "section" $section "problems" ($problems | default list)) -}}
{{- end -}}

{{- define "llmd-scheduler.flow.band" -}}
{{- $dialect := .dialect -}}{{- $band := .band -}}{{- $path := .path -}}
{{- $version := include "llmd-scheduler.eppVersion" .ctx -}}
{{- $entry := dict -}}{{- $plugins := list -}}{{- $problems := list -}}
{{- with $band.maxBytes -}}
{{- $text := include "llmd.scalar" . -}}
{{- if $dialect.features.quantities -}}{{- $_ := set $entry "maxBytes" $text -}}
{{- else if regexMatch "^[0-9]+$" $text -}}{{- $_ := set $entry "maxBytes" (int64 $text) -}}
{{- else -}}{{- $problems = append $problems (dict "path" (printf "%s.maxBytes" $path) "message" (printf "EPP %s wants a number of bytes, not %q" $version $text)) -}}
{{- end -}}
{{- end -}}
{{- with int64 (get $band "maxRequests") -}}
{{- if get $dialect.features "request-limits" -}}{{- $_ := set $entry "maxRequests" . -}}
{{- else -}}{{- $problems = append $problems (dict "path" (printf "%s.maxRequests" $path) "message" (include "llmd-scheduler.lacks" (dict "ctx" $.ctx "dialect" $dialect "feature" "request-limits"))) -}}{{- end -}}
{{- end -}}
{{- range $key, $table := dict "fairness" $dialect.fairness "ordering" $dialect.ordering -}}
{{- with get $band $key -}}
{{- $type := get $table . -}}
{{- if $type -}}
{{- $_ := set $entry (printf "%sPolicyRef" $key) $type -}}
{{- $plugins = append $plugins (dict "type" $type) -}}
{{- else -}}
{{- $problems = append $problems (dict "path" (printf "%s.%s" $path $key) "message" (printf "EPP %s has no policy %q%s; available: %s" $version . (include "llmd-scheduler.others" (dict "ctx" $.ctx "table" $key "key" .)) (join ", " (keys $table | sortAlpha)))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "band" $entry "plugins" $plugins "problems" $problems) -}}
{{- end -}}
