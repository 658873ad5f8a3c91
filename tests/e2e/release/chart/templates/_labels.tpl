{{- define "small.selector" -}}
app.kubernetes.io/name: small
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: decode
{{- end }}
{{- define "small.labels" -}}
{{ include "small.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
