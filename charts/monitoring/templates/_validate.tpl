{{/*
monitoring.validate   .   Stops with every contradiction in the values at once, each by its path.
*/}}
{{- define "monitoring.validate" -}}
{{- $problems := list -}}
{{- if not (include "llmd.roles" . | fromJson) -}}
{{- $problems = append $problems (dict "path" "global.llmd.roles" "message" "name the roles to watch, for example {aggregate: {}} or {prefill: {}, decode: {}}") -}}
{{- end -}}
{{- if and .Values.scheduler.enabled (eq .Values.scheduler.token "secret") (not .Values.scheduler.tokenSecret.name) -}}
{{- $problems = append $problems (dict "path" "scheduler.tokenSecret.name" "message" "name the Secret with the token (scheduler.token is secret)") -}}
{{- end -}}
{{- if and (eq .Values.flavor "gmp") .Values.scheduler.enabled (eq .Values.scheduler.token "prometheus") (not .Values.global.llmd.namespaceOnly) -}}
{{- $problems = append $problems (dict "path" "scheduler.token" "message" "Google's collectors send no token of their own: set secret, or none with scheduler.metricsAuth false") -}}
{{- end -}}
{{- $known := list -}}
{{- range include "monitoring.alerts" . | fromJsonArray -}}{{- $known = append $known .alert -}}{{- end -}}
{{- range $name, $off := (.Values.rules.disabled | default dict) -}}
{{- if and $off (not (has $name $known)) -}}
{{- $problems = append $problems (dict "path" (printf "rules.disabled.%s" $name) "message" (printf "there is no such alert (%s)" (join ", " $known))) -}}
{{- end -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" . "problems" $problems) -}}
{{- end -}}
