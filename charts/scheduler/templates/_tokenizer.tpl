{{/*
The tokenizer in the EPP's pod, for EPP 0.7 with a precise prefix index: gRPC on a Unix socket. The EPP asks for its model when
it starts, five times within ten seconds, and ends without an answer; so the tokenizer is a sidecar that is up before it, and
that ends after it.

Socket, port of the probe and variables: github.com/llm-d/llm-d-kv-cache v0.7.1, services/uds_tokenizer.

llmd-scheduler.tokenizer.folder       .   where the socket lies, in both containers
llmd-scheduler.tokenizer.containers   .   JSON list, for initContainers
llmd-scheduler.tokenizer.volumes      .   JSON list
*/}}
{{- define "llmd-scheduler.tokenizer.folder" -}}/tmp/tokenizer{{- end -}}

{{- define "llmd-scheduler.tokenizer.containers" -}}
{{- $containers := list -}}
{{- if eq (include "llmd-scheduler.tokens" .) "socket" -}}
{{- $containers = append $containers (include "llmd.parse" (dict "text" (include "llmd-scheduler.tokenizer.container" .) "what" "container tokenizer") | fromJson) -}}
{{- end -}}
{{- toJson $containers -}}
{{- end -}}

{{- define "llmd-scheduler.tokenizer.container" -}}
{{- $in := .Values.tokenizer -}}{{- $port := 8082 -}}
{{- $env := include "llmd-scheduler.render.envOf" . | fromJson -}}
{{- $_ := set $env "PROBE_PORT" ($port | toString) -}}
{{- $_ := set $env "TOKENIZERS_DIR" "/home/llmd/tokenizers" -}}
{{- range $name, $value := ($in.env | default dict) -}}{{- $_ := set $env $name $value -}}{{- end -}}
name: tokenizer
image: {{ include "llmd.image" (dict "ctx" . "image" $in.image "path" "tokenizer.image") | quote }}
imagePullPolicy: {{ $in.image.pullPolicy }}
restartPolicy: Always
env: {{ include "llmd.env" (dict "ctx" . "env" $env "path" "tokenizer") }}
ports:
  - {name: tokenizer, containerPort: {{ $port }}, protocol: TCP}
startupProbe:
  httpGet: {path: /healthz, port: tokenizer, scheme: HTTP}
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 300
livenessProbe:
  httpGet: {path: /healthz, port: tokenizer, scheme: HTTP}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- with include "llmd.resources" (dict "resources" $in.resources) | fromJson }}
resources: {{ toJson . }}
{{- end }}
securityContext: {{ include "llmd.securityContext" (dict "ctx" . "securityContext" $in.securityContext) }}
volumeMounts:
  - {name: tokenizer-socket, mountPath: {{ include "llmd-scheduler.tokenizer.folder" . }}}
  - {name: tokenizer-home, mountPath: /home/llmd}
  {{- range $name, $volume := (.Values.render.volumes | default dict) }}
  {{- if not (kindIs "invalid" $volume) }}
  {{- $mount := dict "name" (printf "tokenizer-files-%s" $name) "mountPath" $volume.mountPath }}
  {{- if get $volume "readOnly" }}{{ $_ := set $mount "readOnly" true }}{{ end }}
  {{- with get $volume "subPath" }}{{ $_ := set $mount "subPath" . }}{{ end }}
  - {{ toJson $mount }}
  {{- end }}
  {{- end }}
{{- end -}}

{{- define "llmd-scheduler.tokenizer.volumes" -}}
{{- $volumes := list -}}
{{- if eq (include "llmd-scheduler.tokens" .) "socket" -}}
{{- /* The tokenizer and the model's configuration, a few MB; never the weights. */ -}}
{{- $volumes = list (dict "name" "tokenizer-socket" "emptyDir" dict) (dict "name" "tokenizer-home" "emptyDir" (dict "sizeLimit" "5Gi")) -}}
{{- range $name, $volume := (.Values.render.volumes | default dict) -}}
{{- if not (kindIs "invalid" $volume) -}}
{{- $volumes = append $volumes (mergeOverwrite (dict "name" (printf "tokenizer-files-%s" $name)) (deepCopy $volume.source)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $volumes -}}
{{- end -}}
