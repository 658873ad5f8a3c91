{{/*
modelserver.policyPorts   .   YAML list: the ports that serve requests and metrics.
*/}}
{{- define "modelserver.policyPorts" -}}
{{- $first := int .Values.global.llmd.ports.serving -}}
{{- $engine := int .Values.global.llmd.ports.engine -}}
{{- $last := sub (int .Values.global.llmd.dataParallelLocal) 1 -}}
{{- $ranges := list $first -}}
{{- if include "llmd.disaggregated" . -}}{{- $ranges = append $ranges $engine -}}{{- end -}}
{{- range $ranges }}
- port: {{ . }}
  {{- if gt $last 0 }}
  endPort: {{ add . $last }}
  {{- end }}
  protocol: TCP
{{- end }}
{{- end -}}
