{{/*
Values as Kubernetes and programs want them.

llmd.prune    $map   Removes null entries at every depth, IN PLACE (give it a deepCopy). Prints nothing:
              {{- $_ := include "llmd.prune" $copy -}}
llmd.scalar   A number, boolean or string as exact text. Integers that arrived as float64 (from -f)
              print as integers: 1048576, never 1.048576e+06.
llmd.args     (dict "ctx" $ "args" $map "path" "roles.decode.args")
              JSON list of flags sorted by name, for fromJsonArray. Per entry: true = the bare flag,
              false or null = absent, number or string = --name=value, map or list = --name=<JSON>
              (nulls inside dropped). One-letter names get one dash. Names are written without dashes.
llmd.env      (dict "ctx" $ "env" $map ["extraEnv" $list] "path" "roles.decode")
              JSON list of env entries, for fromJsonArray. One entry a name: "NAME: scalar" or
              "NAME: {valueFrom: …}"; null = absent. Order: valueFrom first, then plain values, then
              values that refer to others as $(NAME), because Kubernetes expands only names defined
              earlier. extraEnv (a list in Kubernetes form) comes last; a name that occurs twice fails
              by path: server-side apply refuses such a pod anyway, with a worse message.
llmd.quantity Bytes -> canonical quantity, rounded up to whole MiB: "16Gi".
llmd.resources (dict "resources" $map)  Kubernetes resources with nulls dropped and numbers as
              strings, JSON for fromJson.
*/}}
{{- define "llmd.prune" -}}
{{- /* Most trees hold no null at all, and a look at their JSON is quicker than a walk. */ -}}
{{- if not (contains ":null" (toJson .)) -}}
{{- else if kindIs "map" . -}}
{{- $map := . -}}
{{- range $key, $value := $map -}}
{{- if kindIs "invalid" $value -}}{{- $_ := unset $map $key -}}
{{- else if or (kindIs "map" $value) (kindIs "slice" $value) -}}{{- include "llmd.prune" $value -}}
{{- end -}}
{{- end -}}
{{- else if kindIs "slice" . -}}
{{- range . -}}{{- if or (kindIs "map" .) (kindIs "slice" .) -}}{{- include "llmd.prune" . -}}{{- end -}}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "llmd.scalar" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}{{- int64 . -}}{{- else -}}{{- . -}}{{- end -}}
{{- end -}}

{{- define "llmd.args" -}}
{{- $in := . -}}
{{- $flags := list -}}
{{- range $name, $value := (.args | default dict) -}}
{{- if hasPrefix "-" $name -}}
{{- include "llmd.fail" (dict "ctx" $in.ctx "path" (printf "%s.%s" $in.path $name) "message" "write the flag without leading dashes") -}}
{{- end -}}
{{- $flag := printf "%s%s" (ternary "-" "--" (eq (len $name) 1)) $name -}}
{{- if kindIs "invalid" $value -}}
{{- else if kindIs "bool" $value -}}
{{- if $value -}}{{- $flags = append $flags $flag -}}{{- end -}}
{{- else if or (kindIs "map" $value) (kindIs "slice" $value) -}}
{{- $copy := deepCopy $value -}}
{{- include "llmd.prune" $copy -}}
{{- $flags = append $flags (printf "%s=%s" $flag (toRawJson $copy)) -}}
{{- else -}}
{{- $flags = append $flags (printf "%s=%s" $flag (include "llmd.scalar" $value)) -}}
{{- end -}}
{{- end -}}
{{- toJson $flags -}}
{{- end -}}

{{- define "llmd.env" -}}
{{- $in := . -}}
{{- $references := list -}}{{- $plain := list -}}{{- $expanding := list -}}{{- $seen := dict -}}
{{- range $name, $value := (.env | default dict) -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $seen $name true -}}
{{- if kindIs "map" $value -}}
{{- if not (hasKey $value "valueFrom") -}}
{{- include "llmd.fail" (dict "ctx" $in.ctx "path" (printf "%s.env.%s" $in.path $name) "message" "give a plain value, or a mapping with valueFrom") -}}
{{- end -}}
{{- $from := deepCopy $value.valueFrom -}}
{{- include "llmd.prune" $from -}}
{{- /* The API server fills apiVersion in; written out, a second apply by another manager does not conflict. */ -}}
{{- if hasKey $from "fieldRef" -}}{{- $_ := set $from "fieldRef" (mergeOverwrite (dict "apiVersion" "v1") $from.fieldRef) -}}{{- end -}}
{{- $references = append $references (dict "name" $name "valueFrom" $from) -}}
{{- else -}}
{{- $text := include "llmd.scalar" $value -}}
{{- $entry := dict "name" $name "value" $text -}}
{{- if contains "$(" $text -}}{{- $expanding = append $expanding $entry -}}{{- else -}}{{- $plain = append $plain $entry -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $entries := concat $references $plain $expanding -}}
{{- range $index, $entry := (.extraEnv | default list) -}}
{{- if hasKey $seen $entry.name -}}
{{- include "llmd.fail" (dict "ctx" $in.ctx "path" (printf "%s.extraEnv[%d].name" $in.path $index) "message" (printf "%s is set already; change it under %s.env.%s" $entry.name $in.path $entry.name)) -}}
{{- end -}}
{{- $_ := set $seen $entry.name true -}}
{{- $entries = append $entries $entry -}}
{{- end -}}
{{- toJson $entries -}}
{{- end -}}

{{- define "llmd.quantity" -}}
{{- $mebibytes := div (add (int64 .) 1048575) 1048576 -}}
{{- if eq (mod $mebibytes 1048576) 0 -}}{{ div $mebibytes 1048576 }}Ti
{{- else if eq (mod $mebibytes 1024) 0 -}}{{ div $mebibytes 1024 }}Gi
{{- else -}}{{ $mebibytes }}Mi
{{- end -}}
{{- end -}}

{{- define "llmd.resources" -}}
{{- $out := deepCopy (.resources | default dict) -}}
{{- include "llmd.prune" $out -}}
{{- range $kind, $amounts := $out -}}
{{- if kindIs "map" $amounts -}}
{{- range $name, $amount := $amounts -}}{{- $_ := set $amounts $name (include "llmd.scalar" $amount) -}}{{- end -}}
{{- if not $amounts -}}{{- $_ := unset $out $kind -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}
