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
{{- $known = include "autoscaling.signal" (dict "ctx" $in.ctx "role" $in.role "signal" $given.signal) | fromJson -}}
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
