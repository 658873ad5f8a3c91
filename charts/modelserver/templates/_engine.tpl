{{/*
modelserver.modelArgument   .   What the engine is told to load: the id, or a directory.
modelserver.arguments   (dict "ctx" $ "role" $role "worker" false)
                   JSON list: the model, the facts the chart computes, then args sorted by name, then extraArgs.
modelserver.environment (dict "ctx" $ "role" $role)   JSON list of env entries.
modelserver.ports       (dict "ctx" $ "role" $role)   JSON list of the engine container's ports.
modelserver.resources   (dict "ctx" $ "role" $role)   JSON: resources with accelerators, fabric, claims, storage.
modelserver.container   (dict "ctx" $ "role" $role "worker" false)   JSON of the engine container, before its patch.
                   worker: a pod of a group that serves no HTTP.
*/}}
{{- define "modelserver.modelArgument" -}}
{{- $model := .Values.model -}}
{{- if eq $model.source "hf" -}}{{ .Values.global.llmd.model.id }}
{{- else if eq $model.source "path" -}}{{ $model.path }}
{{- else -}}{{ printf "%s/%s" (trimSuffix "/" $model.cacheMountPath) (get $model $model.source).path | trimSuffix "/" }}
{{- end -}}
{{- end -}}

{{- define "modelserver.arguments" -}}
{{- $values := .ctx.Values -}}
{{- $spec := .role.spec -}}
{{- $flags := $values.engine.flags -}}
{{- $split := $spec.parallelism -}}
{{- $args := list -}}
{{- $model := include "modelserver.modelArgument" .ctx -}}
{{- if $values.engine.modelFlag -}}
{{- $args = append $args (printf "%s=%s" $values.engine.modelFlag $model) -}}
{{- else -}}
{{- $args = append $args $model -}}
{{- end -}}
{{- $own := $spec.args | default dict -}}
{{- $facts := list
      (list "host" (include "llmd.everyAddress" .ctx) true)
      (list "hostIPv6" "::" (and (not $flags.host) (eq $values.global.llmd.ipFamily "IPv6")))
      (list "port" (int .role.enginePort) true)
      (list "servedName" (include "llmd.servedName" .ctx) true)
      (list "revision" $values.model.hf.revision (and (eq $values.model.source "hf") (not (hasKey $own (trimPrefix "--" $flags.revision)))))
      (list "tensor" (int $split.tensor) true)
      (list "pipeline" (int $split.pipeline) (gt (int $split.pipeline) 1))
      (list "data" (int $split.data) (gt (int $split.data) 1))
      (list "expertSize" (int $split.tensor) $split.expert)
      (list "blockSize" (int .role.blockSize) (gt (int .role.blockSize) 0))
      (list "maxModelLen" (int64 $spec.maxModelLen) (gt (int64 $spec.maxModelLen) 0))
      (list "bootstrap" (int $values.global.llmd.ports.bootstrap) (and (eq .role.role "prefill") (ne "" (include "llmd.disaggregated" .ctx))))
      (list "kvTransfer" (include "modelserver.kvTransfer" .) true)
      (list "ecTransfer" (empty .role.spec.ecTransfer | ternary "" (toRawJson .role.spec.ecTransfer)) true)
      (list "kvEvents" (include "modelserver.kvEvents" .) (not .role.ranked))
      (list "drain" (int .role.engineDrainSeconds) (not (hasKey $own (trimPrefix "--" $flags.drain)))) -}}
{{- range $fact := $facts -}}
{{- $flag := get $flags (index $fact 0) -}}
{{- if and $flag (index $fact 2) (ne (toString (index $fact 1)) "") -}}
{{- $args = append $args (printf "%s=%v" $flag (index $fact 1)) -}}
{{- end -}}
{{- end -}}
{{- if and $flags.expert $split.expert -}}{{- $args = append $args $flags.expert -}}{{- end -}}
{{- $args = concat $args (include "modelserver.rankFlags" . | fromJsonArray) -}}
{{- if .role.headless -}}
{{- $join := $values.engine.multiNode -}}
{{- $leader := (int $join.leaderPort | eq 0) | ternary "$(LWS_LEADER_ADDRESS)" (printf "$(LWS_LEADER_ADDRESS):%d" (int $join.leaderPort)) -}}
{{- range $pair := list (list $join.size "$(LWS_GROUP_SIZE)") (list $join.rank "$(LWS_WORKER_INDEX)") (list $join.leader $leader) -}}
{{- if index $pair 0 -}}{{- $args = append $args (printf "%s=%s" (index $pair 0) (index $pair 1)) -}}{{- end -}}
{{- end -}}
{{- if and .worker $join.headless -}}{{- $args = append $args $join.headless -}}{{- end -}}
{{- end -}}
{{- $args = concat $args (include "modelserver.loraArguments" . | fromJsonArray) -}}
{{- $args = concat $args (include "llmd.args" (dict "ctx" .ctx "args" $own "path" (printf "roles.%s.args" .role.role)) | fromJsonArray) -}}
{{- toJson (concat $args ($spec.extraArgs | default list)) -}}
{{- end -}}

