{{/*
kvstore.validate   .   Stops with every contradiction in the values at once, each by its path.
*/}}
{{- define "kvstore.validate" -}}
{{- $problems := list -}}
{{- $port := int .Values.global.llmd.ports.kvStore -}}
{{- if eq .Values.backend "mooncake" -}}
{{- if eq $port (int .Values.mooncake.metricsPort) -}}
{{- $problems = append $problems (dict "path" "mooncake.metricsPort" "message" (printf "port %d is taken by global.llmd.ports.kvStore" $port)) -}}
{{- end -}}
{{- range list "rpc_port" "rpc_address" "metrics_port" "enable_metric_reporting" -}}
{{- if hasKey ($.Values.mooncake.config | default dict) . -}}
{{- $problems = append $problems (dict "path" (printf "mooncake.config.%s" .) "message" "the chart sets this key itself, from global.llmd.ports.kvStore and mooncake.metricsPort") -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- range list "port" "maxmemory" "io-threads" -}}
{{- if hasKey ($.Values.redis.config | default dict) . -}}
{{- $problems = append $problems (dict "path" (printf "redis.config.%s" .) "message" "the chart sets this key itself, from global.llmd.ports.kvStore, redis.memoryBytes and redis.ioThreads") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" . "problems" $problems) -}}
{{- end -}}
