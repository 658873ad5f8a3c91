{{/*
llmd-umbrella.problems   .   JSON list of {path, message}: what no single part can see, because it takes two of them.
What follows from one part's values and the global block is checked by that part itself.
*/}}
{{- define "llmd-umbrella.problems" -}}
{{- $llmd := .Values.global.llmd -}}
{{- $roles := include "llmd.roles" . | fromJson -}}
{{- $on := dict -}}
{{- range list "gateway" "scheduler" "modelserver" "kvstore" "autoscaling" "monitoring" -}}
{{- $_ := set $on . (eq (toString (dig "enabled" false (get $.Values .))) "true") -}}
{{- end -}}
{{- $problems := list -}}

{{- if and (eq $llmd.mode "gateway") (not $on.gateway) -}}
{{- $problems = append $problems (dict "path" "gateway.enabled" "message" "must be true with global.llmd.mode gateway, or nothing routes to the pool") -}}
{{- end -}}
{{- if and (ne $llmd.mode "gateway") $on.gateway -}}
{{- $problems = append $problems (dict "path" "gateway.enabled" "message" (printf "must be false with global.llmd.mode %s, or set global.llmd.mode to gateway" $llmd.mode)) -}}
{{- end -}}
{{- if and $on.gateway .Values.gateway.route.enabled (not $on.scheduler) (not $llmd.poolName) -}}
{{- $problems = append $problems (dict "path" "global.llmd.poolName" "message" "scheduler.enabled is false, so name the InferencePool that the route leads to") -}}
{{- end -}}

{{- range $role, $spec := $roles -}}
{{- if and $spec.autoscaled $on.modelserver (not $on.autoscaling) -}}
{{- $problems = append $problems (dict "path" (printf "global.llmd.roles.%s.autoscaled" $role) "message" "needs autoscaling.enabled true; without an autoscaler nobody says how many replicas there are") -}}
{{- end -}}
{{- end -}}

