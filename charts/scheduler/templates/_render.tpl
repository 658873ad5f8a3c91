{{/*
The render service: vLLM without a model, on CPUs, which turns a prompt into the tokens that the engine would see (chat
template included). The EPP asks it once a request for the precise prefix index.

llmd-scheduler.render.pod   .   JSON {metadata, spec} of its pod template
*/}}
{{- define "llmd-scheduler.render.pod" -}}
{{- $parsed := include "llmd.parse" (dict "text" (include "llmd-scheduler.render.podYaml" .) "what" "pod template of the render service") | fromJson -}}
{{- include "llmd.patch" (dict "object" $parsed "patch" .Values.render.podPatch) -}}
{{- end -}}

{{- define "llmd-scheduler.render.args" -}}
{{- $in := .Values.render -}}
{{- $arguments := list "launch" "render" ($in.model | default .Values.global.llmd.model.id) (printf "--port=%d" (int .Values.global.llmd.ports.render)) -}}
{{- /* The EPP asks by the model's id, whatever directory the files are in. */ -}}
{{- if $in.model -}}{{- $arguments = append $arguments (printf "--served-model-name=%s" .Values.global.llmd.model.id) -}}{{- end -}}
{{- toJson (concat $arguments (include "llmd.args" (dict "ctx" . "args" $in.args "path" "render.args") | fromJsonArray)) -}}
{{- end -}}

{{- define "llmd-scheduler.render.env" -}}
{{- include "llmd.env" (dict "ctx" . "env" (include "llmd-scheduler.render.envOf" . | fromJson) "path" "render") -}}
{{- end -}}

{{/* NAME -> value of whatever downloads the tokenizer, JSON. */}}
{{- define "llmd-scheduler.render.envOf" -}}
{{- $in := .Values.render -}}
{{- $env := dict "HOME" "/home/llmd" "USER" "llmd" "HF_HOME" "/home/llmd/huggingface" -}}
{{- with $in.tokenSecret -}}
{{- if .name -}}
{{- $_ := set $env "HF_TOKEN" (dict "valueFrom" (dict "secretKeyRef" (dict "name" .name "key" .key "optional" .optional))) -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := ($in.env | default dict) -}}{{- $_ := set $env $name $value -}}{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{- define "llmd-scheduler.render.podYaml" -}}
{{- $in := .Values.render -}}
metadata:
  labels:
    {{- include "llmd.podLabels" (dict "ctx" . "component" "render") | nindent 4 }}
spec:
  automountServiceAccountToken: false
  {{- with include "llmd.imagePullSecrets" . }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "llmd.podSecurityContext" (dict "ctx" . "securityContext" $in.podSecurityContext) | fromJson }}
  securityContext:
    {{- toJson . | nindent 4 }}
  {{- end }}
  containers:
    - name: render
      image: {{ include "llmd.image" (dict "ctx" . "image" $in.image "path" "render.image") | quote }}
      imagePullPolicy: {{ $in.image.pullPolicy }}
      command: [vllm]
      args:
        {{- include "llmd-scheduler.render.args" . | nindent 8 }}
      env:
        {{- include "llmd-scheduler.render.env" . | nindent 8 }}
      ports:
        - {name: http, containerPort: {{ int .Values.global.llmd.ports.render }}, protocol: TCP}
      startupProbe:
        httpGet: {path: /health, port: http, scheme: HTTP}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 120
      livenessProbe:
        httpGet: {path: /health, port: http, scheme: HTTP}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /health, port: http, scheme: HTTP}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 3
      {{- with include "llmd.resources" (dict "resources" $in.resources) | fromJson }}
      resources:
        {{- toJson . | nindent 8 }}
      {{- end }}
      {{- with include "llmd.securityContext" (dict "ctx" . "securityContext" $in.securityContext) | fromJson }}
      securityContext:
        {{- toJson . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - {name: home, mountPath: /home/llmd}
        {{- range $name, $volume := ($in.volumes | default dict) }}
        {{- if not (kindIs "invalid" $volume) }}
        {{- $mount := dict "name" $name "mountPath" $volume.mountPath }}
        {{- if get $volume "readOnly" }}{{ $_ := set $mount "readOnly" true }}{{ end }}
        {{- with get $volume "subPath" }}{{ $_ := set $mount "subPath" . }}{{ end }}
        - {{ toJson $mount }}
        {{- end }}
        {{- end }}
  volumes:
    # The tokenizer and the model's configuration, a few MB; never the weights.
    - name: home
      emptyDir: {sizeLimit: 5Gi}
    {{- range $name, $volume := ($in.volumes | default dict) }}
    {{- if not (kindIs "invalid" $volume) }}
    - {{ mergeOverwrite (dict "name" $name) (deepCopy $volume.source) | toJson }}
    {{- end }}
    {{- end }}
  {{- with include "llmd.scheduling" (dict "ctx" . "spec" $in "selector" (include "llmd.selectorLabels" (dict "ctx" . "component" "render") | fromYaml)) }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}
