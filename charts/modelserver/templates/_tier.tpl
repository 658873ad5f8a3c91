{{/*
A tier of the KV cache in main memory or on disk. Its size is stated once, in roleDefaults.kvTier; the engine is told in
the words it knows (kvTier.settings), and the pod asks for the same bytes.

modelserver.tier         (dict "spec" $spec "accelerators" 2 "nodes" 1 "blockSize" 64)   JSON:
  cpuBytes, diskBytes    of one pod; 0 where no setting of the role uses them
  patch                  {args, env, kvConnectors, files}: the sizes as the engine reads them
  given                  list of paths below the role that state a size themselves
  empty                  list of settings whose size is nothing
modelserver.tierMemory   (dict "role" $role "amount" "96Gi")   a quantity of memory with the tier's bytes added
modelserver.tierDiskBytes  (dict "role" $role)   room for the tier's files: its bytes and a tenth, since a cache that
                         evicts writes before it removes, and the kubelet evicts a pod that exceeds an emptyDir's limit
modelserver.bytes        "96Gi"   a Kubernetes quantity as bytes
modelserver.storeAddress (dict "ctx" $ "role" $role)   host:port of the store that all model servers share, or nothing
modelserver.tierProblems (dict "ctx" $ "role" $role)   JSON list of {path, message}
*/}}
{{- define "modelserver.tier" -}}
{{- $in := . -}}
{{- $spec := .spec -}}
{{- $tier := $spec.kvTier -}}
{{- $count := max 1 (int $in.accelerators) -}}
{{- $have := dict
      "cpu" (gt (int64 $tier.cpuBytes) 0 | ternary $tier.cpuBytes (mul (int64 $tier.cpuBytesPerAccelerator) $count))
      "disk" (gt (int64 $tier.diskBytes) 0 | ternary $tier.diskBytes (mul (int64 $tier.diskBytesPerAccelerator) $count)) -}}
{{- $used := dict "cpu" 0 "disk" 0 -}}
{{- $patch := dict "args" dict "env" dict "kvConnectors" dict "files" dict -}}
{{- $given := list -}}{{- $empty := list -}}
{{- range $name, $setting := ($tier.settings | default dict) -}}
{{- $connectors := $spec.kvConnectors | default dict -}}
{{- if or (not $setting.connector) (hasKey $connectors ($setting.connector | default "-")) -}}
{{- $pod := int64 (get $have $setting.of) -}}
{{- $_ := set $used $setting.of $pod -}}
{{- $bytes := $pod -}}
{{- if eq $setting.per "rank" -}}{{- $bytes = div $pod (max 1 (int $in.accelerators)) -}}
{{- else if eq $setting.per "engine" -}}{{- $bytes = div (mul $pod (int $in.nodes)) (max 1 (int $spec.parallelism.data)) -}}
{{- end -}}
{{- $bytes = div (mul $bytes (int64 ($setting.percent | default 100))) 100 -}}
{{- $unit := int64 ($setting.unitBytes | default 1) -}}
{{- if $setting.unitBlocks -}}{{- $unit = mul (int64 $setting.unitBlocks) (int64 $in.blockSize) (int64 $tier.bytesPerToken) -}}{{- end -}}
{{- $amount := gt $unit 0 | ternary (div $bytes (max 1 $unit)) 0 -}}
{{- if le $amount 0 -}}{{- $empty = append $empty $name -}}{{- end -}}
{{- if $setting.arg -}}
{{- if hasKey ($spec.args | default dict) $setting.arg -}}{{- $given = append $given (printf "args.%s" $setting.arg) -}}{{- end -}}
{{- $_ := set $patch.args $setting.arg $amount -}}
{{- end -}}
{{- if $setting.env -}}
{{- if hasKey ($spec.env | default dict) $setting.env -}}{{- $given = append $given (printf "env.%s" $setting.env) -}}{{- end -}}
{{- $_ := set $patch.env $setting.env $amount -}}
{{- end -}}
{{- if and $setting.file $setting.key -}}
{{- if hasKey (get ($spec.files | default dict) $setting.file | default dict) $setting.key -}}{{- $given = append $given (printf "files.%s.%s" $setting.file $setting.key) -}}{{- end -}}
{{- $_ := set $patch.files $setting.file (dict $setting.key $amount) -}}
{{- else if and $setting.connector $setting.key -}}
{{- $extra := dig "kv_connector_extra_config" dict (get $connectors $setting.connector) -}}
{{- if hasKey $extra $setting.key -}}{{- $given = append $given (printf "kvConnectors.%s.kv_connector_extra_config.%s" $setting.connector $setting.key) -}}{{- end -}}
{{- $_ := set $patch.kvConnectors $setting.connector (dict "kv_connector_extra_config" (dict $setting.key $amount)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "cpuBytes" $used.cpu "diskBytes" $used.disk "patch" $patch "given" $given "empty" $empty) -}}
{{- end -}}

