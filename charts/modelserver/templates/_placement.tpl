{{/*
Where the pods of a replica stand, and which further networks they get.

modelserver.slice        (dict "ctx" $ "role" $role)   JSON {name, hosts} of the slice that fits the replica, or {}.
modelserver.nodeSelector (dict "ctx" $ "role" $role)   JSON map: the role's, with the slice's topology.
modelserver.affinity     (dict "ctx" $ "role" $role)   JSON: the role's; in an NVLink domain also that all pods of the release stand
                         in one, because IMEX reaches no further (nvidia.com/gpu.clique, by GPU feature discovery).
modelserver.placementAnnotations (dict "role" $role)   JSON map of pod annotations: Kueue's topology, Multus' networks.
modelserver.workloadAnnotations  (dict "role" $role)   JSON map of the workload's own annotations.
modelserver.plainNetwork .   "true" or "": prefill and decode on GPUs, and one of them asks for no device of a fast network.
modelserver.placementProblems    (dict "ctx" $ "role" $role)   JSON list of contradictions.
Sources: https://kueue.sigs.k8s.io/docs/concepts/topology_aware_scheduling/,
https://lws.sigs.k8s.io/docs/concepts/ (exclusive placement),
https://github.com/k8snetworkplumbingwg/multus-cni/blob/master/docs/how-to-use.md,
https://cloud.google.com/kubernetes-engine/docs/concepts/tpus (a node pool holds slices of one topology).
*/}}
{{- define "modelserver.slice" -}}
{{- $accelerator := .role.spec.accelerator -}}
{{- $slice := dict -}}
{{- if and $accelerator.topologyLabel $accelerator.topologies -}}
{{- $slice = get $accelerator.topologies (mul (int .role.units) (int .role.nodes) | toString) | default dict -}}
{{- end -}}
{{- toJson $slice -}}
{{- end -}}

{{- define "modelserver.nodeSelector" -}}
{{- $labels := dict -}}
{{- with (include "modelserver.slice" . | fromJson).name -}}{{- $_ := set $labels $.role.spec.accelerator.topologyLabel . -}}{{- end -}}
{{- toJson (mergeOverwrite $labels (.role.spec.nodeSelector | default dict)) -}}
{{- end -}}

{{- define "modelserver.affinity" -}}
{{- $affinity := deepCopy (.role.spec.affinity | default dict) -}}
{{- if .role.spec.fabric.computeDomain -}}
{{- $term := dict "topologyKey" "nvidia.com/gpu.clique" "labelSelector" (dict "matchLabels" (include "llmd.selectorLabels" (dict "ctx" .ctx) | fromYaml)) -}}
{{- $pods := get $affinity "podAffinity" | default dict -}}
{{- $_ := set $pods "requiredDuringSchedulingIgnoredDuringExecution" (append (get $pods "requiredDuringSchedulingIgnoredDuringExecution" | default list) $term) -}}
{{- $_ := set $affinity "podAffinity" $pods -}}
{{- end -}}
{{- toJson $affinity -}}
{{- end -}}

