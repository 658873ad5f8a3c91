{{/*
Labels. Every define gives the lines of a mapping.

llmd.selectorLabels (dict "ctx" $ "component" "decode" ["chart" "modelserver"])
                    name, instance, component: the whole selector, and immutable for the life of a
                    release. "chart" names the owner when another chart's pods are selected. With
                    no component: name and instance only, that is every pod of that chart.
llmd.podLabels      same arguments: selector + part-of. For pod templates: no chart and no
                    application version, because a chart bump must not restart a pod.
llmd.labels         same arguments: podLabels + managed-by, helm.sh/chart, version. For the metadata
                    of objects only.
llmd.modelLabel     .   the model id as a label value (at most 63, valid at both ends)
llmd.poolSelector   .   labels that the InferencePool selects: all engine pods of the release; only
                    the leaders where a role is a LeaderWorkerSet whose workers serve nothing
llmd.leadersOnly    .   "true" or "": whether the pool selects by the worker index
*/}}
{{- define "llmd.selectorLabels" -}}
app.kubernetes.io/name: {{ .chart | default .ctx.Chart.Name }}
app.kubernetes.io/instance: {{ .ctx.Release.Name | trunc 63 | trimSuffix "-" | quote }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{- define "llmd.podLabels" -}}
{{ include "llmd.selectorLabels" . }}
app.kubernetes.io/part-of: llmd
{{- end -}}

{{- define "llmd.labels" -}}
{{ include "llmd.podLabels" . }}
app.kubernetes.io/managed-by: {{ .ctx.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .ctx.Chart.Name .ctx.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .ctx.Chart.AppVersion }}
app.kubernetes.io/version: {{ . | replace "+" "_" | trunc 63 | quote }}
{{- end }}
{{- end -}}

{{- define "llmd.modelLabel" -}}
{{- regexReplaceAll "[^A-Za-z0-9._-]+" .Values.global.llmd.model.id "-" | trunc 63 | regexFind "[A-Za-z0-9](.*[A-Za-z0-9])?" -}}
{{- end -}}

{{- define "llmd.leadersOnly" -}}
{{- $groups := false -}}
{{- range $role, $spec := .Values.global.llmd.roles -}}
{{- if and $spec (eq (dig "workload" "Deployment" $spec) "LeaderWorkerSet") -}}{{- $groups = true -}}{{- end -}}
{{- end -}}
{{- /* Several endpoints a pod, or one for its own ranks: a server in every pod of the group. */ -}}
{{- if and $groups (le (int .Values.global.llmd.dataParallelLocal) 1) (not .Values.global.llmd.dataParallelHybrid) -}}true{{- end -}}
{{- end -}}

{{- define "llmd.poolSelector" -}}
{{ include "llmd.selectorLabels" (dict "ctx" . "chart" "modelserver") }}
{{- if include "llmd.leadersOnly" . }}
leaderworkerset.sigs.k8s.io/worker-index: "0"
{{- end }}
{{- end -}}
