{{/*
llmd-scheduler.check   .   stops with every contradiction between this chart's values and the global block, each by its path.
*/}}
{{- define "llmd-scheduler.check" -}}
{{- /* Several templates ask; what was right once stays right. */ -}}
{{- if not (hasKey .Values "memo checked") -}}
{{- include "llmd-scheduler.checkOnce" . -}}
{{- $_ := set .Values "memo checked" true -}}
{{- end -}}
{{- end -}}

{{- define "llmd-scheduler.checkOnce" -}}
{{- $problems := list -}}
{{- $version := include "llmd-scheduler.eppVersion" . -}}
{{- /* Only tags that look like a release say which dialect the image speaks; a mirror's own tags pass. */ -}}
{{- $tag := .Values.image.tag | default "" -}}
{{- $release := regexFind "^v?0[.][0-9]+" $tag | trimPrefix "v" -}}
{{- if and $release (ne $release $version) (not .Values.image.digest) -}}
{{- $problems = append $problems (dict "path" "image.tag" "message" (printf "%s does not speak the dialect of global.llmd.eppVersion %s; %s" $tag $version (include "llmd-scheduler.images" .))) -}}
{{- end -}}
{{- $roles := include "llmd.roles" . | fromJson -}}
{{- $split := or (ne "" (include "llmd.disaggregated" .)) (hasKey $roles "encode") -}}
{{- $handler := include "llmd-scheduler.handler" . -}}
{{- if and $split (ne $handler "disaggregated") -}}
{{- $problems = append $problems (dict "path" "handler" "message" (printf "must be disaggregated: global.llmd.roles has %s, and single would send whole requests to pods that do a part" (join " and " (keys $roles | sortAlpha)))) -}}
{{- end -}}
{{- if and $roles (not $split) (eq $handler "disaggregated") -}}
{{- $problems = append $problems (dict "path" "handler" "message" (printf "disaggregated needs the roles prefill and decode; global.llmd.roles has %s" (join ", " (keys $roles | sortAlpha)))) -}}
{{- end -}}
{{- if and (hasKey $roles "encode") (not (hasKey $roles "decode")) -}}
{{- $problems = append $problems (dict "path" "global.llmd.roles" "message" "encode needs the role decode, which then prefills too, or decode and prefill") -}}
{{- end -}}
{{- if and (eq .Values.global.llmd.mode "gateway") (not .Values.secureServing) -}}
{{- $problems = append $problems (dict "path" "secureServing" "message" "must be true with global.llmd.mode gateway: gateways open TLS to the endpoint picker") -}}
{{- end -}}
{{- $problems = concat $problems (include "llmd.quotas.problems" (dict "path" "proxy.tenants" "tenants" .Values.proxy.tenants) | fromJsonArray) -}}
{{- if and (eq .Values.global.llmd.mode "gateway") (include "llmd.quotas.used" .Values.proxy.tenants) -}}
{{- $problems = append $problems (dict "path" "proxy.tenants" "message" "counts in standalone mode only; with global.llmd.mode gateway the quotas stand in gateway.tenants") -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" . "problems" $problems) -}}
{{- end -}}

{{- define "llmd-scheduler.images" -}}
{{- $ctx := . -}}{{- $list := list -}}
{{- range $version := include "llmd-scheduler.versions" . | fromJsonArray -}}
{{- $list = append $list (printf "for %s use %s" $version ($ctx.Files.Get (printf "dialects/%s.yaml" $version) | fromYaml).image) -}}
{{- end -}}
{{- join ", " $list -}}
{{- end -}}
