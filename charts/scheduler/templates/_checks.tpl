{{/*
llmd-scheduler.check   .   stops with every contradiction between this chart's values and the global block, each by its path.
*/}}
{{- define "llmd-scheduler.check" -}}
{{- $problems := list -}}
{{- $version := include "llmd-scheduler.eppVersion" . -}}
{{- /* Only tags that look like a release say which dialect the image speaks; a mirror's own tags pass. */ -}}
{{- $tag := .Values.image.tag | default "" -}}
{{- $release := regexFind "^v?0[.][0-9]+" $tag | trimPrefix "v" -}}
{{- if and $release (ne $release $version) (not .Values.image.digest) -}}
{{- $problems = append $problems (dict "path" "image.tag" "message" (printf "%s does not speak the dialect of global.llmd.eppVersion %s; for 0.9 use llm-d/llm-d-router-endpoint-picker:v0.9.0, for 0.7 llm-d/llm-d-inference-scheduler:v0.7.1" $tag $version)) -}}
{{- end -}}
{{- $roles := include "llmd.roles" . | fromJson -}}
{{- $split := include "llmd.disaggregated" . -}}
{{- if and $split (ne .Values.handler "disaggregated") -}}
{{- $problems = append $problems (dict "path" "handler" "message" "must be disaggregated: global.llmd.roles has prefill and decode, and single would send whole requests to prefill pods") -}}
{{- end -}}
{{- if and $roles (not $split) (eq .Values.handler "disaggregated") -}}
{{- $problems = append $problems (dict "path" "handler" "message" (printf "disaggregated needs the roles prefill and decode; global.llmd.roles has %s" (join ", " (keys $roles | sortAlpha)))) -}}
{{- end -}}
{{- if and (eq .Values.global.llmd.mode "gateway") (not .Values.secureServing) -}}
{{- $problems = append $problems (dict "path" "secureServing" "message" "must be true with global.llmd.mode gateway: gateways open TLS to the endpoint picker") -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" . "problems" $problems) -}}
{{- end -}}
