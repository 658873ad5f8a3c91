{{/*
autoscaling.roles   .   JSON list of the roles that are autoscaled, sorted.
autoscaling.role    (dict "ctx" $ "role" "decode")
                    JSON: roleDefaults with roles.<role> merged over it, and triggers as a list sorted by name, each
                    {name, signal, query, metricType, metricName, selector, perPod, threshold, activationThreshold}.
*/}}
{{- define "autoscaling.roles" -}}
{{- $names := list -}}
{{- range $role, $spec := include "llmd.roles" . | fromJson -}}
{{- if $spec.autoscaled -}}{{- $names = append $names $role -}}{{- end -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{- define "autoscaling.role" -}}
{{- $in := . -}}
{{- $values := .ctx.Values -}}
{{- $spec := mergeOverwrite (deepCopy $values.roleDefaults) (deepCopy ((get $values.roles .role) | default dict)) -}}
{{- include "llmd.prune" $spec -}}
{{- $triggers := list -}}
{{- range $name, $given := ($spec.triggers | default dict) -}}
{{- $known := dict "metricType" "AverageValue" "selector" dict "perPod" false -}}
{{- if and (not $given.query) $given.signal -}}
{{- $known = include "autoscaling.signal" (dict "ctx" $in.ctx "role" $in.role "signal" $given.signal "spec" $spec) | fromJson -}}
{{- end -}}
{{- $triggers = append $triggers (mergeOverwrite $known (deepCopy $given) (dict "name" $name)) -}}
{{- end -}}
{{- $_ := set $spec "triggers" $triggers -}}
{{- toJson $spec -}}
{{- end -}}

{{/* autoscaling.quantity   A threshold as a canonical quantity: 16 -> "16", 0.8 -> "800m". */}}
{{- define "autoscaling.quantity" -}}
{{- if eq (float64 .) (floor .) -}}{{ int64 . }}{{- else -}}{{ int64 (round (mulf . 1000) 0) }}m{{- end -}}
{{- end -}}

{{/*
autoscaling.formula   $spec   KEDA's formula when replicas that start count as serving. `demand` is what the triggers ask for, in
replicas. More than there are: what is asked for less what is on its way, but never fewer than there are. Source: the blueprint
keda-epp-guard of https://github.com/llm-d/llm-d/tree/main/guides/workload-autoscaling. Names in a formula have no dashes.
*/}}
{{- define "autoscaling.formula" -}}
{{- $parts := list -}}
{{- range .triggers -}}
{{- $parts = append $parts (printf "%s / %s" (include "autoscaling.identifier" .name) (include "llmd.scalar" .threshold)) -}}
{{- end -}}
{{- $demand := gt (len $parts) 1 | ternary (printf "max(%s)" (join ", " $parts)) (printf "(%s)" (first $parts)) -}}
{{- printf "%s <= replicas ? %s : max(%s - (pending ?? 0), replicas)" $demand $demand $demand -}}
{{- end -}}

{{- define "autoscaling.identifier" -}}
{{- . | replace "-" "_" -}}
{{- end -}}
