{{/*
modelserver.podTemplate  (dict "ctx" $ "role" $role "worker" false)
                         The one pod template of all roles and both workloads: YAML, patched by containerPatch and podPatch.
                         It carries no chart version and no release revision: a chart bump must not reload weights.
*/}}
{{- define "modelserver.podTemplate" -}}
{{- $spec := .role.spec -}}
{{- $container := include "modelserver.container" . | fromJson -}}
{{- with $spec.containerPatch -}}{{- $container = include "llmd.patch" (dict "object" $container "patch" .) | fromJson -}}{{- end -}}
{{- $pod := include "modelserver.pod" . | fromJson -}}
{{- $_ := set $pod.spec "containers" (concat (list $container) ($spec.extraContainers | default list)) -}}
{{- $init := deepCopy ($spec.extraInitContainers | default list) -}}
{{- if and .role.sidecar (not .worker) -}}{{- $init = append $init (include "modelserver.sidecar" . | fromJson) -}}{{- end -}}
{{- if $init -}}{{- $_ := set $pod.spec "initContainers" $init -}}{{- end -}}
{{- with $spec.podPatch -}}{{- $pod = include "llmd.patch" (dict "object" $pod "patch" .) | fromJson -}}{{- end -}}
{{- toYaml $pod -}}
{{- end -}}

{{- define "modelserver.pod" -}}
{{- $spec := .role.spec -}}
{{- $annotations := dict
      "kubectl.kubernetes.io/default-container" "engine"
      "prometheus.io/path" .ctx.Values.engine.metricsPath -}}
{{- /* The path stands above so that the monitors find the metrics, and it is stated once. */ -}}
{{- if $spec.files -}}{{- $_ := set $annotations "llm-d.ai/files" (include "modelserver.files" . | sha256sum | trunc 16) -}}{{- end -}}
{{- $annotations = mergeOverwrite $annotations (include "modelserver.placementAnnotations" . | fromJson) -}}
{{- $selector := dict -}}
{{- if $spec.topologySpread -}}{{- $selector = include "llmd.selectorLabels" (dict "ctx" .ctx "component" .role.role) | fromYaml -}}{{- end -}}
{{- $placed := merge
      (dict "nodeSelector" (include "modelserver.nodeSelector" . | fromJson) "affinity" (include "modelserver.affinity" . | fromJson))
      (pick $spec "tolerations" "topologySpread" "priorityClassName" "runtimeClassName" "schedulerName") -}}
{{- $pod := include "llmd.placement" (dict "spec" $placed "selector" $selector) | fromJson -}}
{{- $pod = merge $pod (dict
      "serviceAccountName" (include "modelserver.serviceAccountName" .ctx)
      "automountServiceAccountToken" false
      "enableServiceLinks" false
      "terminationGracePeriodSeconds" (int $spec.drainSeconds)
      "securityContext" (include "llmd.podSecurityContext" (dict "ctx" .ctx "securityContext" $spec.podSecurityContext) | fromJson)
      "volumes" (include "modelserver.podVolumes" . | fromJsonArray)) -}}
{{- $secrets := list -}}
{{- range .ctx.Values.global.imagePullSecrets -}}{{- $secrets = append $secrets (dict "name" .name) -}}{{- end -}}
{{- with $secrets -}}{{- $_ := set $pod "imagePullSecrets" . -}}{{- end -}}
{{- with include "modelserver.claims" . | fromJsonArray -}}{{- $_ := set $pod "resourceClaims" . -}}{{- end -}}
{{- toJson (dict "metadata" (dict "labels" (include "modelserver.podLabels" . | fromJson) "annotations" $annotations) "spec" $pod) -}}
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
