{{/*
modelserver.validate   .   Stops with every contradiction in the values at once, each by its path.
*/}}
{{- define "modelserver.validate" -}}
{{- $problems := concat
      (include "modelserver.releaseProblems" . | fromJsonArray)
      (include "modelserver.modelProblems" . | fromJsonArray)
      (include "modelserver.loraProblems" . | fromJsonArray) -}}
{{- include "modelserver.knowRoles" . -}}
{{- range $role := get .Values "memo roles" -}}
{{- $problems = concat $problems
      (include "modelserver.sizeProblems" (dict "ctx" $ "role" $role) | fromJsonArray)
      (include "modelserver.rankProblems" (dict "ctx" $ "role" $role) | fromJsonArray)
      (include "modelserver.placementProblems" (dict "ctx" $ "role" $role) | fromJsonArray)
      (include "modelserver.flagProblems" (dict "ctx" $ "role" $role) | fromJsonArray)
      (include "modelserver.kvProblems" (dict "ctx" $ "role" $role) | fromJsonArray)
      (include "modelserver.tierProblems" (dict "ctx" $ "role" $role) | fromJsonArray) -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" . "problems" $problems) -}}
{{- end -}}

{{/* Roles, ports and names that do not go together. */}}
{{- define "modelserver.releaseProblems" -}}
{{- $problems := list -}}
{{- $roles := include "llmd.roles" . | fromJson -}}
{{- if not $roles -}}
{{- $problems = append $problems (dict "path" "global.llmd.roles" "message" "name the roles, for example {aggregate: {}} or {prefill: {}, decode: {}}") -}}
{{- end -}}
{{- if and (hasKey $roles "prefill") (not (hasKey $roles "decode")) -}}
{{- $problems = append $problems (dict "path" "global.llmd.roles.prefill" "message" "prefill hands its work to decode: add the role decode, or use aggregate alone") -}}
{{- end -}}
{{- if and (hasKey $roles "encode") (eq (toString .Values.global.llmd.eppVersion) "0.7") (eq .Values.routingSidecar.encoder "ec-nixl") -}}
{{- $problems = append $problems (dict "path" "routingSidecar.encoder" "message" "is ec-nixl, which the routing sidecar has from 0.9 on (global.llmd.eppVersion)") -}}
{{- end -}}
{{- if and (hasKey $roles "decode") (not (hasKey $roles "prefill")) (not (hasKey $roles "encode")) -}}
{{- $problems = append $problems (dict "path" "global.llmd.roles.decode" "message" "decode gets its work from prefill: add the role prefill, or use aggregate alone") -}}
{{- end -}}
{{- if and (hasKey $roles "aggregate") (or (hasKey $roles "prefill") (hasKey $roles "decode")) -}}
{{- $problems = append $problems (dict "path" "global.llmd.roles.aggregate" "message" "aggregate pods do both prefill and decode and cannot stand beside those roles; remove it (null) or them") -}}
{{- end -}}
{{- if and (hasKey $roles "encode") (eq (len $roles) 1) -}}
{{- $problems = append $problems (dict "path" "global.llmd.roles.encode" "message" "encode only prepares media: add decode, which then prefills too, or prefill and decode") -}}
{{- end -}}
{{- range $role, $override := .Values.roles -}}
{{- if and (not (kindIs "invalid" $override)) (not (hasKey $roles $role)) -}}
{{- $problems = append $problems (dict "path" (printf "roles.%s" $role) "message" (printf "there is no such role in global.llmd.roles (%s)" (keys $roles | sortAlpha | join ", "))) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.global.llmd.dataParallelHybrid (gt (int .Values.global.llmd.dataParallelLocal) 1) -}}
{{- $problems = append $problems (dict "path" "global.llmd.dataParallelLocal" "message" (printf "%d endpoints a pod, but with global.llmd.dataParallelHybrid a pod serves on one port: the pool would route to %d ports that nobody listens on; set it to 1" (int .Values.global.llmd.dataParallelLocal) (sub (int .Values.global.llmd.dataParallelLocal) 1))) -}}
{{- end -}}
{{- $taken := dict -}}
{{- $ports := .Values.global.llmd.ports -}}
{{- $endpoints := int .Values.global.llmd.dataParallelLocal -}}
{{- range $name := ternary (list "serving" "engine" "kvTransfer" "bootstrap") (list "serving") (ne "" (include "llmd.disaggregated" .)) -}}
{{- range $offset := until (has $name (list "serving" "engine") | ternary $endpoints 1 | int) -}}
{{- $port := add (int (get $ports $name)) $offset | toString -}}
{{- if hasKey $taken $port -}}
{{- $problems = append $problems (dict "path" (printf "global.llmd.ports.%s" $name) "message" (printf "port %s is taken by ports.%s" $port (get $taken $port))) -}}
{{- end -}}
{{- $_ := set $taken $port $name -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{/* The model, where it comes from, and the model that the sizes were worked out for. */}}
{{- define "modelserver.modelProblems" -}}
{{- $problems := list -}}
{{- $values := .Values -}}
{{- $id := $values.global.llmd.model.id -}}
{{- if not $id -}}
{{- $problems = append $problems (dict "path" "global.llmd.model.id" "message" "name the model to serve, for example \"Qwen/Qwen3-32B\"") -}}
{{- end -}}
{{- if and $id $values.sizing.model (ne $id $values.sizing.model) -}}
{{- $problems = append $problems (dict "path" "sizing.model" "message" (printf "the sizes are those of %s, but global.llmd.model.id is %s; compose the values again for that model, or set every key of sizing" $values.sizing.model $id)) -}}
{{- end -}}
{{- $source := $values.model.source -}}
{{- $cache := int64 $values.sizing.cacheBytes -}}
{{- if and (eq $source "hf") (gt $cache 0) (lt $cache (int64 $values.sizing.weightBytes)) -}}
{{- $problems = append $problems (dict "path" "sizing.cacheBytes" "message" (printf "%d bytes cannot hold the %d bytes of weights (sizing.weightBytes)" $cache (int64 $values.sizing.weightBytes))) -}}
{{- end -}}
{{- if and (eq $source "pvc") (not $values.model.pvc.claimName) -}}
{{- $problems = append $problems (dict "path" "model.pvc.claimName" "message" "name the claim that holds the model (model.source is pvc)") -}}
{{- end -}}
{{- if and (eq $source "oci") (not $values.model.oci.image) -}}
{{- $problems = append $problems (dict "path" "model.oci.image" "message" "name the image that holds the model (model.source is oci)") -}}
{{- end -}}
{{- if and (eq $source "path") (not $values.model.path) -}}
{{- $problems = append $problems (dict "path" "model.path" "message" "name the directory of the model (model.source is path)") -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{/* Parallelism against the model, the node and the workload. */}}
{{- define "modelserver.sizeProblems" -}}
{{- $problems := list -}}
{{- $role := .role -}}
{{- $path := printf "roles.%s" $role.role -}}
{{- $spec := $role.spec -}}
{{- $sizing := .ctx.Values.sizing -}}
{{- $nodes := int $role.nodes -}}
{{- $tensor := int $spec.parallelism.tensor -}}
{{- $heads := int $sizing.attentionHeads -}}
{{- if and (gt $heads 0) (gt (mod $heads $tensor) 0) -}}
{{- $problems = append $problems (dict "path" (printf "%s.parallelism.tensor" $path) "message" (printf "%d does not divide the %d attention heads of %s" $tensor $heads .ctx.Values.global.llmd.model.id)) -}}
{{- end -}}
{{- if and (gt $nodes 1) (ne $role.workload "LeaderWorkerSet") -}}
{{- $problems = append $problems (dict "path" (printf "%s.nodes" $path) "message" (printf "%d pods make one replica only in a LeaderWorkerSet: set global.llmd.roles.%s.workload" $nodes $role.role)) -}}
{{- end -}}
{{- if gt (mod (int $role.product) $nodes) 0 -}}
{{- $problems = append $problems (dict "path" (printf "%s.nodes" $path) "message" (printf "tensor * pipeline * data = %d accelerators do not split evenly over %d pods" (int $role.product) $nodes)) -}}
{{- else if and (gt (int $sizing.acceleratorsPerNode) 0) (gt (int $role.accelerators) (int $sizing.acceleratorsPerNode)) -}}
{{- $problems = append $problems (dict "path" (printf "%s.parallelism" $path) "message" (printf "a pod would need %d accelerators, a node has %d" (int $role.accelerators) (int $sizing.acceleratorsPerNode))) -}}
{{- end -}}
{{- $endpoints := int $role.endpoints -}}
{{- if and (gt $endpoints 1) (ne (mul $endpoints $nodes) (int $spec.parallelism.data)) -}}
{{- $problems = append $problems (dict "path" (printf "%s.parallelism.data" $path) "message" (printf "global.llmd.dataParallelLocal promises %d endpoints in each of %d pods, that is data: %d, not %d" $endpoints $nodes (mul $endpoints $nodes) (int $spec.parallelism.data))) -}}
{{- end -}}
{{- $resource := $spec.accelerator.resource -}}
{{- range $kind := list "requests" "limits" -}}
{{- $given := get (get ($spec.resources | default dict) $kind | default dict) ($resource | default "-") -}}
{{- if and $given (ne (include "llmd.scalar" $given) (toString (int $role.units))) -}}
{{- $problems = append $problems (dict "path" (printf "%s.resources.%s[%s]" $path $kind $resource) "message" (printf "is computed from parallelism and nodes (%d); change those, or remove it" (int $role.units))) -}}
{{- end -}}
{{- end -}}
{{- if and (eq (toString $spec.strategy.maxUnavailable | trimSuffix "%") "0") (eq (toString $spec.strategy.maxSurge | trimSuffix "%") "0") -}}
{{- $problems = append $problems (dict "path" (printf "%s.strategy" $path) "message" "maxUnavailable and maxSurge cannot both be 0: no rollout could ever move") -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{/* Values that need a flag the engine does not have, and flags that the chart computes itself. */}}
{{- define "modelserver.flagProblems" -}}
{{- $problems := list -}}
{{- $role := .role -}}
{{- $path := printf "roles.%s" $role.role -}}
{{- $spec := $role.spec -}}
{{- $engine := .ctx.Values.engine -}}
{{- if not (or $spec.command $engine.command) -}}
{{- $problems = append $problems (dict "path" (printf "%s.command" $path) "message" "name the program: there is no engine.command to compose a command line from") -}}
{{- end -}}
{{- if not $spec.command -}}
{{- $needs := dict
      "parallelism.tensor" (list "tensor" (gt (int $spec.parallelism.tensor) 1))
      "parallelism.pipeline" (list "pipeline" (gt (int $spec.parallelism.pipeline) 1))
      "parallelism.data" (list "data" (gt (int $spec.parallelism.data) 1))
      "parallelism.expert" (list "expert" $spec.parallelism.expert)
      "blockSize" (list "blockSize" (gt (int $role.blockSize) 0))
      "maxModelLen" (list "maxModelLen" (gt (int $spec.maxModelLen) 0)) -}}
{{- range $key, $need := $needs -}}
{{- $flag := get $engine.flags (index $need 0) -}}
{{- if and (eq $key "parallelism.expert") (not $flag) -}}{{- $flag = $engine.flags.expertSize -}}{{- end -}}
{{- if and (index $need 1) (not $flag) -}}
{{- $problems = append $problems (dict "path" (printf "%s.%s" $path $key) "message" (printf "the engine has no such flag (engine.flags.%s is empty)" (index $need 0))) -}}
{{- end -}}
{{- end -}}
{{- range $fact, $flag := $engine.flags -}}
{{- $bare := $flag | default "" | trimPrefix "-" | trimPrefix "-" -}}
{{- range $name := list $bare (replace "-" "_" $bare) | uniq -}}
{{- if and $name (not (has $fact (list "drain" "revision"))) (hasKey ($spec.args | default dict) $name) -}}
{{- $problems = append $problems (dict "path" (printf "%s.args.%s" $path $name) "message" (printf "the chart sets this flag itself (engine.flags.%s); change the value it comes from" $fact)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $role.sidecar -}}
{{- range $name := list "port" "vllm-port" "model-server-port" "kv-connector" "connector" "data-parallel-size" -}}
{{- if hasKey ($.ctx.Values.routingSidecar.flags | default dict) $name -}}
{{- $problems = append $problems (dict "path" (printf "routingSidecar.flags.%s" $name) "message" "the chart sets this flag itself, from global.llmd.ports, global.llmd.dataParallelLocal and routingSidecar.connector") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $index, $volume := ($spec.extraVolumes | default list) -}}
{{- if hasKey (include "modelserver.volumes" (dict "ctx" $.ctx "role" $role) | fromJson) $volume.name -}}
{{- $problems = append $problems (dict "path" (printf "%s.extraVolumes[%d].name" $path $index) "message" (printf "there is a volume %s already; change it under %s.volumes.%s" $volume.name $path $volume.name)) -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}
