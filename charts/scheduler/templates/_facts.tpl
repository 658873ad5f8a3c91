{{/*
Facts of this release that several templates need. All take the root context; booleans are "true" or "".

llmd-scheduler.eppVersion       dialect of the endpoint picker: "0.7", "0.9" or "0.10"
llmd-scheduler.handler          single or disaggregated: what handler says, or for auto what global.llmd.roles asks for
llmd-scheduler.precise          the prefix index follows the engines' KV cache events
llmd-scheduler.tokens           precise: who turns prompts into tokens, "service" (HTTP) or "socket" (in the EPP's pod); else ""
llmd-scheduler.ownRender        this chart runs the render service (render.url is empty)
llmd-scheduler.renderUrl        where prompts are turned into tokens
llmd-scheduler.standalone       Envoy runs beside the EPP (global.llmd.mode standalone)
llmd-scheduler.metricsAuth      /metrics asks for a token. Checking one needs a cluster-scoped right, so it is off
                                under global.llmd.namespaceOnly.
llmd-scheduler.leaderElection   several replicas, one of which serves
llmd-scheduler.fallback         standalone and FailOpen: Envoy has somewhere to send a request the EPP did not place
llmd-scheduler.healthPort       Envoy's port for probes, statistics and the drain hook, one above its admin port:
                                the admin interface itself can stop Envoy and therefore stays on loopback
*/}}
{{- define "llmd-scheduler.eppVersion" -}}
{{- .Values.global.llmd.eppVersion | toString -}}
{{- end -}}

{{- define "llmd-scheduler.handler" -}}
{{- $roles := include "llmd.roles" . | fromJson -}}
{{- if ne .Values.handler "auto" -}}{{ .Values.handler }}
{{- else if or (include "llmd.disaggregated" .) (hasKey $roles "encode") -}}disaggregated
{{- else -}}single
{{- end -}}
{{- end -}}

{{- define "llmd-scheduler.precise" -}}
{{- if eq .Values.prefixCache.source "precise" -}}true{{- end -}}
{{- end -}}

{{- define "llmd-scheduler.tokens" -}}
{{- if include "llmd-scheduler.precise" . -}}{{- (include "llmd-scheduler.dialect" . | fromJson).prefixCache.precise.tokens -}}{{- end -}}
{{- end -}}

{{- define "llmd-scheduler.ownRender" -}}
{{- if and (eq (include "llmd-scheduler.tokens" .) "service") (not .Values.render.url) -}}true{{- end -}}
{{- end -}}

{{- define "llmd-scheduler.renderUrl" -}}
{{- .Values.render.url | default (printf "http://%s:%d" (include "llmd.componentName" (dict "ctx" . "component" "render")) (int .Values.global.llmd.ports.render)) -}}
{{- end -}}

{{- define "llmd-scheduler.standalone" -}}
{{- if eq .Values.global.llmd.mode "standalone" -}}true{{- end -}}
{{- end -}}

{{- define "llmd-scheduler.metricsAuth" -}}
{{- if and .Values.metricsAuth (not .Values.global.llmd.namespaceOnly) -}}true{{- end -}}
{{- end -}}

{{- define "llmd-scheduler.leaderElection" -}}
{{- if and .Values.leaderElection (gt (int .Values.replicas) 1) -}}true{{- end -}}
{{- end -}}

{{/* The words after "kubectl -n NAMESPACE" that wait for the EPP: replicas that are not elected are never ready. */}}
{{- define "llmd-scheduler.await" -}}
{{- $name := include "llmd.eppName" . -}}
{{- if include "llmd-scheduler.leaderElection" . -}}
wait deployment/{{ $name }} --for=jsonpath='{.status.readyReplicas}'=1 --timeout=10m
{{- else -}}
rollout status deployment/{{ $name }} --timeout=10m
{{- end -}}
{{- end -}}

{{- define "llmd-scheduler.fallback" -}}
{{- if and (include "llmd-scheduler.standalone" .) (eq .Values.failureMode "FailOpen") -}}true{{- end -}}
{{- end -}}

{{- define "llmd-scheduler.healthPort" -}}
{{- add (int .Values.global.llmd.ports.envoyAdmin) 1 -}}
{{- end -}}

{{- define "llmd-scheduler.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "llmd.eppName" .) -}}
{{- end -}}
