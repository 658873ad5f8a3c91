{{/*
kvstore.name       .   name of the Deployment, Service, ConfigMap and NetworkPolicy
kvstore.own        .   JSON: the values of the chosen backend
kvstore.config     .   text of the backend's configuration file, with the keys in order
kvstore.resources  .   JSON: requests and limits; those of redis follow from its memory
kvstore.podTemplate .  YAML of the pod template, patched
kvstore.serviceAccountName .
*/}}
{{- define "kvstore.name" -}}
{{ include "llmd.componentName" (dict "ctx" . "component" "kv-store") }}
{{- end -}}

{{- define "kvstore.own" -}}
{{- toJson (get .Values .Values.backend) -}}
{{- end -}}

{{- define "kvstore.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "kvstore.name" .) "default") -}}
{{- end -}}

{{- define "kvstore.config" -}}
{{- $port := int .Values.global.llmd.ports.kvStore -}}
{{- if eq .Values.backend "mooncake" -}}
{{- $config := deepCopy (.Values.mooncake.config | default dict) -}}
{{- include "llmd.prune" $config -}}
{{- mergeOverwrite $config (dict
      "enable_metric_reporting" true
      "metrics_port" (int .Values.mooncake.metricsPort)
      "rpc_address" (include "llmd.everyAddress" .)
      "rpc_port" $port) | toYaml -}}
{{- else -}}
{{- $config := dict
      "appendonly" "no"
      "bind" "* -::*"
      "dir" "/tmp"
      "io-threads" (int .Values.redis.ioThreads)
      "maxmemory" (int64 .Values.redis.memoryBytes)
      "maxmemory-policy" "allkeys-lru"
      "port" $port
      "protected-mode" "no"
      "save" "\"\"" -}}
{{- range $name, $value := (.Values.redis.config | default dict) -}}
{{- if kindIs "invalid" $value -}}{{- $_ := unset $config $name -}}{{- else -}}{{- $_ := set $config $name $value -}}{{- end -}}
{{- end -}}
{{- $lines := list -}}
{{- range $name, $value := $config -}}{{- $lines = append $lines (printf "%s %s" $name (include "llmd.scalar" $value)) -}}{{- end -}}
{{- join "\n" $lines -}}
{{- end -}}
{{- end -}}

{{- define "kvstore.resources" -}}
{{- $own := include "kvstore.own" . | fromJson -}}
{{- $out := include "llmd.resources" (dict "resources" $own.resources) | fromJson -}}
{{- if eq .Values.backend "redis" -}}
{{- $bytes := int64 .Values.redis.memoryBytes -}}
{{- $memory := include "llmd.quantity" (add $bytes (div $bytes 10) 1073741824) -}}
{{- range list "requests" "limits" -}}
{{- $_ := set $out . (mergeOverwrite (dict "memory" $memory) (get $out . | default dict)) -}}
{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- define "kvstore.podTemplate" -}}
{{- $pod := include "llmd.parse" (dict "text" (include "kvstore.pod" .) "what" "pod template of the store") | fromJson -}}
{{- include "llmd.patch" (dict "object" $pod "patch" .Values.podPatch) | fromJson | toYaml -}}
{{- end -}}

{{- define "kvstore.pod" -}}
{{- $own := include "kvstore.own" . | fromJson -}}
{{- $mooncake := eq .Values.backend "mooncake" -}}
{{- $selector := include "llmd.selectorLabels" (dict "ctx" . "component" "kv-store") | fromYaml -}}
metadata:
  labels:
    {{- range $key, $value := (.Values.podLabels | default dict) }}
    {{- if not (or (kindIs "invalid" $value) (hasKey $selector $key)) }}
    {{ $key }}: {{ include "llmd.scalar" $value | quote }}
    {{- end }}
    {{- end }}
    {{- include "llmd.podLabels" (dict "ctx" . "component" "kv-store") | nindent 4 }}
  annotations:
    llm-d.ai/config: {{ include "kvstore.config" . | sha256sum | trunc 16 }}
    {{- range $key, $value := (.Values.podAnnotations | default dict) }}
    {{- if not (kindIs "invalid" $value) }}
    {{ $key }}: {{ include "llmd.scalar" $value | quote }}
    {{- end }}
    {{- end }}
spec:
  serviceAccountName: {{ include "kvstore.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 30
  {{- with include "llmd.imagePullSecrets" . }}
  {{- . | nindent 2 }}
  {{- end }}
  securityContext: {{- include "llmd.podSecurityContext" (dict "ctx" . "securityContext" .Values.podSecurityContext) | fromJson | toYaml | nindent 4 }}
  {{- with include "llmd.scheduling" (dict "ctx" . "spec" .Values "selector" $selector) }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: store
      image: {{ include "llmd.image" (dict "ctx" . "image" $own.image "path" (printf "%s.image" .Values.backend)) | quote }}
      imagePullPolicy: {{ $own.image.pullPolicy }}
      {{- if $mooncake }}
      command: [mooncake_master]
      args: [--config_path=/etc/kv-store/master.yaml]
      {{- else }}
      command: [valkey-server]
      args: [/etc/kv-store/valkey.conf]
      {{- end }}
      ports:
        - {name: store, containerPort: {{ int .Values.global.llmd.ports.kvStore }}, protocol: TCP}
        {{- if $mooncake }}
        - {name: metrics, containerPort: {{ int .Values.mooncake.metricsPort }}, protocol: TCP}
        {{- end }}
      {{- range list "livenessProbe" "readinessProbe" }}
      {{ . }}:
        tcpSocket: {port: store}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      {{- end }}
      {{- with include "kvstore.resources" . | fromJson }}
      resources: {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext: {{- include "llmd.securityContext" (dict "ctx" . "securityContext" $own.securityContext) | fromJson | toYaml | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/kv-store, readOnly: true}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: config
      configMap:
        name: {{ include "kvstore.name" . }}
    - name: tmp
      emptyDir: {}
{{- end -}}
