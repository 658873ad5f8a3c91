{{/*
What the `global.llmd` block says, worked out once. All take the root context.

llmd.roles          JSON map of the roles that exist: role -> {workload, autoscaled}; null roles are
                    gone, defaults filled in. Use: include "llmd.roles" . | fromJson
llmd.disaggregated  "true" or "": both prefill and decode exist
llmd.servedName     the model name that clients send: model.servedName, or model.id
llmd.targetPorts    JSON list of the ports each engine pod serves: ports.serving and, with
                    dataParallelLocal > 1, the ports after it (8000..8007)
llmd.roleLabel      (dict "role" "aggregate")   the value of the pod label llm-d.ai/role, in the words that the
                    endpoint picker's filters know: an aggregate pod is "prefill-decode"
llmd.enginePort     (dict "ctx" $ "role" "decode")   name of the container port on which the engine itself
                    listens: "engine" behind a routing sidecar, else "serving"
llmd.podPattern     (dict "ctx" $ "role" "decode")   regular expression (anchored, as PromQL's =~ is) of the names of
                    a role's pods, tight enough not to take in a release called "<release>-<role>"
llmd.kvTopic        (dict "ctx" $ "podIP" "$(POD_IP)")   the topic under which an engine publishes KV cache events. The
                    endpoint picker reads from it which endpoint speaks (address:port as the InferencePool lists it) and
                    for which model, by the name that clients send
                    (github.com/llm-d/llm-d-kv-cache v0.9.0, pkg/kvevents).
llmd.kvEventsEndpoint   .   where an engine binds the socket for them
llmd.everyAddress   .   the address to listen on for all that reaches a pod: 0.0.0.0, or :: for ipFamily IPv6, by which some
                    programs take IPv4 too
llmd.openshift      "true" or "": restricted SCCs choose the user id. auto = the cluster serves the
                    API group security.openshift.io
*/}}
{{- define "llmd.roles" -}}
{{- $roles := dict -}}
{{- range $role, $spec := .Values.global.llmd.roles -}}
{{- if not (kindIs "invalid" $spec) -}}
{{- $_ := set $roles $role (dict
      "workload" ((get $spec "workload") | default "Deployment")
      "autoscaled" (eq (toString (get $spec "autoscaled")) "true")) -}}
{{- end -}}
{{- end -}}
{{- toJson $roles -}}
{{- end -}}

{{- define "llmd.disaggregated" -}}
{{- $roles := include "llmd.roles" . | fromJson -}}
{{- if and (hasKey $roles "prefill") (hasKey $roles "decode") -}}true{{- end -}}
{{- end -}}

{{- define "llmd.servedName" -}}
{{- .Values.global.llmd.model.servedName | default .Values.global.llmd.model.id -}}
{{- end -}}

{{- define "llmd.targetPorts" -}}
{{- $ports := list -}}
{{- $first := int .Values.global.llmd.ports.serving -}}
{{- range until (max 1 (int .Values.global.llmd.dataParallelLocal) | int) -}}
{{- $ports = append $ports (add $first .) -}}
{{- end -}}
{{- toJson $ports -}}
{{- end -}}

{{- define "llmd.kvTopic" -}}
kv@{{ .podIP }}:{{ int .ctx.Values.global.llmd.ports.serving }}@{{ include "llmd.servedName" .ctx }}
{{- end -}}

{{- define "llmd.kvEventsEndpoint" -}}
tcp://*:{{ int .Values.global.llmd.ports.kvEvents }}
{{- end -}}

{{- define "llmd.everyAddress" -}}
{{- eq .Values.global.llmd.ipFamily "IPv6" | ternary "::" "0.0.0.0" -}}
{{- end -}}

{{- define "llmd.openshift" -}}
{{- $mode := .Values.global.openshift -}}
{{- if eq $mode "enabled" -}}true
{{- else if and (eq $mode "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1") -}}true
{{- end -}}
{{- end -}}

{{- define "llmd.roleLabel" -}}
{{- eq .role "aggregate" | ternary "prefill-decode" .role -}}
{{- end -}}

{{- define "llmd.enginePort" -}}
{{- /* Beside encode pods alone decode prefills too, and still needs the sidecar that asks them first. */ -}}
{{- $split := or (ne "" (include "llmd.disaggregated" .ctx)) (hasKey (include "llmd.roles" .ctx | fromJson) "encode") -}}
{{- and $split (eq .role "decode") | ternary "engine" "serving" -}}
{{- end -}}

{{- define "llmd.podPattern" -}}
{{- $name := include "llmd.componentName" (dict "ctx" .ctx "component" .role) -}}
{{- $workload := dig .role "workload" "Deployment" (include "llmd.roles" .ctx | fromJson) -}}
{{- /* A Deployment's pod is <name>-<hash>-<5>; names that would be too long lose the dash between. */ -}}
{{ $name }}-{{ eq $workload "LeaderWorkerSet" | ternary "[0-9]+(-[0-9]+)?" "[a-z0-9]+(-[a-z0-9]{5})?" }}
{{- end -}}
