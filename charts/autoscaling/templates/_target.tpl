{{/*
autoscaling.target   (dict "ctx" $ "role" "decode")   JSON reference of the workload that is scaled.
autoscaling.authenticationName   .   name of the TriggerAuthentication
*/}}
{{- define "autoscaling.target" -}}
{{- $workload := (get (include "llmd.roles" .ctx | fromJson) .role).workload -}}
{{- toJson (dict
      "apiVersion" (eq $workload "Deployment" | ternary "apps/v1" "leaderworkerset.x-k8s.io/v1")
      "kind" $workload
      "name" (include "llmd.componentName" (dict "ctx" .ctx "component" .role))) -}}
{{- end -}}

{{- define "autoscaling.authenticationName" -}}
{{- include "llmd.componentName" (dict "ctx" . "component" "prometheus") -}}
{{- end -}}
