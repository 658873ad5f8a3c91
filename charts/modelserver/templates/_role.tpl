{{/*
modelserver.knowRoles   .   works out what every role is, once a render, and leaves it in the chart's own values: get .Values
                   "memo roles" is then a map role -> as below. A map, because reading JSON again in every template takes
                   longer than all else they do. Read it only; copy what is changed.
modelserver.role   (dict "ctx" $ "role" "decode")   JSON: what one role is.
  role, workload, autoscaled    from global.llmd.roles
  spec            roleDefaults with roles.<role> merged over it
  accelerators    per pod, as the engine sees them: tensor * pipeline * data / nodes
  units           the same in units of the accelerator's resource
  nodes           pods of one replica
  sidecar         whether the routing sidecar stands before the engine
  serves          who serves where data parallelism spans pods or ports: external (every rank), hybrid (every pod), ""
  localRanks      data-parallel ranks in one pod, where serves says so
  ranked          whether the number of a pod's first rank follows from its index in the group
  headless        whether only the leader of a group serves
  enginePort      number of the engine's (first) port; servingPort: the one that others reach
  endpoints       consecutive ports the engine listens on
  blockSize       tokens in a KV cache block: the role's, else global.llmd.blockSize; 0 is the engine's default
  preStopSeconds, engineDrainSeconds
  tier            sizes of the KV cache tier: see modelserver.tier
  ownTier         whether the volume kv-tier, where there is one, is the chart's own emptyDir
  ownCache        whether model-cache is the chart's own emptyDir
*/}}
{{- define "modelserver.knowRoles" -}}
{{- if not (hasKey .Values "memo roles") -}}
{{- $roles := dict -}}
{{- range $name := keys (include "llmd.roles" . | fromJson) -}}
{{- $_ := set $roles $name (include "modelserver.role" (dict "ctx" $ "role" $name) | fromJson) -}}
{{- end -}}
{{- $_ := set .Values "memo roles" $roles -}}
{{- end -}}
{{- end -}}

{{- define "modelserver.role" -}}
{{- $root := .ctx.Values -}}
{{- $spec := mergeOverwrite (deepCopy $root.roleDefaults) (deepCopy ((get $root.roles .role) | default dict)) -}}
{{- /* A null in a patch is an instruction, not an absence. */ -}}
{{- $patches := deepCopy (pick $spec "podPatch" "containerPatch") -}}
{{- include "llmd.prune" $spec -}}
{{- /* An encoder has no KV cache, so what the defaults say of it is for the other roles. */ -}}
{{- if eq .role "encode" -}}
{{- $_ := unset $spec "kvConnectors" -}}
{{- $_ := set $spec "kvTier" (mergeOverwrite $spec.kvTier (dict "inShm" false "shared" false)) -}}
{{- $_ := unset $spec.kvTier "settings" -}}
{{- end -}}
{{- $spec = merge $patches $spec -}}
{{- $facts := get (include "llmd.roles" .ctx | fromJson) .role -}}
{{- $split := $spec.parallelism -}}
{{- $nodes := int $spec.nodes -}}
{{- $product := mul (int $split.tensor) (int $split.pipeline) (int $split.data) -}}
{{- $sidecar := eq (include "llmd.enginePort" .) "engine" -}}
{{- $endpoints := int $root.global.llmd.dataParallelLocal -}}
{{- $serves := "" -}}
{{- if gt $endpoints 1 -}}{{- $serves = "external" -}}
{{- else if and $root.global.llmd.dataParallelHybrid (gt $nodes 1) (gt (int $split.data) 1) -}}{{- $serves = "hybrid" -}}
{{- end -}}
{{- $devices := div $product (max 1 $nodes) -}}
{{- $perUnit := int (max 1 (int (dig "accelerator" "devicesPerUnit" 1 $spec))) -}}
{{- $blockSize := int (gt (int $spec.blockSize) 0 | ternary $spec.blockSize $root.global.llmd.blockSize) -}}
{{- $tier := include "modelserver.tier" (dict "spec" $spec "accelerators" $devices "nodes" $nodes "blockSize" $blockSize) | fromJson -}}
{{- $spec = mergeOverwrite $spec $tier.patch -}}
{{- $drain := int $spec.drainSeconds -}}
{{- /* A command line of the user's own does not get the drain flag. */ -}}
{{- $drains := or $root.engine.drainsItself (and $root.engine.flags.drain (not $spec.command)) -}}
{{- $preStop := $drains | empty | not | ternary (min 15 (div $drain 4)) (max 5 (sub $drain 10)) -}}
{{- toJson (dict
      "role" .role
      "workload" $facts.workload
      "autoscaled" $facts.autoscaled
      "spec" $spec
      "product" $product
      "accelerators" $devices
      "units" (div (add $devices (sub $perUnit 1)) $perUnit)
      "serves" $serves
      "localRanks" (div (int $split.data) (max 1 $nodes))
      "ranked" (and (ne $serves "") (gt $nodes 1))
      "nodes" $nodes
      "sidecar" $sidecar
      "headless" (and (gt $nodes 1) (eq $serves ""))
      "endpoints" $endpoints
      "servingPort" (int $root.global.llmd.ports.serving)
      "enginePort" (int ($sidecar | ternary $root.global.llmd.ports.engine $root.global.llmd.ports.serving))
      "blockSize" $blockSize
      "preStopSeconds" $preStop
      "engineDrainSeconds" (max 1 (sub $drain (add $preStop 5)))
      "tier" (omit $tier "patch")
      "ownTier" (not (hasKey ($spec.volumes | default dict) "kv-tier"))
      "ownCache" (and (eq $root.model.source "hf") (not (hasKey ($spec.volumes | default dict) "model-cache")))) -}}
{{- end -}}