{{- if and $on.scheduler $on.modelserver -}}
{{- $engine := dig "engine" dict .Values.modelserver | default dict -}}
{{- $command := get $engine "command" | default list | join " " -}}
{{- range $dialect, $program := dict "vllm" "vllm" "sglang" "sglang" "trtllm" "trtllm-serve" -}}
{{- if and (contains $program $command) (not (has $llmd.engine (list $dialect "custom"))) -}}
{{- $problems = append $problems (dict "path" "global.llmd.engine" "message" (printf "is %s, but modelserver.engine.command starts %q; the endpoint picker would read metrics that are not there (want %s)" $llmd.engine $command $dialect)) -}}
{{- end -}}
{{- end -}}
{{- $given := get $engine "metricsPath" -}}
{{- $read := include "llmd-scheduler.metricsPath" .Subcharts.scheduler -}}
{{- if and $given (ne $given $read) -}}
{{- $problems = append $problems (dict "path" "modelserver.engine.metricsPath" "message" (printf "is %s, but the endpoint picker reads %s; set scheduler.metricsPath to the same" $given $read)) -}}
{{- end -}}
{{- end -}}
{{- if $on.modelserver -}}
{{- $server := .Subcharts.modelserver.Values -}}
{{- $uses := "" -}}
{{- range $role := keys $roles | sortAlpha -}}
{{- $tier := mergeOverwrite (deepCopy $server.roleDefaults.kvTier) (deepCopy (dig $role "kvTier" dict $server.roles | default dict)) -}}
{{- if and $tier.shared (not $tier.storeAddress) -}}{{- $uses = $role -}}{{- end -}}
{{- end -}}
{{- if and $uses (not $on.kvstore) -}}
{{- $problems = append $problems (dict "path" "kvstore.enabled" "message" (printf "must be true: the KV cache tier of %s is a store that all model servers share; or name another store in modelserver.roleDefaults.kvTier.storeAddress" $uses)) -}}
{{- end -}}
{{- if and $on.kvstore (not $uses) -}}
{{- $problems = append $problems (dict "path" "kvstore.enabled" "message" "is true, but no model server uses it: modelserver.roleDefaults.kvTier.shared is false, or storeAddress names another store") -}}
{{- end -}}
{{- end -}}
{{- if and $on.gateway $on.modelserver (hasPrefix "gke" (toString .Values.gateway.provider)) .Values.gateway.gke.proxyOnlySubnets (not (dig "networkPolicy" "enabled" false .Values.modelserver)) -}}
{{- $problems = append $problems (dict "path" "gateway.gke.proxyOnlySubnets" "message" "without modelserver.networkPolicy.enabled this would be the engines' only NetworkPolicy, and lock the endpoint picker out") -}}
{{- end -}}
{{- if and $on.monitoring $on.modelserver (eq (toString .Values.monitoring.flavor) "gmp") -}}
{{- $told := .Subcharts.monitoring.Values.engines.path -}}
{{- $served := .Subcharts.modelserver.Values.engine.metricsPath -}}
{{- if ne $told $served -}}
{{- $problems = append $problems (dict "path" "monitoring.engines.path" "message" (printf "is %s, but modelserver.engine.metricsPath is %s; Google's collectors cannot read it off the pod" $told $served)) -}}
{{- end -}}
{{- end -}}
{{- if and $on.gateway $on.modelserver .Values.gateway.route.enabled .Values.gateway.modelRouting.enabled -}}
{{- $routed := include "llmd-gateway.modelNames" .Subcharts.gateway | fromJsonArray -}}
{{- range $adapter, $spec := dig "lora" "adapters" dict .Values.modelserver | default dict -}}
{{- if and (not (kindIs "invalid" $spec)) (not (has $adapter $routed)) -}}
{{- $problems = append $problems (dict "path" (printf "gateway.modelRouting.names.%s" $adapter) "message" (printf "must be true: modelserver.lora.adapters has %s, and requests for it would reach no route" $adapter)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $on.autoscaling $on.scheduler -}}
{{- $config := include "llmd-scheduler.config" .Subcharts.scheduler -}}
{{- $counted := false -}}
{{- /* Each of these declares the producer or has it made: llm-d-router 0.10, pkg/epp/framework/plugins. */ -}}
{{- range list "inflight-load-producer" "active-request-scorer" "concurrency-detector" "prefix-cache-affinity-filter" "latency-scorer" "predicted-latency-producer" -}}
{{- if contains . $config -}}{{- $counted = true -}}{{- end -}}
{{- end -}}
{{- range $role := include "autoscaling.roles" .Subcharts.autoscaling | fromJsonArray -}}
{{- range $trigger := (include "autoscaling.role" (dict "ctx" $.Subcharts.autoscaling "role" $role) | fromJson).triggers -}}
{{- if and (eq (toString $trigger.signal) "prefill-tokens") (not $counted) -}}
{{- $problems = append $problems (dict "path" (printf "autoscaling.roles.%s.triggers.%s.signal" $role $trigger.name) "message" "nothing counts tokens in flight, so the answer would always be 0: set scheduler.extraPlugins.inflight-load-producer.type inflight-load-producer") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $on.monitoring $on.scheduler (not $llmd.namespaceOnly) .Values.scheduler.metricsAuth -}}
{{- $scrape := dig "scheduler" dict .Values.monitoring | default dict -}}
{{- if and (get $scrape "enabled") (eq (toString (get $scrape "token")) "none") -}}
{{- $problems = append $problems (dict "path" "monitoring.scheduler.token" "message" "is none, but scheduler.metricsAuth asks for a token: every scrape of the endpoint picker would be refused") -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{/*
A sentence where engines write KV cache events that the image of EPP 0.7.1 cannot read, "" otherwise. vLLM 0.24 is the first
release with https://github.com/vllm-project/vllm/pull/42892 (0.23.0 still writes arrays), and the first reader of both forms
is github.com/llm-d/llm-d-kv-cache v0.9.0; EPP 0.7.1 has v0.7.1.
*/}}
{{- define "llmd-umbrella.unheard" -}}
{{- $in := .Values -}}{{- $found := "" -}}
{{- range $role := include "llmd.roles" . | fromJson | keys -}}
{{- $own := get ($in.roles | default dict) $role | default dict -}}
{{- $image := merge (deepCopy (get $own "image" | default dict)) $in.roleDefaults.image -}}
{{- $version := regexFind "^v?[0-9]+[.][0-9]+[.][0-9]+" (toString $image.tag) | trimPrefix "v" -}}
{{- if and $version (contains "vllm/vllm-" $image.repository) -}}
{{- if semverCompare ">=0.24.0" $version -}}{{- $found = $version -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- with $found -}}
The endpoint picker's image 0.7.1 cannot read the KV cache events of vLLM {{ . }}: it knows those up to 0.23, and its prefix index stays empty. Take an earlier vLLM, or global.llmd.eppVersion 0.9.
{{- end -}}
{{- end -}}

{{/* Things that work, and that a person should know before they rely on it. JSON list of sentences. */}}
{{- define "llmd-umbrella.warnings" -}}
{{- $llmd := .Values.global.llmd -}}
{{- $warnings := list -}}
{{- if .Values.modelserver.enabled -}}
{{- $source := .Subcharts.modelserver.Values.model -}}
{{- $secret := $source.hf.tokenSecret -}}
{{- if and (eq $source.source "hf") $secret.name -}}
{{- $warnings = append $warnings (printf "Weights come from Hugging Face; a gated model needs the Secret %s with the key %s in this namespace." $secret.name $secret.key) -}}
{{- end -}}
{{- if include "modelserver.plainNetwork" .Subcharts.modelserver -}}
{{- $warnings = append $warnings "Prefill or decode asks for no RDMA device (modelserver.roleDefaults.fabric): the KV cache goes from one to the other over TCP, and the first token waits for it." -}}
{{- end -}}
{{- end -}}
{{- if .Values.scheduler.enabled -}}
{{- $scheduler := .Subcharts.scheduler -}}
{{- if include "llmd-scheduler.leaderElection" $scheduler -}}
{{- if and (eq $scheduler.Values.failureMode "FailOpen") (eq $llmd.mode "standalone") -}}
{{- $warnings = append $warnings "When the endpoint picker that leads is killed, no pod is ready for about 20 s, 15 of them its lease, and FailOpen cannot help: Envoy sits in the same pods (scheduler.leaderElection)." -}}
{{- else -}}
{{- $warnings = append $warnings "When the endpoint picker that leads is killed, another one leads after about 20 s, 15 of them its lease; meanwhile requests are handled by failureMode (scheduler.leaderElection)." -}}
{{- end -}}
{{- else if eq (int $scheduler.Values.replicas) 0 -}}
{{- $warnings = append $warnings "scheduler.replicas is 0: no request is routed." -}}
{{- else if eq (int $scheduler.Values.replicas) 1 -}}
{{- $warnings = append $warnings "One endpoint picker: losing its node stops routing until it runs elsewhere (scheduler.replicas)." -}}
{{- end -}}
{{- if and $llmd.flowControl (gt (int $scheduler.Values.replicas) 1) (not (include "llmd-scheduler.leaderElection" $scheduler)) -}}
{{- $warnings = append $warnings (printf "%d endpoint pickers serve at a time, each with queues of its own: limits of scheduler.flowControl hold for each of them, and turns are taken within each." (int $scheduler.Values.replicas)) -}}
{{- end -}}
{{- $socket := eq (include "llmd-scheduler.tokens" $scheduler) "socket" -}}
{{- if and (or $socket (include "llmd-scheduler.ownRender" $scheduler)) .Values.modelserver.enabled (not $scheduler.Values.render.model) -}}
{{- $source := .Subcharts.modelserver.Values.model.source -}}
{{- if ne $source "hf" -}}
{{- $warnings = append $warnings (printf "Weights come from %s, but the %s downloads the tokenizer of %s from Hugging Face; without a way there, mount it (scheduler.render.volumes) and name its directory (scheduler.render.model)." $source (ternary "endpoint picker's tokenizer" "render service" $socket) $llmd.model.id) -}}
{{- end -}}
{{- end -}}
{{- if and $socket .Values.modelserver.enabled -}}
{{- with include "llmd-umbrella.unheard" .Subcharts.modelserver -}}{{- $warnings = append $warnings . -}}{{- end -}}
{{- end -}}
{{- if and $scheduler.Values.metricsAuth $llmd.namespaceOnly -}}
{{- $warnings = append $warnings "Without cluster-scoped rights the endpoint picker's /metrics asks for no token." -}}
{{- end -}}
{{- if not $scheduler.Values.networkPolicy.enabled -}}
{{- $warnings = append $warnings "scheduler.networkPolicy is off: every pod of the cluster reaches the endpoint picker." -}}
{{- end -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not .Values.monitoring.enabled) -}}
{{- $warnings = append $warnings "Autoscaling reads metrics from Prometheus, and monitoring.enabled is false: something else must scrape this release." -}}
{{- end -}}
{{- if and (eq $llmd.mode "gateway") .Values.gateway.enabled -}}
{{- $gateway := .Subcharts.gateway -}}
{{- if and (not $gateway.Values.route.headers) (not $gateway.Values.route.hostnames) (not $gateway.Values.modelRouting.enabled) (not $gateway.Values.create) -}}
{{- $warnings = append $warnings "The route takes every request of a Gateway that others may share; gateway.modelRouting, gateway.route.hostnames or .headers tell models apart." -}}
{{- end -}}
{{- if and (hasPrefix "gke" $gateway.Values.provider) (not $gateway.Values.gke.proxyOnlySubnets) .Values.modelserver.enabled (dig "networkPolicy" "enabled" false .Values.modelserver) -}}
{{- $warnings = append $warnings "Where NetworkPolicies are enforced, GKE's proxies reach no engine until gateway.gke.proxyOnlySubnets names their subnet." -}}
{{- end -}}
{{- if and (eq (include "llmd-gateway.family" $gateway) "istio") (not $gateway.Values.create) -}}
{{- $warnings = append $warnings "The existing Gateway needs the label istio.io/enable-inference-extproc: \"true\"." -}}
{{- end -}}
{{- end -}}
{{- toJson $warnings -}}
{{- end -}}
