{{/*
llmd-gateway.modelNames   .   JSON list of the names that lead to this model, sorted: the served name and modelRouting.names;
                              empty without modelRouting
llmd-gateway.routes       .   JSON list of the routes to make, {name, tenant, headers}: one, and with agentgateway one more for each
                              tenant, because its quotas belong to a route. A route with more headers wins over one with fewer.
llmd-gateway.rules        (dict "ctx" $ "headers" $list)   JSON list of the rules of a route. A rule takes 64 matches.
llmd-gateway.routeName    (dict "ctx" $ "tenant" "acme")
*/}}
{{- define "llmd-gateway.modelNames" -}}
{{- $names := list -}}
{{- if .Values.modelRouting.enabled -}}
{{- with include "llmd.servedName" . -}}{{- $names = append $names . -}}{{- end -}}
{{- range $name, $on := (.Values.modelRouting.names | default dict) -}}{{- if $on -}}{{- $names = append $names $name -}}{{- end -}}{{- end -}}
{{- end -}}
{{- toJson ($names | uniq | sortAlpha) -}}
{{- end -}}

{{- define "llmd-gateway.routeName" -}}
{{- if .tenant -}}
{{- include "llmd.componentName" (dict "ctx" .ctx "component" (printf "tenant-%s" (.tenant | sha256sum | trunc 8))) -}}
{{- else -}}
{{- include "llmd.fullname" .ctx -}}
{{- end -}}
{{- end -}}

{{- define "llmd-gateway.routes" -}}
{{- $routes := list (dict "name" (include "llmd-gateway.routeName" (dict "ctx" . "tenant" "")) "tenant" "" "headers" list) -}}
{{- if eq (include "llmd-gateway.family" .) "agentgateway" -}}
{{- range $tenant, $quota := include "llmd.quotas.limits" .Values.tenants | fromJson -}}
{{- $header := dict "type" "Exact" "name" $.Values.tenants.header "value" $tenant -}}
{{- $routes = append $routes (dict "name" (include "llmd-gateway.routeName" (dict "ctx" $ "tenant" $tenant)) "tenant" $tenant "headers" (list $header)) -}}
{{- end -}}
{{- end -}}
{{- toJson $routes -}}
{{- end -}}

{{- define "llmd-gateway.rules" -}}
{{- $values := .ctx.Values -}}
{{- $provider := include "llmd-gateway.provider" .ctx | fromJson -}}
{{- $native := and (eq $provider.family "envoy") $values.modelRouting.enabled -}}
{{- $fixed := .headers -}}
{{- range $name, $value := $values.route.headers -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $fixed = append $fixed (dict "type" "Exact" "name" $name "value" (include "llmd.scalar" $value)) -}}
{{- end -}}
{{- end -}}
{{- $alternatives := list -}}
{{- range include "llmd-gateway.modelNames" .ctx | fromJsonArray -}}
{{- $alternatives = append $alternatives (append $fixed (dict "type" "Exact" "name" ($native | ternary "x-ai-eg-model" $values.modelRouting.header) "value" .)) -}}
{{- end -}}
{{- if not $alternatives -}}{{- $alternatives = list $fixed -}}{{- end -}}
{{- $rules := list -}}
{{- range $part := chunk 64 $alternatives -}}
{{- $matches := list -}}
{{- range $headers := $part -}}
{{- $match := $native | ternary dict (dict "path" (dict "type" "PathPrefix" "value" "/")) -}}
{{- if $headers -}}{{- $match = merge (dict "headers" $headers) $match -}}{{- end -}}
{{- $matches = append $matches $match -}}
{{- end -}}
{{- $rules = append $rules (dict "matches" $matches) -}}
{{- end -}}
{{- toJson $rules -}}
{{- end -}}

{{/* llmd-gateway.parentRefs   .   lines of the list of parents of a route */}}
{{- define "llmd-gateway.parentRefs" -}}
- group: gateway.networking.k8s.io
  kind: Gateway
  name: {{ include "llmd-gateway.gatewayName" . }}
  {{- if and (not .Values.create) .Values.namespace }}
  namespace: {{ .Values.namespace }}
  {{- end }}
  {{- with .Values.sectionName }}
  sectionName: {{ . }}
  {{- end }}
{{- end -}}
