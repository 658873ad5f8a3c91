{{/*
Messages that name the key at fault.

llmd.path   (dict "ctx" $ "path" "roles.decode.replicas")
            The path as the user wrote it: prefixed with the chart's name when the chart is a
            subchart of the umbrella, unprefixed when it is installed alone. Paths that start with
            "global." are the same in both.
llmd.fail   (dict "ctx" $ "path" "roles.decode.replicas" "message" "must be …")
            Stops the rendering with "<path>: <message>".
llmd.failAll (dict "ctx" $ "problems" (list (dict "path" … "message" …) …))
            Stops with every problem at once, one a line; renders nothing when the list is empty.
*/}}
{{- define "llmd.path" -}}
{{- if or .ctx.Chart.IsRoot (hasPrefix "global." .path) -}}{{ .path }}{{- else -}}{{ .ctx.Chart.Name }}.{{ .path }}{{- end -}}
{{- end -}}

{{- define "llmd.fail" -}}
{{- fail (printf "%s: %s" (include "llmd.path" .) .message) -}}
{{- end -}}

{{- define "llmd.failAll" -}}
{{- $ctx := .ctx -}}
{{- $lines := list -}}
{{- range .problems -}}
{{- $lines = append $lines (printf "%s: %s" (include "llmd.path" (dict "ctx" $ctx "path" .path)) .message) -}}
{{- end -}}
{{- if $lines -}}{{- fail (printf "\n%s" (join "\n" $lines)) -}}{{- end -}}
{{- end -}}
