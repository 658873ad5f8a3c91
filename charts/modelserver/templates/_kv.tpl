{{/*
The KV cache beyond one engine: handing it on, keeping it, telling the endpoint picker about it.

modelserver.kvTransfer   (dict "ctx" $ "role" $role)   JSON for engine.flags.kvTransfer, or nothing: the one entry of
                   kvConnectors, or the engine's multi connector around all of them. Entries stand in the order of their
                   names, engine.kvConnectors.first before them: an engine that loads from the first connector with a hit
                   must ask the prefill server before it asks a slower tier.
modelserver.kvEvents     (dict "ctx" $ "role" $role)   JSON for engine.flags.kvEvents, or nothing.
modelserver.kvPublishes  (dict "ctx" $ "role" $role)   "true" or "": whether this role publishes KV cache events.
modelserver.kvEventPorts (dict "ctx" $ "role" $role)   JSON list of the container ports of the events.
modelserver.kvEventPolicyPorts   .   YAML list: the same ports for the NetworkPolicy, or nothing.
modelserver.kvEnvironment (dict "ctx" $ "role" $role)   JSON map of environment: seed of the hashes, address for the topic,
                   address of the shared store.
modelserver.kvProblems   (dict "ctx" $ "role" $role)   JSON list of {path, message}.
*/}}
{{- define "modelserver.kvTransfer" -}}
{{- $engine := .ctx.Values.engine.kvConnectors -}}
{{- $connectors := .role.spec.kvConnectors | default dict -}}
{{- $options := .role.spec.kvTransferOptions | default dict -}}
{{- $names := keys $connectors | sortAlpha -}}
{{- if has $engine.first $names -}}{{- $names = prepend (without $names $engine.first) $engine.first -}}{{- end -}}
{{- $list := list -}}
{{- range $names -}}{{- $list = append $list (get $connectors .) -}}{{- end -}}
{{- if eq (len $list) 1 -}}
{{- mergeOverwrite (deepCopy (first $list)) (deepCopy $options) | toRawJson -}}
{{- else if gt (len $list) 1 -}}
{{- $around := dict "kv_connector" $engine.multi "kv_role" "kv_both" "kv_connector_extra_config" (dict "connectors" $list) -}}
{{- mergeOverwrite $around (deepCopy $options) | toRawJson -}}
{{- end -}}
{{- end -}}

{{- define "modelserver.kvPublishes" -}}
{{- /* An encoder has no KV cache. */ -}}
{{- if and .ctx.Values.global.llmd.kvEvents.enabled (ne .role.role "encode") -}}true{{- end -}}
{{- end -}}

{{- define "modelserver.kvEvents" -}}
{{- if include "modelserver.kvPublishes" . -}}
{{- $config := deepCopy (.ctx.Values.engine.kvEvents | default dict) -}}
{{- include "llmd.prune" $config -}}
{{- mergeOverwrite $config (dict
      "endpoint" (include "llmd.kvEventsEndpoint" .ctx)
      "topic" (include "llmd.kvTopic" (dict "ctx" .ctx "podIP" "$(POD_IP)"))) | toRawJson -}}
{{- end -}}
{{- end -}}

{{- define "modelserver.kvEventPorts" -}}
{{- $ports := list -}}
{{- if include "modelserver.kvPublishes" . -}}
{{- $first := int .ctx.Values.global.llmd.ports.kvEvents -}}
{{- range $offset := until (int .role.endpoints) -}}
{{- $ports = append $ports (dict "name" (gt $offset 0 | ternary (printf "kv-events-%d" $offset) "kv-events") "containerPort" (add $first $offset) "protocol" "TCP") -}}
{{- end -}}
{{- end -}}
{{- toJson $ports -}}
{{- end -}}

{{- define "modelserver.kvEventPolicyPorts" -}}
{{- if .Values.global.llmd.kvEvents.enabled }}
{{- $first := int .Values.global.llmd.ports.kvEvents }}
{{- $last := sub (int .Values.global.llmd.dataParallelLocal) 1 }}
- port: {{ $first }}
  {{- if gt $last 0 }}
  endPort: {{ add $first $last }}
  {{- end }}
  protocol: TCP
{{- end }}
{{- end -}}

{{- define "modelserver.kvEnvironment" -}}
{{- $env := dict -}}
{{- $seed := .ctx.Values.global.llmd.hashSeed -}}
{{- if not (has (toString $seed) (list "" "<nil>")) -}}{{- $_ := set $env "PYTHONHASHSEED" (include "llmd.scalar" $seed) -}}{{- end -}}
{{- if include "modelserver.kvPublishes" . -}}
{{- $_ := set $env "POD_IP" (dict "valueFrom" (dict "fieldRef" (dict "fieldPath" "status.podIP"))) -}}
{{- end -}}
{{- with include "modelserver.storeAddress" . -}}{{- $_ := set $env "KV_STORE" . -}}{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{- define "modelserver.kvProblems" -}}
{{- $problems := list -}}
{{- $path := printf "roles.%s" .role.role -}}
{{- $spec := .role.spec -}}
{{- $engine := .ctx.Values.engine -}}
{{- $llmd := .ctx.Values.global.llmd -}}
{{- $names := keys ($spec.kvConnectors | default dict) | sortAlpha -}}
{{- if and $names (not $spec.command) -}}
{{- if not $engine.flags.kvTransfer -}}
{{- $problems = append $problems (dict "path" (printf "%s.kvConnectors.%s" $path (first $names)) "message" "the engine has no flag for connectors (engine.flags.kvTransfer is empty)") -}}
{{- else if and (gt (len $names) 1) (not $engine.kvConnectors.multi) -}}
{{- $problems = append $problems (dict "path" (printf "%s.kvConnectors" $path) "message" (printf "the engine takes one connector at a time, not %s; set the others to null" (join " and " $names))) -}}
{{- end -}}
{{- end -}}
{{- if and (include "modelserver.kvPublishes" .) (not $engine.flags.kvEvents) (not $spec.command) -}}
{{- $problems = append $problems (dict "path" "global.llmd.kvEvents.enabled" "message" "the engine publishes no KV cache events (engine.flags.kvEvents is empty); take the approximate prefix index") -}}
{{- end -}}
{{- $own := int $spec.blockSize -}}
{{- if and $llmd.kvEvents.enabled (gt $own 0) (ne $own (int $llmd.blockSize)) -}}
{{- $problems = append $problems (dict "path" (printf "%s.blockSize" $path) "message" (printf "is %d, but the prefix index that follows KV cache events reckons with global.llmd.blockSize %d; leave it out and set global.llmd.blockSize" $own (int $llmd.blockSize))) -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}
