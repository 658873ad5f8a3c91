{{/*
modelserver.sidecar  (dict "ctx" $ "role" $role)   JSON of the routing sidecar. restartPolicy Always makes it a native
                     sidecar: it starts before the engine and stops after it, so that draining streams keep their proxy.
*/}}
{{- define "modelserver.sidecar" -}}
{{- $values := .ctx.Values -}}
{{- $sidecar := $values.routingSidecar -}}
{{- $ports := $values.global.llmd.ports -}}
{{- $endpoints := int .role.endpoints -}}
{{- $flags := dict
      "port" (int $ports.serving)
      "vllm-port" (int $ports.engine)
      "kv-connector" $sidecar.connector
      "secure-proxy" "false" -}}
{{- if gt $endpoints 1 -}}{{- $_ := set $flags "data-parallel-size" $endpoints -}}{{- end -}}
{{- if and $sidecar.encoder (hasKey (include "llmd.roles" .ctx | fromJson) "encode") -}}{{- $_ := set $flags "ec-connector" $sidecar.encoder -}}{{- end -}}
{{- if and (eq $sidecar.connector "mooncake") (ne (toString $values.global.llmd.eppVersion) "0.7") -}}
{{- $_ := set $flags "mooncake-bootstrap-port" (int $ports.bootstrap) -}}
{{- end -}}
{{- range $name, $value := ($sidecar.flags | default dict) -}}
{{- /* secure-proxy is on by default in the program: leaving it out, as false does elsewhere, would turn TLS on. */ -}}
{{- $_ := set $flags $name (and (eq $name "secure-proxy") (kindIs "bool" $value) | ternary (toString $value) $value) -}}
{{- end -}}
{{- $env := dict -}}
{{- if eq $sidecar.connector "sglang" -}}{{- $_ := set $env "SGLANG_BOOTSTRAP_PORT" (int $ports.bootstrap) -}}{{- end -}}
{{- if gt $endpoints 1 -}}{{- $_ := set $env "POD_IP" (dict "valueFrom" (dict "fieldRef" (dict "fieldPath" "status.podIP"))) -}}{{- end -}}
{{- range $name, $value := ($sidecar.env | default dict) -}}{{- $_ := set $env $name $value -}}{{- end -}}
{{- $ports := list -}}
{{- range $offset, $port := include "llmd.targetPorts" .ctx | fromJsonArray -}}
{{- $ports = append $ports (dict "name" (gt $offset 0 | ternary (printf "serving-%d" $offset) "serving") "containerPort" (int $port) "protocol" "TCP") -}}
{{- end -}}
{{- $container := dict
      "name" "routing-sidecar"
      "image" (include "llmd.image" (dict "ctx" .ctx "image" $sidecar.image "path" "routingSidecar.image"))
      "imagePullPolicy" $sidecar.image.pullPolicy
      "restartPolicy" "Always"
      "args" (include "llmd.args" (dict "ctx" .ctx "args" $flags "path" "routingSidecar.flags") | fromJsonArray)
      "ports" $ports
      "readinessProbe" (dict "tcpSocket" (dict "port" "serving") "periodSeconds" 5 "timeoutSeconds" 5 "failureThreshold" 3)
      "securityContext" (include "llmd.securityContext" (dict "ctx" .ctx "securityContext" $sidecar.securityContext) | fromJson) -}}
{{- with include "llmd.env" (dict "ctx" .ctx "env" $env "path" "routingSidecar") | fromJsonArray -}}{{- $_ := set $container "env" . -}}{{- end -}}
{{- with include "llmd.resources" (dict "resources" $sidecar.resources) | fromJson -}}{{- $_ := set $container "resources" . -}}{{- end -}}
{{- toJson $container -}}
{{- end -}}
