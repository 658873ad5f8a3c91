{{/*
LoRA adapters. An encode pod loads no language model, so it gets none.

modelserver.loraAdapters   .   JSON map name -> source, without null entries
modelserver.loraArguments  (dict "ctx" $ "role" $role)   JSON list of the engine's arguments
modelserver.loraProblems   .   JSON list of {path, message}
*/}}
{{- define "modelserver.loraAdapters" -}}
{{- $adapters := dict -}}
{{- range $name, $adapter := (.Values.lora.adapters | default dict) -}}
{{- if not (kindIs "invalid" $adapter) -}}{{- $_ := set $adapters $name $adapter.source -}}{{- end -}}
{{- end -}}
{{- toJson $adapters -}}
{{- end -}}

{{- define "modelserver.loraArguments" -}}
{{- $lora := .ctx.Values.lora -}}
{{- $flags := .ctx.Values.engine.lora -}}
{{- $adapters := include "modelserver.loraAdapters" .ctx | fromJson -}}
{{- $args := list -}}
{{- if and (or $adapters $lora.dynamic) (ne .role.role "encode") -}}
{{- $slots := int $lora.slots | default (max 1 (min 8 (len $adapters))) -}}
{{- if $flags.enable -}}{{- $args = append $args $flags.enable -}}{{- end -}}
{{- range $pair := list (list $flags.slots $slots) (list $flags.hostSlots (int $lora.hostSlots)) (list $flags.maxRank (int $lora.maxRank)) -}}
{{- if and (index $pair 0) (gt (int (index $pair 1)) 0) -}}{{- $args = append $args (printf "%s=%d" (index $pair 0) (int (index $pair 1))) -}}{{- end -}}
{{- end -}}
{{- if and $adapters $flags.adapters -}}
{{- $args = append $args $flags.adapters -}}
{{- range $name, $source := $adapters -}}{{- $args = append $args (printf "%s=%s" $name $source) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $args -}}
{{- end -}}

{{- define "modelserver.loraProblems" -}}
{{- $problems := list -}}
{{- $lora := .Values.lora -}}
{{- $adapters := include "modelserver.loraAdapters" . | fromJson -}}
{{- if and (or $adapters $lora.dynamic) (not .Values.engine.lora.enable) -}}
{{- $problems = append $problems (dict "path" ($adapters | empty | ternary "lora.dynamic" "lora.adapters") "message" "the engine has no flags for adapters (engine.lora.enable is empty)") -}}
{{- end -}}
{{- range $name, $source := $adapters -}}
{{- if eq $name (include "llmd.servedName" $) -}}
{{- $problems = append $problems (dict "path" (printf "lora.adapters.%s" $name) "message" "is the name of the model itself; requests could not tell the two apart") -}}
{{- end -}}
{{- if contains "=" $name -}}
{{- $problems = append $problems (dict "path" (printf "lora.adapters.%s" $name) "message" "a name cannot hold =, by which engines part name and source") -}}
{{- end -}}
{{- end -}}
{{- $host := int $lora.hostSlots -}}
{{- $slots := int $lora.slots | default (max 1 (min 8 (len $adapters))) -}}
{{- if and (gt $host 0) (lt $host (int $slots)) -}}
{{- $problems = append $problems (dict "path" "lora.hostSlots" "message" (printf "%d is less than the %d slots of a batch (lora.slots)" $host (int $slots))) -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}
