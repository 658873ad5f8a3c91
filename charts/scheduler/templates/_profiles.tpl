{{/*
Scheduling profiles: values -> lists of plugins and references.

llmd-scheduler.profiles (dict "ctx" $ "dialect" $table "extra" $extraPlugins "prefix" $prefix)
  JSON {list: [{name, plugins: [{pluginRef, weight?}], needs: [types of producers], inFlight: bool}],
        plugins: [{type, name?, parameters?}]}
  $prefix is what llmd-scheduler.prefix says.

A scorer that two profiles use with the same parameters is one plugin under its type's name; with other parameters it
becomes one plugin a profile, named "<type>-<profile>". Every mistake is collected before the rendering stops.
*/}}
{{- define "llmd-scheduler.profiles" -}}
{{- $ctx := .ctx -}}{{- $dialect := .dialect -}}{{- $extra := .extra -}}{{- $prefix := .prefix -}}
{{- $handler := include "llmd-scheduler.handler" $ctx -}}
{{- $values := dict -}}
{{- range $name, $profile := (include "llmd-scheduler.profileValues" $ctx | fromJson) -}}
{{- if not (kindIs "invalid" $profile) -}}{{- $_ := set $values $name $profile -}}{{- end -}}
{{- end -}}

{{- /* First pass: what each profile names, checked. */ -}}
{{- $uses := list -}}{{- $problems := list -}}
{{- range $name, $profile := $values -}}
{{- $path := printf "profiles.%s" $name -}}
{{- $filters := deepCopy (get $profile "filters" | default dict) -}}
{{- if and (eq $handler "disaggregated") (hasKey $dialect.filters $name) (not (hasKey $filters $name)) -}}
{{- /* Without the role's filter a profile would pick pods of every role. */ -}}
{{- $_ := set $filters $name dict -}}
{{- end -}}
{{- range $key := include "llmd-scheduler.filterOrder" (dict "filters" $filters "table" $dialect.filters) | fromJsonArray -}}
{{- $parameters := get $filters $key -}}
{{- if not (kindIs "invalid" $parameters) -}}
{{- $use := include "llmd-scheduler.plugin" (dict "ctx" $ctx "dialect" $dialect "table" "filters" "extra" $extra "prefix" $prefix "kind" "filter" "key" $key "parameters" $parameters "path" (printf "%s.filters.%s" $path $key)) | fromJson -}}
{{- $problems = concat $problems $use.problems -}}
{{- $uses = append $uses (merge (dict "profile" $name "order" 1) $use) -}}
{{- end -}}
{{- end -}}
{{- $count := 0 -}}
{{- $scorers := include "llmd-scheduler.withTiers" (dict "scorers" (get $profile "scorers" | default dict) "tiers" $prefix.tiers) | fromJson -}}
{{- range $key := include "llmd-scheduler.scorerOrder" (dict "scorers" $scorers "table" $dialect.scorers) | fromJsonArray -}}
{{- $scorer := get $scorers $key -}}
{{- if not (kindIs "invalid" $scorer) -}}
{{- $count = add1 $count -}}
{{- $use := include "llmd-scheduler.plugin" (dict "ctx" $ctx "dialect" $dialect "table" "scorers" "extra" $extra "prefix" $prefix "kind" "scorer" "key" $key "parameters" (get $scorer "parameters" | default dict) "path" (printf "%s.scorers.%s" $path $key)) | fromJson -}}
{{- $problems = concat $problems $use.problems -}}
{{- $weight := 1 -}}
{{- if hasKey $scorer "weight" -}}{{- $weight = $scorer.weight -}}{{- end -}}
{{- $uses = append $uses (merge (dict "profile" $name "order" 2 "weight" $weight) $use) -}}
{{- end -}}
{{- end -}}
{{- if eq (int $count) 0 -}}
{{- $problems = append $problems (dict "path" (printf "%s.scorers" $path) "message" "a profile without scorers picks pods at random; name at least one") -}}
{{- end -}}
{{- $picker := get $profile "picker" | default "max-score" -}}
{{- $use := include "llmd-scheduler.plugin" (dict "ctx" $ctx "dialect" $dialect "table" "pickers" "extra" $extra "prefix" $prefix "kind" "picker" "key" $picker "parameters" dict "path" (printf "%s.picker" $path)) | fromJson -}}
{{- $problems = concat $problems $use.problems -}}
{{- $uses = append $uses (merge (dict "profile" $name "order" 3) $use) -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" $ctx "problems" $problems) -}}

{{- /* Second pass: names. */ -}}
{{- $variants := dict -}}
{{- range $uses -}}
{{- if .type -}}
{{- $seen := get $variants .base | default dict -}}
{{- $_ := set $seen (toJson .parameters) true -}}
{{- $_ := set $variants .base $seen -}}
{{- end -}}
{{- end -}}
{{- $plugins := list -}}
{{- range $order := list 1 2 3 -}}
{{- range $use := $uses -}}
{{- if and (eq (int $use.order) $order) $use.type -}}
{{- $plugin := dict "type" $use.type -}}
{{- $_ := set $use "ref" $use.base -}}
{{- if gt (len (get $variants $use.base)) 1 -}}
{{- $_ := set $use "ref" (printf "%s-%s" $use.base $use.profile) -}}
{{- end -}}
{{- if ne $use.ref $use.type -}}{{- $_ := set $plugin "name" $use.ref -}}{{- end -}}
{{- with $use.parameters -}}{{- $_ := set $plugin "parameters" . -}}{{- end -}}
{{- $plugins = append $plugins $plugin -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $list := list -}}
{{- range $name := keys $values | sortAlpha -}}
{{- $refs := list -}}{{- $needs := list -}}{{- $inFlight := false -}}{{- $predicts := list -}}
{{- range $order := list 1 2 3 -}}
{{- range $use := $uses -}}
{{- if and (eq $use.profile $name) (eq (int $use.order) $order) -}}
{{- $ref := dict "pluginRef" $use.ref -}}
{{- if hasKey $use "weight" -}}{{- $_ := set $ref "weight" $use.weight -}}{{- end -}}
{{- $refs = append $refs $ref -}}
{{- with $use.needs -}}{{- $needs = append $needs . -}}{{- end -}}
{{- if $use.inFlight -}}{{- $inFlight = true -}}{{- end -}}
{{- with $use.predicts -}}{{- $predicts = append $predicts . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $list = append $list (dict "name" $name "plugins" $refs "needs" $needs "inFlight" $inFlight "predicts" $predicts) -}}
{{- end -}}
{{- toJson (dict "list" $list "plugins" $plugins) -}}
{{- end -}}

{{/* The profiles of the values, or what the handler needs at least: the EPP's own default weights, and for
disaggregation a prefill choice by cache and load, a decode choice by running requests, an encode choice by queue. */}}
{{- define "llmd-scheduler.profileValues" -}}
{{- $given := dict -}}
{{- range $name, $profile := (.Values.profiles | default dict) -}}
{{- if not (kindIs "invalid" $profile) -}}{{- $_ := set $given $name $profile -}}{{- end -}}
{{- end -}}
{{- if $given -}}
{{- toJson $given -}}
{{- else -}}
{{- $load := dict "queue" (dict "weight" 2) "kv-cache-utilization" (dict "weight" 2) "prefix-cache" (dict "weight" 3) -}}
{{- if eq (include "llmd-scheduler.handler" .) "disaggregated" -}}
{{- $roles := include "llmd.roles" . | fromJson -}}
{{- $profiles := dict "decode" (dict "scorers" (dict "active-request" (dict "weight" 2) "prefix-cache" (dict "weight" 3))) -}}
{{- if or (not $roles) (hasKey $roles "prefill") -}}{{- $_ := set $profiles "prefill" (dict "scorers" $load) -}}{{- end -}}
{{- if hasKey $roles "encode" -}}{{- $_ := set $profiles "encode" (dict "scorers" (dict "queue" (dict "weight" 2))) -}}{{- end -}}
{{- toJson $profiles -}}
{{- else -}}
{{- toJson (dict "default" (dict "scorers" $load)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Names of filters in the order in which they run, JSON list. Names of the user's own plugins come last. */}}
{{- define "llmd-scheduler.filterOrder" -}}
{{- $in := . -}}{{- $order := list -}}
{{- range $rank := until 7 -}}
{{- range $key := keys $in.filters | sortAlpha -}}
{{- $known := get $in.table $key -}}
{{- if eq $rank (ternary 6 (int (get ($known | default dict) "rank")) (not $known)) -}}{{- $order = append $order $key -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $order -}}
{{- end -}}

{{/* Names of scorers in the order in which they run, JSON list: what reads the finds of another one has a higher rank. */}}
{{- define "llmd-scheduler.scorerOrder" -}}
{{- $in := . -}}{{- $order := list -}}
{{- range $rank := until 2 -}}
{{- range $key := keys $in.scorers | sortAlpha -}}
{{- if eq $rank (int (get (get $in.table $key | default dict) "rank")) -}}{{- $order = append $order $key -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $order -}}
{{- end -}}

{{/* The scorers of a profile with one for each further tier, JSON: its weight is the tier's share of the prefix scorer's. */}}
{{- define "llmd-scheduler.withTiers" -}}
{{- $scorers := deepCopy .scorers -}}
{{- $prefix := get .scorers "prefix-cache" -}}
{{- if not (kindIs "invalid" $prefix) -}}
{{- if $prefix -}}
{{- range $name, $tier := .tiers -}}
{{- $key := printf "prefix-cache-%s" $name -}}
{{- if not (hasKey $scorers $key) -}}
{{- $_ := set $scorers $key (dict "weight" (round (mulf (ternary (get $prefix "weight") 1 (hasKey $prefix "weight")) $tier.weight) 6)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $scorers -}}
{{- end -}}

{{/*
One named thing of a profile. JSON {type, base: its name in the file, ref, parameters, needs, inFlight, predicts, problems};
type "" when it is one of extraPlugins, which is declared elsewhere and only referred to.
*/}}
{{- define "llmd-scheduler.plugin" -}}
{{- $version := include "llmd-scheduler.eppVersion" .ctx -}}
{{- $out := dict "type" "" "base" "" "ref" .key "parameters" dict "needs" "" "inFlight" false "predicts" "" "problems" list -}}
{{- $table := get .dialect .table -}}
{{- $known := get $table .key -}}
{{- $computed := dict -}}
{{- if and (eq .table "pickers") $known -}}{{- $known = dict "type" $known "parameters" list -}}{{- end -}}
{{- if eq .table "scorers" -}}
{{- if eq .key "prefix-cache" -}}
{{- $computed = .prefix.scorer -}}
{{- with .prefix.scorerType -}}{{- $known = merge (dict "type" .) $known -}}{{- end -}}
{{- else if hasPrefix "prefix-cache-" .key -}}
{{- $tier := get .prefix.tiers (trimPrefix "prefix-cache-" .key) -}}
{{- if $tier -}}
{{- $scorer := get $table "prefix-cache" -}}
{{- $known = dict "type" $scorer.type "name" (printf "%s-%s" $scorer.type (trimPrefix "prefix-cache-" .key)) "parameters" list -}}
{{- $computed = $tier.parameters -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if hasKey .extra .key -}}
{{- if .parameters -}}
{{- $_ := set $out "problems" (list (dict "path" .path "message" (printf "parameters of a plugin of your own belong to extraPlugins.%s.parameters" .key))) -}}
{{- end -}}
{{- else if not $known -}}
{{- $others := include "llmd-scheduler.others" (dict "ctx" .ctx "table" .table "key" .key) -}}
{{- $_ := set $out "problems" (list (dict "path" .path "message" (printf "EPP %s has no %s %q%s; available: %s, or a name under extraPlugins" $version .kind .key $others (join ", " (keys $table | sortAlpha))))) -}}
{{- else -}}
{{- $_ := set $out "type" $known.type -}}
{{- $_ := set $out "base" (get $known "name" | default $known.type) -}}
{{- with get $known "needs" -}}{{- $_ := set $out "needs" . -}}{{- end -}}
{{- $_ := set $out "inFlight" (has "inFlightLoadProducerName" $known.parameters) -}}
{{- $given := deepCopy (.parameters | default dict) -}}
{{- include "llmd.prune" $given -}}
{{- if or (get $known "predicts") (eq (toString (get $given "ttftSource")) "latencyPredictor") -}}{{- $_ := set $out "predicts" .path -}}{{- end -}}
{{- $parameters := dict -}}
{{- if and .prefix.producer (has "prefixMatchInfoProducerName" $known.parameters) -}}
{{- $_ := set $parameters "prefixMatchInfoProducerName" .prefix.producer -}}
{{- end -}}
{{- if and .prefix.scorerType (has "prefixPluginType" $known.parameters) -}}
{{- $_ := set $parameters "prefixPluginType" .prefix.scorerType -}}
{{- $_ := set $parameters "prefixPluginName" .prefix.scorerType -}}
{{- end -}}
{{- range $name := keys $given | sortAlpha -}}
{{- $to := get (get $known "rename" | default dict) $name -}}
{{- if not (or (has $name $known.parameters) (hasKey $computed $name)) -}}
{{- $_ := set $out "problems" (append $out.problems (dict "path" (printf "%s.parameters.%s" $.path $name) "message" (printf "EPP %s does not read it%s; available: %s" $version (include "llmd-scheduler.others" (dict "ctx" $.ctx "table" $.table "key" $.key "parameter" $name)) (join ", " $known.parameters | default "none (prefix settings are under prefixCache)")))) -}}
{{- else if $to -}}
{{- $_ := set $parameters (index $to 0) (dict (index $to 1) (get $given $name)) -}}
{{- else -}}
{{- $_ := set $parameters $name (get $given $name) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $out "parameters" (mergeOverwrite (deepCopy $computed) $parameters) -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}