{{- define "modelserver.bytes" -}}
{{- $text := include "llmd.scalar" . -}}
{{- $unit := regexFind "[A-Za-z]*$" $text -}}
{{- $factors := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf (float64 (trimSuffix $unit $text)) (get $factors $unit | default 1) | int64 -}}
{{- end -}}

{{- define "modelserver.tierMemory" -}}
{{- $tier := int64 .role.tier.cpuBytes -}}
{{- if gt $tier 0 -}}
{{- include "llmd.quantity" (add (include "modelserver.bytes" .amount | int64) $tier) -}}
{{- else -}}
{{- .amount -}}
{{- end -}}
{{- end -}}

{{- define "modelserver.tierDiskBytes" -}}
{{- $bytes := int64 .role.tier.diskBytes -}}
{{- add $bytes (div $bytes 10) -}}
{{- end -}}

{{- define "modelserver.storeAddress" -}}
{{- if .role.spec.kvTier.shared -}}
{{- .role.spec.kvTier.storeAddress | default (printf "%s.%s.svc:%d" (include "llmd.componentName" (dict "ctx" .ctx "component" "kv-store")) .ctx.Release.Namespace (int .ctx.Values.global.llmd.ports.kvStore)) -}}
{{- end -}}
{{- end -}}

{{- define "modelserver.tierProblems" -}}
{{- $problems := list -}}
{{- $role := .role -}}
{{- $path := printf "roles.%s" $role.role -}}
{{- $tier := $role.tier -}}
{{- range $tier.empty -}}
{{- $setting := get $role.spec.kvTier.settings . -}}
{{- $of := $setting.of -}}
{{- if and $setting.unitBlocks (or (eq (int $role.blockSize) 0) (eq (int64 $role.spec.kvTier.bytesPerToken) 0)) -}}
{{- $problems = append $problems (dict "path" (printf "%s.kvTier.bytesPerToken" $path) "message" (printf "the setting %s counts blocks, so it needs this and global.llmd.blockSize" .)) -}}
{{- else -}}
{{- $problems = append $problems (dict "path" (printf "%s.kvTier.%sBytesPerAccelerator" $path $of) "message" (printf "the setting %s needs a size: the bytes of %s that go to it for each accelerator" . (eq $of "cpu" | ternary "main memory" "disk"))) -}}
{{- end -}}
{{- end -}}
{{- range $tier.given -}}
{{- $problems = append $problems (dict "path" (printf "%s.%s" $path .) "message" "the chart sets this size itself, from kvTier, so that the pod asks for the same bytes; change it there") -}}
{{- end -}}
{{- $request := dig "requests" "memory" "" ($role.spec.resources | default dict) -}}
{{- if gt (int64 $tier.cpuBytes) 0 -}}
{{- if not $request -}}
{{- $problems = append $problems (dict "path" (printf "%s.resources.requests.memory" $path) "message" (printf "say what the engine needs beside the %s of KV cache in main memory, which are added to it" (include "llmd.quantity" $tier.cpuBytes))) -}}
{{- else -}}
{{- $node := int64 .ctx.Values.sizing.nodeMemoryBytes -}}
{{- $sum := add (include "modelserver.bytes" $request | int64) (int64 $tier.cpuBytes) -}}
{{- if and (gt $node 0) (gt $sum $node) -}}
{{- $problems = append $problems (dict "path" (printf "%s.kvTier" $path) "message" (printf "the pod would ask for %s of memory (%s and %s for the tier), a node has %s" (include "llmd.quantity" $sum) $request (include "llmd.quantity" $tier.cpuBytes) (include "llmd.quantity" $node))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}
