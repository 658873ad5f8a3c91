{{/*
What the providers do, in one table, and what follows from it. All take the root context of this chart.

llmd-gateway.provider   JSON of the provider's row:
  family              whose objects it takes: istio, agentgateway, gke or envoy
  className           GatewayClass when none is named; "" = one is made
  routeTimeouts       whether the controller takes spec.rules[].timeouts of an HTTPRoute
  gatewayLabels       labels its Gateway needs
  bodyReader          what reads the model out of the body: router (the body-based router) or gateway (it does so itself)
  quotas              where tenants are counted: gateway (all its routes together), route, or none
  silence             what its data plane does with a stream that is silent
Sources: Gateway API, HTTPRouteTimeouts ("0s" disables, or means the longest time possible). Istio: pilot/pkg/networking/core
sets stream_idle_timeout 0 on gateways, and a mesh-wide connectionSettings profile EDGE sets 5 min; OpenShift's ingress
operator runs an Istio (openshift/cluster-ingress-operator#1245). agentgateway: its request timeout ends at the response
headers and there is none by default (agentgateway/agentgateway#3285, #3310). GKE: refuses a route with timeouts as
UnsupportedValue (kserve/kserve#5311); its limit is the backend service timeout, 30 s unless a GCPBackendPolicy says
otherwise, 1 to 2147483647 s (Compute API, BackendService.timeoutSec). Envoy Gateway 1.8: BackendTrafficPolicy timeout.http,
a stream idle limit of 5 min unless set.

llmd-gateway.className, .gatewayName, .gatewayNamespace (empty = the release's)
llmd-gateway.backendTimeoutSeconds   GKE's limit in effect: 0 asks for the longest it has
llmd-gateway.cutoff                  one sentence for people: when the way in cuts a request
*/}}
{{- define "llmd-gateway.provider" -}}
{{- $istio := dict
      "family" "istio" "className" "istio" "routeTimeouts" true
      "gatewayLabels" (dict "istio.io/enable-inference-extproc" "true")
      "bodyReader" "router" "quotas" "gateway"
      "silence" "a silent stream is not cut, unless the mesh sets connectionSettings" -}}
{{- $gke := dict
      "family" "gke" "className" "gke-l7-regional-external-managed" "routeTimeouts" false "gatewayLabels" dict
      "bodyReader" "router" "quotas" "none"
      "silence" "the limit counts the whole request, busy or silent" -}}
{{- $table := dict
      "istio" $istio
      "openshift-service-mesh" (merge (dict "className" "openshift-default") $istio)
      "agentgateway" (dict
        "family" "agentgateway" "className" "agentgateway" "routeTimeouts" true "gatewayLabels" dict
        "bodyReader" "gateway" "quotas" "route"
        "silence" "the timeouts end with the response headers, a silent stream is not cut")
      "gke" $gke
      "gke-internal" (merge (dict "className" "gke-l7-rilb") $gke)
      "envoy-ai-gateway" (dict
        "family" "envoy" "className" "" "routeTimeouts" true "gatewayLabels" dict
        "bodyReader" "gateway" "quotas" "route"
        "silence" (eq (int .Values.envoy.streamIdleTimeoutSeconds) 0 | ternary "a silent stream is not cut" (printf "a stream that is silent for %d s is cut" (int .Values.envoy.streamIdleTimeoutSeconds)))) -}}
{{- toJson (get $table .Values.provider) -}}
{{- end -}}

{{- define "llmd-gateway.family" -}}
{{- get (include "llmd-gateway.provider" . | fromJson) "family" -}}
{{- end -}}

{{- define "llmd-gateway.className" -}}
{{- .Values.className | default (get (include "llmd-gateway.provider" . | fromJson) "className") | default (include "llmd.clusterName" (dict "ctx" . "component" "gateway")) -}}
{{- end -}}

{{- define "llmd-gateway.gatewayName" -}}
{{- .Values.name | default (include "llmd.fullname" .) -}}
{{- end -}}

{{- define "llmd-gateway.backendTimeoutSeconds" -}}
{{- if eq (int64 .Values.gke.backendTimeoutSeconds) 0 -}}2147483647{{- else -}}{{- int64 .Values.gke.backendTimeoutSeconds -}}{{- end -}}
{{- end -}}

{{- define "llmd-gateway.cutoff" -}}
{{- $provider := include "llmd-gateway.provider" . | fromJson -}}
{{- if eq $provider.family "gke" -}}
{{- $seconds := include "llmd-gateway.backendTimeoutSeconds" . | int64 -}}
GKE cuts every request after {{ $seconds }} s{{ if eq $seconds 2147483647 }}, the longest it can{{ end }} ({{ $provider.silence }}).
{{- else -}}
{{- $limits := list -}}
{{- with int64 .Values.route.requestTimeoutSeconds -}}{{- $limits = append $limits (printf "%d s for a request" .) -}}{{- end -}}
{{- with int64 .Values.route.backendTimeoutSeconds -}}{{- $limits = append $limits (printf "%d s for the engine's answer" .) -}}{{- end -}}
{{- if $limits -}}
{{ .Values.provider }} cuts after {{ join " and " $limits }} ({{ $provider.silence }}).
{{- else -}}
{{ .Values.provider }} does not cut long requests ({{ $provider.silence }}).
{{- end -}}
{{- end -}}
{{- end -}}
