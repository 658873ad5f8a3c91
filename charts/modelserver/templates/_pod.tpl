{{/*
modelserver.podTemplate  (dict "ctx" $ "role" $role "worker" false)
                         The one pod template of all roles and both workloads: YAML, patched by containerPatch and podPatch.
                         It carries no chart version and no release revision: a chart bump must not reload weights.
*/}}
{{- define "modelserver.podTemplate" -}}
{{- $spec := .role.spec -}}
{{- $what := printf "pod template of %s" .role.role -}}
{{- $container := include "llmd.parse" (dict "text" (include "modelserver.container" .) "what" $what) | fromJson -}}
{{- $container = include "llmd.patch" (dict "object" $container "patch" $spec.containerPatch) | fromJson -}}
{{- $pod := include "llmd.parse" (dict "text" (include "modelserver.pod" .) "what" $what) | fromJson -}}
{{- $_ := set $pod.spec "containers" (concat (list $container) ($spec.extraContainers | default list)) -}}
{{- $init := deepCopy ($spec.extraInitContainers | default list) -}}
{{- if and .role.sidecar (not .worker) -}}
{{- $init = append $init (include "llmd.parse" (dict "text" (include "modelserver.sidecar" .) "what" $what) | fromJson) -}}
{{- end -}}
{{- if $init -}}{{- $_ := set $pod.spec "initContainers" $init -}}{{- end -}}
{{- include "llmd.patch" (dict "object" $pod "patch" $spec.podPatch) | fromJson | toYaml -}}
{{- end -}}

{{- define "modelserver.pod" -}}
{{- $spec := .role.spec -}}
{{- $selector := include "llmd.selectorLabels" (dict "ctx" .ctx "component" .role.role) | fromYaml -}}
metadata:
  labels: {{- include "modelserver.podLabels" . | fromJson | toYaml | nindent 4 }}
  annotations:
    kubectl.kubernetes.io/default-container: engine
    # Where the monitors find the metrics, so that the path is stated once.
    prometheus.io/path: {{ .ctx.Values.engine.metricsPath | quote }}
    {{- if $spec.files }}
    llm-d.ai/files: {{ include "modelserver.files" . | sha256sum | trunc 16 }}
    {{- end }}
    {{- range $key, $value := include "modelserver.placementAnnotations" . | fromJson }}
    {{ $key }}: {{ $value | quote }}
    {{- end }}
spec:
  serviceAccountName: {{ include "modelserver.serviceAccountName" .ctx }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ int $spec.drainSeconds }}
  {{- with include "llmd.imagePullSecrets" .ctx }}
  {{- . | nindent 2 }}
  {{- end }}
  securityContext: {{- include "llmd.podSecurityContext" (dict "ctx" .ctx "securityContext" $spec.podSecurityContext) | fromJson | toYaml | nindent 4 }}
  {{- $scheduling := mergeOverwrite (deepCopy $spec) (dict
        "nodeSelector" (include "modelserver.nodeSelector" . | fromJson)
        "affinity" (include "modelserver.affinity" . | fromJson)) }}
  {{- with include "llmd.scheduling" (dict "ctx" .ctx "spec" $scheduling "selector" $selector) }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "modelserver.claims" . | fromJsonArray }}
  resourceClaims: {{- toYaml . | nindent 4 }}
  {{- end }}
  volumes: {{- include "modelserver.podVolumes" . | fromJsonArray | toYaml | nindent 4 }}
{{- end -}}

{{- define "modelserver.podLabels" -}}
{{- $labels := dict -}}
{{- range $key, $value := (.role.spec.podLabels | default dict) -}}{{- $_ := set $labels $key (include "llmd.scalar" $value) -}}{{- end -}}
{{- $own := include "llmd.podLabels" (dict "ctx" .ctx "component" .role.role) | fromYaml -}}
{{- $_ := set $own "llm-d.ai/role" (include "llmd.roleLabel" (dict "role" .role.role)) -}}
{{- $_ := set $own "llm-d.ai/model" (include "llmd.modelLabel" .ctx) -}}
{{- $_ := set $own "llm-d.ai/engine-type" .ctx.Values.global.llmd.engine -}}
{{- /* The pool selects leaders by this label, which the LeaderWorkerSet controller sets on the pods of groups only. */ -}}
{{- if and (include "llmd.leadersOnly" .ctx) (ne .role.workload "LeaderWorkerSet") -}}
{{- $_ := set $own "leaderworkerset.sigs.k8s.io/worker-index" "0" -}}
{{- end -}}
{{- toJson (mergeOverwrite $labels $own) -}}
{{- end -}}

{{- define "modelserver.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create -}}{{ include "llmd.componentName" (dict "ctx" . "component" "modelserver") }}
{{- else -}}default
{{- end -}}
{{- end -}}
