{{/*
Scheduling profiles: values -> lists of plugins and references.

llmd-scheduler.profiles (dict "ctx" $ "dialect" $table "extra" $extraPlugins)
  JSON {list: [{name, plugins: [{pluginRef, weight?}], needs: [types of producers]}], plugins: [{type, name?, parameters?}]}

A scorer that two profiles use with the same parameters is one plugin under its type's name; with other parameters it
becomes one plugin a profile, named "<type>-<profile>". Every mistake is collected before the rendering stops.
*/}}
{{- define "llmd-scheduler.profiles" -}}
{{- $ctx := .ctx -}}{{- $dialect := .dialect -}}{{- $extra := .extra -}}
{{- $values := dict -}}
{{- range $name, $profile := (include "llmd-scheduler.profileValues" $ctx | fromJson) -}}
{{- if not (kindIs "invalid" $profile) -}}{{- $_ := set $values $name $profile -}}{{- end -}}
{{- end -}}
{{- $prefix := dict -}}
{{- if eq $dialect.prefixCache.plugin "prefix-cache-scorer" -}}
{{- $prefix = include "llmd-scheduler.config.prefixCache" (dict "ctx" $ctx "dialect" $dialect) | fromJson -}}
{{- end -}}

{{- /* First pass: what each profile names, checked. */ -}}
{{- $uses := list -}}{{- $problems := list -}}
{{- range $name, $profile := $values -}}
{{- $path := printf "profiles.%s" $name -}}
{{- $filters := deepCopy (get $profile "filters" | default dict) -}}
{{- if and (eq $ctx.Values.handler "disaggregated") (hasKey $dialect.filters $name) (not (hasKey $filters $name)) -}}
{{- /* Without the role's filter a profile would pick pods of every role. */ -}}
{{- $_ := set $filters $name dict -}}
{{- end -}}
{{- /* The role's filter first: the others then see the pods that matter. */ -}}
{{- $roleFilters := list -}}{{- $otherFilters := list -}}
{{- range $key := keys $filters | sortAlpha -}}
{{- if has $key (list "prefill" "decode" "encode") -}}{{- $roleFilters = append $roleFilters $key -}}{{- else -}}{{- $otherFilters = append $otherFilters $key -}}{{- end -}}
{{- end -}}
{{- range $key := concat $roleFilters $otherFilters -}}
{{- $parameters := get $filters $key -}}
{{- if not (kindIs "invalid" $parameters) -}}
{{- $use := include "llmd-scheduler.plugin" (dict "ctx" $ctx "table" $dialect.filters "extra" $extra "kind" "filter" "key" $key "parameters" $parameters "path" (printf "%s.filters.%s" $path $key)) | fromJson -}}
{{- $problems = concat $problems $use.problems -}}
{{- $uses = append $uses (merge (dict "profile" $name "order" 1) $use) -}}
{{- end -}}
{{- end -}}
{{- $count := 0 -}}
{{- range $key, $scorer := (get $profile "scorers" | default dict) -}}
{{- if not (kindIs "invalid" $scorer) -}}
{{- $count = add1 $count -}}
{{- $parameters := get $scorer "parameters" | default dict -}}
{{- if eq $key "prefix-cache" -}}{{- $parameters = mergeOverwrite (deepCopy $prefix) (deepCopy $parameters) -}}{{- end -}}
{{- $use := include "llmd-scheduler.plugin" (dict "ctx" $ctx "table" $dialect.scorers "extra" $extra "kind" "scorer" "key" $key "parameters" $parameters "computed" (ternary (keys $prefix) list (eq $key "prefix-cache")) "path" (printf "%s.scorers.%s" $path $key)) | fromJson -}}
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
{{- $use := include "llmd-scheduler.plugin" (dict "ctx" $ctx "table" (include "llmd-scheduler.pickers" $dialect | fromJson) "extra" $extra "kind" "picker" "key" $picker "parameters" dict "path" (printf "%s.picker" $path)) | fromJson -}}
{{- $problems = concat $problems $use.problems -}}
{{- $uses = append $uses (merge (dict "profile" $name "order" 3) $use) -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" $ctx "problems" $problems) -}}

{{- /* Second pass: names. */ -}}
{{- $variants := dict -}}
{{- range $uses -}}
{{- if .type -}}
{{- $seen := get $variants .type | default dict -}}
{{- $_ := set $seen (toJson .parameters) true -}}
{{- $_ := set $variants .type $seen -}}
{{- end -}}
{{- end -}}
{{- $plugins := list -}}
{{- range $order := list 1 2 3 -}}
{{- range $use := $uses -}}
{{- if and (eq (int $use.order) $order) $use.type -}}
{{- $plugin := dict "type" $use.type -}}
{{- $_ := set $use "ref" $use.type -}}
{{- if gt (len (get $variants $use.type)) 1 -}}
{{- $_ := set $use "ref" (printf "%s-%s" $use.type $use.profile) -}}
{{- $_ := set $plugin "name" $use.ref -}}
{{- end -}}
{{- with $use.parameters -}}{{- $_ := set $plugin "parameters" . -}}{{- end -}}
{{- $plugins = append $plugins $plugin -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $list := list -}}
{{- range $name := keys $values | sortAlpha -}}
{{- $refs := list -}}{{- $needs := list -}}
{{- range $order := list 1 2 3 -}}
{{- range $use := $uses -}}
{{- if and (eq $use.profile $name) (eq (int $use.order) $order) -}}
{{- $ref := dict "pluginRef" $use.ref -}}
{{- if hasKey $use "weight" -}}{{- $_ := set $ref "weight" $use.weight -}}{{- end -}}
{{- $refs = append $refs $ref -}}
{{- with $use.needs -}}{{- $needs = append $needs . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $list = append $list (dict "name" $name "plugins" $refs "needs" $needs) -}}
{{- end -}}
{{- toJson (dict "list" $list "plugins" $plugins) -}}
{{- end -}}

{{/* The profiles of the values, or what the handler needs at least: the EPP's own default weights, and for
disaggregation a prefill choice by cache and load and a decode choice by running requests. */}}
{{- define "llmd-scheduler.profileValues" -}}
{{- $given := dict -}}
{{- range $name, $profile := (.Values.profiles | default dict) -}}
{{- if not (kindIs "invalid" $profile) -}}{{- $_ := set $given $name $profile -}}{{- end -}}
{{- end -}}
{{- if $given -}}
{{- toJson $given -}}
{{- else -}}
{{- $load := dict "queue" (dict "weight" 2) "kv-cache-utilization" (dict "weight" 2) "prefix-cache" (dict "weight" 3) -}}
{{- if eq .Values.handler "disaggregated" -}}
{{- toJson (dict
      "prefill" (dict "scorers" $load)
      "decode" (dict "scorers" (dict "active-request" (dict "weight" 2) "prefix-cache" (dict "weight" 3)))) -}}
{{- else -}}
{{- toJson (dict "default" (dict "scorers" $load)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "llmd-scheduler.pickers" -}}
{{- $table := dict -}}
{{- range $name, $type := .pickers -}}{{- $_ := set $table $name (dict "type" $type "parameters" list) -}}{{- end -}}
{{- toJson $table -}}
{{- end -}}

{{/*
One named thing of a profile. JSON {type, ref, parameters, needs, problems}; type "" when it is one of extraPlugins, which
is declared elsewhere and only referred to.
*/}}
{{- define "llmd-scheduler.plugin" -}}
{{- $version := include "llmd-scheduler.eppVersion" .ctx -}}
{{- $out := dict "type" "" "ref" .key "parameters" dict "needs" "" "problems" list -}}
{{- $known := get .table .key -}}
{{- if hasKey .extra .key -}}
{{- if .parameters -}}
{{- $_ := set $out "problems" (list (dict "path" .path "message" (printf "parameters of a plugin of your own belong to extraPlugins.%s.parameters" .key))) -}}
{{- end -}}
{{- else if not $known -}}
{{- $_ := set $out "problems" (list (dict "path" .path "message" (printf "EPP %s has no %s %q; available: %s, or a name under extraPlugins" $version .kind .key (join ", " (keys .table | sortAlpha))))) -}}
{{- else -}}
{{- $_ := set $out "type" $known.type -}}
{{- with get $known "needs" -}}{{- $_ := set $out "needs" . -}}{{- end -}}
{{- $parameters := deepCopy (.parameters | default dict) -}}
{{- include "llmd.prune" $parameters -}}
{{- $allowed := concat $known.parameters (.computed | default list) -}}
{{- range $name := keys $parameters | sortAlpha -}}
{{- if not (has $name $allowed) -}}
{{- $_ := set $out "problems" (append $out.problems (dict "path" (printf "%s.parameters.%s" $.path $name) "message" (printf "EPP %s does not read it; available: %s" $version (join ", " $known.parameters | default "none (prefix settings are under prefixCache)")))) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $out "parameters" $parameters -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}