{{- define "modelserver.placementAnnotations" -}}
{{- $placement := .role.spec.placement -}}
{{- $out := dict -}}
{{- with $placement.requiredTopology -}}{{- $_ := set $out "kueue.x-k8s.io/podset-required-topology" . -}}{{- end -}}
{{- with $placement.preferredTopology -}}{{- $_ := set $out "kueue.x-k8s.io/podset-preferred-topology" . -}}{{- end -}}
{{- with $placement.podsetGroup -}}{{- $_ := set $out "kueue.x-k8s.io/podset-group-name" . -}}{{- end -}}
{{- $networks := list -}}
{{- range $name, $network := (.role.spec.fabric.networks | default dict) -}}
{{- range until ($network.perAccelerator | default false | ternary (int $.role.accelerators) 1) -}}
{{- $networks = append $networks (printf "%s@net%d" $network.network (add 1 (len $networks))) -}}
{{- end -}}
{{- end -}}
{{- if $networks -}}{{- $_ := set $out "k8s.v1.cni.cncf.io/networks" (join "," $networks) -}}{{- end -}}
{{- range $key, $value := (.role.spec.podAnnotations | default dict) -}}{{- $_ := set $out $key (include "llmd.scalar" $value) -}}{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- define "modelserver.workloadAnnotations" -}}
{{- $out := dict -}}
{{- with .role.spec.placement.exclusiveTopology -}}{{- $_ := set $out "leaderworkerset.sigs.k8s.io/exclusive-topology" . -}}{{- end -}}
{{- range $key, $value := (.role.spec.workloadAnnotations | default dict) -}}{{- $_ := set $out $key (include "llmd.scalar" $value) -}}{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- define "modelserver.placementProblems" -}}
{{- $problems := list -}}
{{- $role := .role -}}
{{- $path := printf "roles.%s" $role.role -}}
{{- $placement := $role.spec.placement -}}
{{- $accelerator := $role.spec.accelerator -}}
{{- if and $placement.exclusiveTopology (ne $role.workload "LeaderWorkerSet") -}}
{{- $problems = append $problems (dict "path" (printf "%s.placement.exclusiveTopology" $path) "message" (printf "only a LeaderWorkerSet has exclusive placement: set global.llmd.roles.%s.workload" $role.role)) -}}
{{- end -}}
{{- if and $placement.requiredTopology $placement.preferredTopology -}}
{{- $problems = append $problems (dict "path" (printf "%s.placement.preferredTopology" $path) "message" "Kueue takes either a required or a preferred topology; remove one") -}}
{{- end -}}
{{- if and $placement.podsetGroup (not $placement.requiredTopology) (not $placement.preferredTopology) -}}
{{- $problems = append $problems (dict "path" (printf "%s.placement.podsetGroup" $path) "message" "says which pods go together, but not how close: set requiredTopology or preferredTopology") -}}
{{- end -}}
{{- $perUnit := int $accelerator.devicesPerUnit -}}
{{- if gt (mod (int $role.accelerators) $perUnit) 0 -}}
{{- $problems = append $problems (dict "path" (printf "%s.parallelism" $path) "message" (printf "a pod would use %d devices, but they come %d to a unit of %s" (int $role.accelerators) $perUnit $accelerator.resource)) -}}
{{- else if and $accelerator.topologyLabel $accelerator.topologies -}}
{{- $units := mul (int $role.units) (int $role.nodes) | int -}}
{{- $slice := include "modelserver.slice" . | fromJson -}}
{{- if not $slice -}}
{{- $known := list -}}{{- range $count := keys $accelerator.topologies -}}{{- $known = append $known (int $count) -}}{{- end -}}
{{- $sorted := list -}}{{- range until 10000 -}}{{- if and (lt (len $sorted) (len $known)) (has . $known) -}}{{- $sorted = append $sorted . -}}{{- end -}}{{- end -}}
{{- $problems = append $problems (dict "path" (printf "%s.parallelism" $path) "message" (printf "a replica of %d chips is no slice; there are slices of %s" $units (join ", " $sorted))) -}}
{{- else if ne (int $slice.hosts) (int $role.nodes) -}}
{{- $problems = append $problems (dict "path" (printf "%s.nodes" $path) "message" (printf "the slice %s of %d chips spans %d hosts, so it is %d, not %d" $slice.name $units (int $slice.hosts) (int $slice.hosts) (int $role.nodes))) -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "modelserver.plainNetwork" -}}
{{- $plain := "" -}}
{{- if include "llmd.disaggregated" . -}}
{{- include "modelserver.knowRoles" . -}}
{{- range pick (get .Values "memo roles") "prefill" "decode" -}}
{{- $spec := .spec -}}
{{- $fabric := $spec.fabric -}}
{{- /* TPUs have no such devices: their hosts hand the KV cache over. */ -}}
{{- if and $spec.accelerator.resource (not $spec.accelerator.topologyLabel) (not (or $fabric.resources $fabric.resourcesPerAccelerator $fabric.networks $fabric.computeDomain $spec.claims)) -}}
{{- if not (hasKey ($spec.podAnnotations | default dict) "networking.gke.io/interfaces") -}}{{- $plain = "true" -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $plain -}}
{{- end -}}
