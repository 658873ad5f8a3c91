{{/*
Data parallelism with a server for every rank or every pod (role.serves; see modelserver.role).

modelserver.rankFlags    (dict "ctx" $ "role" $role)   JSON list of flags; empty where the engine splits requests itself.
modelserver.rankWords    same argument. JSON list of shell words for what depends on the pod's index in its group:
                         Kubernetes substitutes $(NAME) in arguments but cannot count.
modelserver.commandLine  (dict "ctx" $ "role" $role "worker" false)   JSON {command, args}. Where there are words, a shell
                         adds them and becomes the engine (exec), so that signals reach it.
modelserver.rankProblems (dict "ctx" $ "role" $role)   JSON list of contradictions.
Sources: https://docs.vllm.ai/en/v0.23.0/serving/data_parallel_deployment/, the supervisor of vLLM
(https://github.com/vllm-project/vllm/pull/40841), and for the port of KV cache events, to which vLLM adds a rank's number
in the whole group, vllm/distributed/kv_events.py.
*/}}
{{- define "modelserver.rankFlags" -}}
{{- $role := .role -}}
{{- $settings := .ctx.Values.engine.dataParallel -}}
{{- $flags := $settings.flags -}}
{{- $out := list -}}
{{- if $role.serves -}}
{{- $facts := list (list $flags.local (int $role.localRanks)) -}}
{{- if $role.ranked -}}
{{- $facts = append $facts (list $flags.address "$(LWS_LEADER_ADDRESS)") -}}
{{- $facts = append $facts (list $flags.rpcPort (int $settings.rpcPort)) -}}
{{- else -}}
{{- $facts = append $facts (list $flags.startRank 0) -}}
{{- end -}}
{{- if eq $role.serves "external" -}}
{{- $facts = append $facts (list $flags.supervisorPort (int $settings.supervisorPort)) -}}
{{- end -}}
{{- range $fact := $facts -}}
{{- if index $fact 0 -}}{{- $out = append $out (printf "%s=%v" (index $fact 0) (index $fact 1)) -}}{{- end -}}
{{- end -}}
{{- with get $flags $role.serves -}}{{- $out = append $out . -}}{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- define "modelserver.rankWords" -}}
{{- $out := list -}}
{{- if .role.ranked -}}
{{- $first := printf "LWS_WORKER_INDEX * %d" (int .role.localRanks) -}}
{{- with .ctx.Values.engine.dataParallel.flags.startRank -}}
{{- $out = append $out (printf "%s=\"$((%s))\"" . $first) -}}
{{- end -}}
{{- $events := include "modelserver.kvEvents" . -}}
{{- if and $events .ctx.Values.engine.flags.kvEvents -}}
{{- /* Every pod then has its ranks' events on the same ports, where the endpoint picker expects them. */ -}}
{{- $port := int .ctx.Values.global.llmd.ports.kvEvents -}}
{{- /* In single quotes, out of which only the port is taken: whatever a name holds, the shell reads none of it. */ -}}
{{- $text := $events | replace "'" "'\\''" | replace (printf "//*:%d\"" $port) (printf "//*:'\"$((%d - %s))\"'\"" $port $first) -}}
{{- $out = append $out (printf "%s='%s'" .ctx.Values.engine.flags.kvEvents $text) -}}
{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- define "modelserver.commandLine" -}}
{{- $command := .ctx.Values.engine.command -}}
{{- $args := include "modelserver.arguments" . | fromJsonArray -}}
{{- $words := include "modelserver.rankWords" . | fromJsonArray -}}
{{- if $words -}}
{{- toJson (dict
      "command" (list "/bin/sh" "-c" (printf "exec \"$@\" %s" (join " " $words)) "engine")
      "args" (concat $command $args)) -}}
{{- else -}}
{{- toJson (dict "command" $command "args" $args) -}}
{{- end -}}
{{- end -}}

{{- define "modelserver.rankProblems" -}}
{{- $problems := list -}}
{{- $role := .role -}}
{{- $root := .ctx.Values -}}
{{- $path := printf "roles.%s" $role.role -}}
{{- $settings := $root.engine.dataParallel -}}
{{- $nodes := int $role.nodes -}}
{{- $data := int $role.spec.parallelism.data -}}
{{- if and $root.global.llmd.dataParallelHybrid (gt $nodes 1) (or (eq $data 1) (gt (mod $data $nodes) 0)) -}}
{{- $problems = append $problems (dict "path" (printf "%s.parallelism.data" $path) "message" (printf "global.llmd.dataParallelHybrid routes to each of the %d pods, so each needs ranks of its own: make data a multiple of nodes, not %d" $nodes $data)) -}}
{{- end -}}
{{- if and (eq $role.serves "hybrid") $root.global.llmd.kvEvents.enabled (gt (int $role.localRanks) 1) -}}
{{- $problems = append $problems (dict "path" "global.llmd.dataParallelHybrid" "message" (printf "the endpoint picker would hear the KV cache events of one of the %d ranks of a %s pod only; set global.llmd.dataParallelLocal to %d instead, which gives each rank an endpoint" (int $role.localRanks) $role.role (int $role.localRanks))) -}}
{{- end -}}
{{- if and $role.serves (not $role.spec.command) -}}
{{- $why := eq $role.serves "external" | ternary "global.llmd.dataParallelLocal asks for a server for every rank" "global.llmd.dataParallelHybrid asks for a server in every pod" -}}
{{- $needs := list $role.serves "local" -}}
{{- if $role.ranked -}}{{- $needs = concat $needs (list "address" "rpcPort" "startRank") -}}{{- end -}}
{{- range $name := $needs -}}
{{- if not (get $settings.flags $name) -}}
{{- $problems = append $problems (dict "path" (printf "engine.dataParallel.flags.%s" $name) "message" (printf "the engine has no such flag, and the role %s needs it: %s" $role.role $why)) -}}
{{- end -}}
{{- end -}}
{{- range $fact, $flag := $settings.flags -}}
{{- $bare := $flag | default "" | trimPrefix "-" | trimPrefix "-" -}}
{{- range $name := list $bare (replace "-" "_" $bare) | uniq -}}
{{- if and $name (hasKey ($role.spec.args | default dict) $name) -}}
{{- $problems = append $problems (dict "path" (printf "%s.args.%s" $path $name) "message" (printf "the chart sets this flag itself (engine.dataParallel.flags.%s); change the value it comes from" $fact)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq $role.serves "external" -}}
{{- $supervisor := int $settings.supervisorPort -}}
{{- $first := int $role.enginePort -}}
{{- $last := add $first (sub (int $role.endpoints) 1) | int -}}
{{- if and (ge $supervisor $first) (le $supervisor $last) -}}
{{- $problems = append $problems (dict "path" "engine.dataParallel.supervisorPort" "message" (printf "%d is the port of a rank of %s (%d to %d)" $supervisor $role.role $first $last)) -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}
