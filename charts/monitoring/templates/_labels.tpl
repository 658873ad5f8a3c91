{{/*
monitoring.labels   (dict "ctx" $ "component" "decode")   Lines: the labels of a monitor or rule, with those of values.
monitoring.lines    $map   Lines of a map of strings, nulls left out.
*/}}
{{- define "monitoring.labels" -}}
{{ include "llmd.labels" . }}
{{- with include "monitoring.lines" .ctx.Values.labels }}
{{ . }}
{{- end }}
{{- end -}}

{{- define "monitoring.lines" -}}
{{- $lines := list -}}
{{- range $key, $value := (. | default dict) -}}
{{- if not (kindIs "invalid" $value) -}}{{- $lines = append $lines (printf "%s: %s" $key (include "llmd.scalar" $value | quote)) -}}{{- end -}}
{{- end -}}
{{- join "\n" $lines -}}
{{- end -}}
