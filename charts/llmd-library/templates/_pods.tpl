{{/*
Pieces of pods.

llmd.podSecurityContext  (dict "ctx" $ "securityContext" $map)
llmd.securityContext     same arguments. JSON of the context, nulls dropped. On OpenShift without
                         runAsUser, runAsGroup, fsGroup and supplementalGroups: its SCC chooses them
                         per namespace and refuses others.
llmd.scheduling          (dict "ctx" $ "spec" $map ["selector" $labels])
                         Lines of a pod spec (llmd.placement: JSON): nodeSelector, tolerations (map name -> toleration),
                         affinity, topologySpreadConstraints (map name -> constraint; labelSelector is
                         the given selector unless stated), priorityClassName, runtimeClassName,
                         schedulerName. Empty ones are left out. Keys read: nodeSelector, tolerations,
                         affinity, topologySpread, priorityClassName, runtimeClassName, schedulerName.
llmd.httpProbe           (dict "path" "/health" "port" "engine" "period" 10 "timeout" 5 "failures" 3)
                         JSON of an httpGet probe.
llmd.startupProbe        (dict "path" … "port" … "budget" 3600)   JSON of a startup probe that gives the
                         container "budget" seconds: period 10 s, failureThreshold = budget / 10.
llmd.preStop             (dict "ctx" $ "seconds" 10)   JSON of a lifecycle that sleeps first, so that
                         routers forget the pod before it stops accepting. Kubernetes' own sleep from
                         1.30, the program before.
llmd.patch               (dict "object" $map "patch" $map)   JSON of the object with the patch merged
                         over it: maps merge, lists and scalars replace, null removes.
llmd.parse               (dict "text" $yaml "what" "pod template of decode")   JSON of YAML text that a
                         define printed; text that is no valid mapping fails instead of being lost.
llmd.pdb                 (dict "ctx" $ "component" "epp" "pdb" .Values.podDisruptionBudget ["name" …])
                         The whole PodDisruptionBudget, or nothing when pdb.enabled is false.
*/}}
{{- define "llmd.securityContext" -}}
{{- $out := deepCopy (.securityContext | default dict) -}}
{{- include "llmd.prune" $out -}}
{{- if include "llmd.openshift" .ctx -}}
{{- range list "runAsUser" "runAsGroup" "fsGroup" "supplementalGroups" -}}{{- $_ := unset $out . -}}{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- define "llmd.podSecurityContext" -}}
{{- include "llmd.securityContext" . -}}
{{- end -}}

{{- define "llmd.scheduling" -}}
{{- with include "llmd.placement" . | fromJson -}}{{- toYaml . -}}{{- end -}}
{{- end -}}

{{- define "llmd.placement" -}}
{{- $spec := .spec -}}
{{- $out := dict -}}
{{- $nodeSelector := dict -}}
{{- range $key, $value := ($spec.nodeSelector | default dict) -}}
{{- if not (kindIs "invalid" $value) -}}{{- $_ := set $nodeSelector $key (include "llmd.scalar" $value) -}}{{- end -}}
{{- end -}}
{{- if $nodeSelector -}}{{- $_ := set $out "nodeSelector" $nodeSelector -}}{{- end -}}
{{- $tolerations := list -}}
{{- range $name, $toleration := ($spec.tolerations | default dict) -}}
{{- if not (kindIs "invalid" $toleration) -}}
{{- $copy := deepCopy $toleration -}}{{- include "llmd.prune" $copy -}}
{{- $tolerations = append $tolerations $copy -}}
{{- end -}}
{{- end -}}
{{- if $tolerations -}}{{- $_ := set $out "tolerations" $tolerations -}}{{- end -}}
{{- with $spec.affinity -}}
{{- $copy := deepCopy . -}}{{- include "llmd.prune" $copy -}}
{{- if $copy -}}{{- $_ := set $out "affinity" $copy -}}{{- end -}}
{{- end -}}
{{- $spreads := list -}}
{{- $selector := .selector -}}
{{- range $name, $constraint := ($spec.topologySpread | default dict) -}}
{{- if not (kindIs "invalid" $constraint) -}}
{{- $copy := deepCopy $constraint -}}{{- include "llmd.prune" $copy -}}
{{- if and $selector (not (hasKey $copy "labelSelector")) -}}{{- $_ := set $copy "labelSelector" (dict "matchLabels" $selector) -}}{{- end -}}
{{- $spreads = append $spreads $copy -}}
{{- end -}}
{{- end -}}
{{- if $spreads -}}{{- $_ := set $out "topologySpreadConstraints" $spreads -}}{{- end -}}
{{- range list "priorityClassName" "runtimeClassName" "schedulerName" -}}
{{- if index $spec . -}}{{- $_ := set $out . (index $spec .) -}}{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- define "llmd.httpProbe" -}}
{{- toJson (dict
      "httpGet" (dict "path" .path "port" .port "scheme" "HTTP")
      "periodSeconds" (int .period) "timeoutSeconds" (int .timeout) "failureThreshold" (int .failures)) -}}
{{- end -}}

{{- define "llmd.startupProbe" -}}
{{- include "llmd.httpProbe" (dict "path" .path "port" .port "period" 10 "timeout" 5 "failures" (max 1 (div (add (int64 .budget) 9) 10))) -}}
{{- end -}}

{{- define "llmd.preStop" -}}
{{- if semverCompare ">=1.30.0-0" .ctx.Capabilities.KubeVersion.Version -}}
{{- toJson (dict "preStop" (dict "sleep" (dict "seconds" (int64 .seconds)))) -}}
{{- else -}}
{{- toJson (dict "preStop" (dict "exec" (dict "command" (list "sleep" (include "llmd.scalar" .seconds))))) -}}
{{- end -}}
{{- end -}}

{{- define "llmd.patch" -}}
{{- if .patch -}}
{{- $out := mergeOverwrite (deepCopy .object) (deepCopy .patch) -}}
{{- include "llmd.prune" $out -}}
{{- toJson $out -}}
{{- else -}}
{{- toJson .object -}}
{{- end -}}
{{- end -}}

{{- define "llmd.parse" -}}
{{- $out := fromYaml .text -}}
{{- if and (hasKey $out "Error") (eq (len $out) 1) -}}{{- fail (printf "%s: %s" .what $out.Error) -}}{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- define "llmd.pdb" -}}
{{- if .pdb.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name | default (include "llmd.componentName" .) }}
  namespace: {{ .ctx.Release.Namespace }}
  labels:
    {{- include "llmd.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ include "llmd.scalar" .pdb.maxUnavailable }}
  selector:
    matchLabels:
      {{- include "llmd.selectorLabels" . | nindent 6 }}
{{- end -}}
{{- end -}}