{{- define "modelserver.environment" -}}
{{- $values := .ctx.Values -}}
{{- /* Any user id can write here, whatever the image's home is; engines keep compiled kernels under it. USER, because
       Python's getpass fails for an id that has no entry in /etc/passwd. */ -}}
{{- $env := dict "HOME" "/home/llmd" "USER" "llmd" -}}
{{- if eq $values.model.source "hf" -}}
{{- $_ := set $env "HF_HOME" $values.model.cacheMountPath -}}
{{- with $values.model.hf.tokenSecret -}}
{{- if .name -}}
{{- $_ := set $env "HF_TOKEN" (dict "valueFrom" (dict "secretKeyRef" (dict "name" .name "key" .key "optional" .optional))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $port, $name := ($values.engine.portEnv | default dict) -}}
{{- $here := eq $port "ecTransfer" | ternary (eq $.role.role "encode") (and (ne "" (include "llmd.disaggregated" $.ctx)) (has $.role.role (list "prefill" "decode"))) -}}
{{- if and $name $here -}}{{- $_ := set $env $name (int (get $values.global.llmd.ports $port)) -}}{{- end -}}
{{- end -}}
{{- if and $values.lora.dynamic $values.engine.lora.dynamicEnv (ne .role.role "encode") -}}{{- $_ := set $env $values.engine.lora.dynamicEnv "True" -}}{{- end -}}
{{- range $name, $value := include "modelserver.kvEnvironment" . | fromJson -}}{{- $_ := set $env $name $value -}}{{- end -}}
{{- with and .role.serves $values.engine.dataParallel.readyTimeoutEnv -}}{{- $_ := set $env . (int64 $values.sizing.startupSeconds) -}}{{- end -}}
{{- range $name, $value := (.role.spec.env | default dict) -}}{{- $_ := set $env $name $value -}}{{- end -}}
{{- /* A null of the role's env is gone by now (it was pruned with the role), so look at the values themselves. */ -}}
{{- range $layer := list $values.roleDefaults (get $values.roles .role.role | default dict) -}}
{{- range $name, $value := (get $layer "env" | default dict) -}}
{{- if and (kindIs "invalid" $value) (not (hasKey ($.role.spec.env | default dict) $name)) -}}{{- $_ := unset $env $name -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- include "llmd.env" (dict "ctx" .ctx "env" $env "extraEnv" .role.spec.extraEnv "path" (printf "roles.%s" .role.role)) -}}
{{- end -}}

{{- define "modelserver.ports" -}}
{{- $name := .role.sidecar | ternary "engine" "serving" -}}
{{- $ports := list -}}
{{- range $offset := until (int .role.endpoints) -}}
{{- $ports = append $ports (dict "name" (gt $offset 0 | ternary (printf "%s-%d" $name $offset) $name) "containerPort" (add (int $.role.enginePort) $offset) "protocol" "TCP") -}}
{{- end -}}
{{- if and (include "llmd.disaggregated" .ctx) (has .role.role (list "prefill" "decode")) -}}
{{- $ports = append $ports (dict "name" "kv-transfer" "containerPort" (int .ctx.Values.global.llmd.ports.kvTransfer) "protocol" "TCP") -}}
{{- if and (eq .role.role "prefill") (has .ctx.Values.routingSidecar.connector (list "sglang" "mooncake")) -}}
{{- $ports = append $ports (dict "name" "bootstrap" "containerPort" (int .ctx.Values.global.llmd.ports.bootstrap) "protocol" "TCP") -}}
{{- end -}}
{{- end -}}
{{- if and (eq .role.role "encode") .role.spec.ecTransfer -}}
{{- $ports = append $ports (dict "name" "ec-transfer" "containerPort" (int .ctx.Values.global.llmd.ports.ecTransfer) "protocol" "TCP") -}}
{{- end -}}
{{- if eq .role.serves "external" -}}
{{- $ports = append $ports (dict "name" "supervisor" "containerPort" (int .ctx.Values.engine.dataParallel.supervisorPort) "protocol" "TCP") -}}
{{- end -}}
{{- toJson (concat $ports (include "modelserver.kvEventPorts" . | fromJsonArray)) -}}
{{- end -}}

{{- define "modelserver.resources" -}}
{{- $spec := .role.spec -}}
{{- $count := int .role.accelerators -}}
{{- $out := include "llmd.resources" (dict "resources" $spec.resources) | fromJson -}}
{{- $devices := dict -}}
{{- $replaced := false -}}
{{- range $name, $claim := ($spec.claims | default dict) -}}{{- if $claim.replacesAccelerator -}}{{- $replaced = true -}}{{- end -}}{{- end -}}
{{- if and $spec.accelerator.resource (not $replaced) -}}{{- $_ := set $devices $spec.accelerator.resource (toString (int .role.units)) -}}{{- end -}}
{{- range $name, $amount := ($spec.fabric.resources | default dict) -}}{{- $_ := set $devices $name (include "llmd.scalar" $amount) -}}{{- end -}}
{{- range $name, $amount := ($spec.fabric.resourcesPerAccelerator | default dict) -}}{{- $_ := set $devices $name (mul (int $amount) $count | toString) -}}{{- end -}}
{{- range $kind := list "requests" "limits" -}}
{{- $amounts := mergeOverwrite (deepCopy (get $out $kind | default dict)) (deepCopy $devices) -}}
{{- if hasKey $amounts "memory" -}}{{- $_ := set $amounts "memory" (include "modelserver.tierMemory" (dict "role" $.role "amount" $amounts.memory)) -}}{{- end -}}
{{- $disk := add ($.role.ownCache | ternary (int64 $.ctx.Values.sizing.cacheBytes) 0) (int64 ($.role.ownTier | ternary (include "modelserver.tierDiskBytes" $) 0)) -}}
{{- if and (eq $kind "requests") (gt $disk 0) (not (hasKey $amounts "ephemeral-storage")) -}}
{{- $_ := set $amounts "ephemeral-storage" (include "llmd.quantity" $disk) -}}
{{- end -}}
{{- if $amounts -}}{{- $_ := set $out $kind $amounts -}}{{- end -}}
{{- end -}}
{{- $claims := list -}}
{{- range $claim := include "modelserver.claims" . | fromJsonArray -}}{{- $claims = append $claims (dict "name" $claim.name) -}}{{- end -}}
{{- if $claims -}}{{- $_ := set $out "claims" $claims -}}{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- define "modelserver.container" -}}
{{- $values := .ctx.Values -}}
{{- $spec := .role.spec -}}
{{- $container := dict
      "name" "engine"
      "image" (include "llmd.image" (dict "ctx" .ctx "image" $spec.image "path" (printf "roles.%s.image" .role.role)))
      "imagePullPolicy" $spec.image.pullPolicy
      "env" (include "modelserver.environment" . | fromJsonArray)
      "lifecycle" (include "llmd.preStop" (dict "ctx" .ctx "seconds" .role.preStopSeconds) | fromJson)
      "securityContext" (include "modelserver.securityContext" . | fromJson)
      "volumeMounts" (include "modelserver.mounts" . | fromJsonArray) -}}
{{- if $spec.command -}}
{{- $_ := set $container "command" $spec.command -}}
{{- with $spec.extraArgs -}}{{- $_ := set $container "args" . -}}{{- end -}}
{{- else -}}
{{- $container = merge $container (include "modelserver.commandLine" . | fromJson) -}}
{{- end -}}
{{- if not .worker -}}
{{- $external := eq .role.serves "external" -}}
{{- $port := $external | ternary "supervisor" (.role.sidecar | ternary "engine" "serving") -}}
{{- $probes := $external | ternary $values.engine.dataParallel.probes $values.engine.probes -}}
{{- $_ := set $container "ports" (include "modelserver.ports" . | fromJsonArray) -}}
{{- $_ := set $container "startupProbe" (include "llmd.startupProbe" (dict "path" $probes.startupPath "port" $port "budget" $values.sizing.startupSeconds) | fromJson) -}}
{{- /* A busy engine answers late; a restart costs a model load. One minute of silence is a hang, less is load. */ -}}
{{- $_ := set $container "livenessProbe" (include "llmd.httpProbe" (dict "path" $probes.livenessPath "port" $port "period" 10 "timeout" 10 "failures" 6) | fromJson) -}}
{{- $_ := set $container "readinessProbe" (include "llmd.httpProbe" (dict "path" $probes.readinessPath "port" $port "period" 5 "timeout" 5 "failures" 3) | fromJson) -}}
{{- end -}}
{{- with include "modelserver.resources" . | fromJson -}}{{- $_ := set $container "resources" . -}}{{- end -}}
{{- toJson $container -}}
{{- end -}}

{{- define "modelserver.securityContext" -}}
{{- $context := include "llmd.securityContext" (dict "ctx" .ctx "securityContext" .role.spec.securityContext) | fromJson -}}
{{- $add := dig "capabilities" "add" list $context -}}
{{- range $name, $wanted := (.role.spec.fabric.capabilities | default dict) -}}{{- if $wanted -}}{{- $add = append $add $name -}}{{- end -}}{{- end -}}
{{- if $add -}}
{{- $capabilities := get $context "capabilities" | default dict -}}
{{- $_ := set $capabilities "add" (uniq $add) -}}
{{- $_ := set $context "capabilities" $capabilities -}}
{{- end -}}
{{- toJson $context -}}
{{- end -}}
