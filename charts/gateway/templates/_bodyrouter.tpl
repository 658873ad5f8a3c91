{{/*
The body-based router of the Gateway API inference extension, https://github.com/kubernetes-sigs/gateway-api-inference-extension/tree/v1.5.0/pkg/bbr.
It sets the header modelRouting.header to the field "model" of a JSON body. One for each Gateway; models come and go without it.

llmd-gateway.bodyRouter   .   "true" when this release has to bring it
llmd-gateway.routerName   .   name of its Deployment and Service
*/}}
{{- define "llmd-gateway.bodyRouter" -}}
{{- if and .Values.create .Values.modelRouting.enabled (eq (get (include "llmd-gateway.provider" . | fromJson) "bodyReader") "router") -}}true{{- end -}}
{{- end -}}

{{- define "llmd-gateway.routerName" -}}
{{- include "llmd.componentName" (dict "ctx" . "component" "body-router") -}}
{{- end -}}
