{{/*
The dialects of the endpoint picker (EPP). What differs between versions is data, one file a version in dialects/; nothing
else of this chart knows versions. guides/scheduler-versions.md is made from the same files.

Everything else describes routing in the chart's own words (scheduler.profiles, .decider, .prefixCache, .flowControl,
.predictedLatency); a dialect says what each word is called, what the version cannot do, and which flags it has:
  scorers, filters  our name -> {type, parameters: names the EPP reads, name: when one type has two of our names,
                    rename: our parameter -> [its path], rank: order of filters, needs: producer, predicts: bool}
  pickers, fairness, ordering, deciders   our name -> type
  features          what can be done -> bool
  engines           global.llmd.engine -> the EPP's name of that metrics dialect
  flags             flags that may be set under scheduler.flags
  alpha             types that only run with experimentalFlag

llmd-scheduler.dialect  .   the table of global.llmd.eppVersion, JSON
llmd-scheduler.versions     the versions there are, oldest first, JSON
llmd-scheduler.others   (dict "ctx" $ "table" "scorers" "key" "latency")   which other versions have it, as the end of a
                        sentence: " (EPP 0.9 and 0.10 have it)", or "". With "parameter" "NAME": which read that parameter
llmd-scheduler.lacks    (dict "ctx" $ "dialect" $table "feature" "eviction")   "" when this version has it, else a sentence
*/}}
{{- define "llmd-scheduler.versions" -}}["0.7","0.9","0.10"]{{- end -}}

{{/* Read once a rendering: several templates ask, and reading YAML is most of the cost. */}}
{{- define "llmd-scheduler.dialect" -}}
{{- if not (hasKey .Values "memo dialect") -}}{{- $_ := set .Values "memo dialect" (include "llmd-scheduler.readDialect" .) -}}{{- end -}}
{{- get .Values "memo dialect" -}}
{{- end -}}

{{- define "llmd-scheduler.readDialect" -}}
{{- $version := include "llmd-scheduler.eppVersion" . -}}
{{- $table := .Files.Get (printf "dialects/%s.yaml" $version) -}}
{{- if not $table -}}
{{- fail (printf "global.llmd.eppVersion: %q is not a dialect of this chart; available: %s" $version (include "llmd-scheduler.versions" . | fromJsonArray | join ", ")) -}}
{{- end -}}
{{- $table | fromYaml | toJson -}}
{{- end -}}

{{- define "llmd-scheduler.others" -}}
{{- $in := . -}}{{- $have := list -}}
{{- range $version := include "llmd-scheduler.versions" .ctx | fromJsonArray -}}
{{- if ne $version (include "llmd-scheduler.eppVersion" $in.ctx) -}}
{{- $entries := get ($in.ctx.Files.Get (printf "dialects/%s.yaml" $version) | fromYaml) $in.table -}}
{{- if $in.parameter -}}
{{- if has $in.parameter (get (get $entries $in.key | default dict) "parameters" | default list) -}}{{- $have = append $have $version -}}{{- end -}}
{{- else if kindIs "slice" $entries -}}
{{- if has $in.key $entries -}}{{- $have = append $have $version -}}{{- end -}}
{{- else if get $entries $in.key -}}
{{- $have = append $have $version -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $have }} (EPP {{ join " and " . }} {{ ternary "has" "have" (eq (len .) 1) }} it){{ end -}}
{{- end -}}

{{- define "llmd-scheduler.lacks" -}}
{{- if not (get .dialect.features .feature) -}}
not in EPP {{ include "llmd-scheduler.eppVersion" .ctx }}{{ include "llmd-scheduler.others" (dict "ctx" .ctx "table" "features" "key" .feature) }}
{{- end -}}
{{- end -}}
