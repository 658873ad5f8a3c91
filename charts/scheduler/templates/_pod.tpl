{{/*
llmd-scheduler.pod   .   JSON {metadata, spec} of the pod template, patched
llmd-scheduler.flags .   JSON list of the EPP's arguments
*/}}
{{- define "llmd-scheduler.flags" -}}
{{- $ports := .Values.global.llmd.ports -}}
{{- $dialect := include "llmd-scheduler.dialect" . | fromJson -}}
{{- $computed := dict
      "pool-name" (include "llmd.poolName" .)
      "pool-namespace" .Release.Namespace
      "config-file" "/etc/epp/epp-config.yaml"
      "grpc-port" (int $ports.extProc)
      "grpc-health-port" (int $ports.grpcHealth)
      "metrics-port" (int $ports.eppMetrics)
      "secure-serving" .Values.secureServing
      "metrics-endpoint-auth" (eq (include "llmd-scheduler.metricsAuth" .) "true")
      "ha-enable-leader-election" (eq (include "llmd-scheduler.leaderElection" .) "true") -}}
{{- $elsewhere := dict
      "pool-name" "global.llmd.poolName"
      "grpc-port" "global.llmd.ports.extProc"
      "grpc-health-port" "global.llmd.ports.grpcHealth"
      "metrics-port" "global.llmd.ports.eppMetrics"
      "secure-serving" "secureServing"
      "cert-path" "certificateSecret"
      "enable-cert-reload" "certificateSecret"
      "model-server-metrics-path" "metricsPath"
      "metrics-endpoint-auth" "metricsAuth"
      "ha-enable-leader-election" "leaderElection" -}}
{{- if include "llmd-scheduler.experimental" (dict "ctx" . "dialect" $dialect) -}}
{{- $_ := set $computed $dialect.experimentalFlag true -}}
{{- end -}}
{{- if .Values.certificateSecret -}}
{{- $computed = merge $computed (dict "cert-path" "/etc/epp-certificate" "enable-cert-reload" true) -}}
{{- end -}}
{{- $problems := list -}}
{{- range $name, $value := .Values.flags -}}
{{- $path := printf "flags.%s" $name -}}
{{- if kindIs "invalid" $value -}}
{{- else if hasKey $elsewhere $name -}}
{{- $problems = append $problems (dict "path" $path "message" (printf "other parts must agree with it; set %s instead" (get $elsewhere $name))) -}}
{{- else if hasKey $computed $name -}}
{{- $problems = append $problems (dict "path" $path "message" "computed by the chart") -}}
{{- else if not (has $name $dialect.flags) -}}
{{- $problems = append $problems (dict "path" $path "message" (printf "EPP %s has no such flag to set here%s; available: %s" (include "llmd-scheduler.eppVersion" $) (include "llmd-scheduler.others" (dict "ctx" $ "table" "flags" "key" $name)) (join ", " $dialect.flags))) -}}
{{- else -}}
{{- $_ := set $computed $name $value -}}
{{- end -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" . "problems" $problems) -}}
{{- $flags := list -}}
{{- range $name := keys $computed | sortAlpha -}}
{{- /* Several of these are true by default, so false must be written out: --name=false. */ -}}
{{- $flags = append $flags (printf "--%s=%s" $name (include "llmd.scalar" (get $computed $name))) -}}
{{- end -}}
{{- toJson $flags -}}
{{- end -}}

{{/* "true" where a plugin is declared that this version runs only when experiments are allowed. */}}
{{- define "llmd-scheduler.experimental" -}}
{{- if .dialect.experimentalFlag -}}
{{- $found := false -}}{{- $alpha := .dialect.alpha -}}
{{- range (include "llmd-scheduler.config" .ctx | fromYaml).plugins -}}
{{- if has .type $alpha -}}{{- $found = true -}}{{- end -}}
{{- end -}}
{{- if $found -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- define "llmd-scheduler.pod" -}}
{{- $pod := include "llmd.parse" (dict "text" (include "llmd-scheduler.podYaml" .) "what" "pod template of the endpoint picker") | fromJson -}}
{{- $_ := set $pod.spec "containers" (include "llmd-scheduler.containers" . | fromJsonArray) -}}
{{- with include "llmd-scheduler.tokenizer.containers" . | fromJsonArray -}}{{- $_ := set $pod.spec "initContainers" . -}}{{- end -}}
{{- $selector := include "llmd.selectorLabels" (dict "ctx" . "component" "epp") | fromYaml -}}
{{- $pod = mergeOverwrite $pod (dict "spec" (include "llmd.placement" (dict "ctx" . "spec" .Values "selector" $selector) | fromJson)) -}}
{{- include "llmd.patch" (dict "object" $pod "patch" .Values.podPatch) -}}
{{- end -}}

{{/* JSON list: the EPP, patched; Envoy; the latency predictor's. */}}
{{- define "llmd-scheduler.containers" -}}
{{- $epp := include "llmd.parse" (dict "text" (include "llmd-scheduler.eppContainer" .) "what" "container epp") | fromJson -}}
{{- $list := list (include "llmd.patch" (dict "object" $epp "patch" .Values.containerPatch) | fromJson) -}}
{{- if include "llmd-scheduler.standalone" . -}}
{{- $list = append $list (include "llmd.parse" (dict "text" (include "llmd-scheduler.proxyContainer" .) "what" "container proxy") | fromJson) -}}
{{- end -}}
{{- toJson (concat $list (include "llmd-scheduler.predictor.containers" . | fromJsonArray)) -}}
{{- end -}}

{{- define "llmd-scheduler.eppContainer" -}}
{{- $ports := .Values.global.llmd.ports -}}
name: epp
image: {{ include "llmd.image" (dict "ctx" . "image" .Values.image "path" "image") | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: {{ include "llmd-scheduler.flags" . }}
{{- $env := include "llmd-scheduler.predictor.env" . | fromJson }}
{{- range $name, $value := (.Values.env | default dict) }}{{- $_ := set $env $name $value }}{{- end }}
{{- with include "llmd.env" (dict "ctx" . "env" $env "path" "epp") | fromJsonArray }}
env: {{ toJson . }}
{{- end }}
ports:
  - {name: grpc-ext-proc, containerPort: {{ int $ports.extProc }}, protocol: TCP}
  - {name: grpc-health, containerPort: {{ int $ports.grpcHealth }}, protocol: TCP}
  - {name: http-metrics, containerPort: {{ int $ports.eppMetrics }}, protocol: TCP}
# "liveness" and "readiness" are services of the EPP's health server; without leader election both mean "the pool is known".
# A follower is alive and never ready.
# The health server answers before the EPP has made its self-signed key (RSA 4096: seconds, without a core to itself far more)
# and takes requests; until then every request ends with 500.
startupProbe:
  tcpSocket: {port: grpc-ext-proc}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  grpc: {port: {{ int $ports.grpcHealth }}, service: liveness}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  grpc: {port: {{ int $ports.grpcHealth }}, service: readiness}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- with include "llmd-scheduler.preStop" . }}
lifecycle:
  {{- . | nindent 2 }}
{{- end }}
{{- with include "llmd.resources" (dict "resources" .Values.resources) | fromJson }}
resources: {{ toJson . }}
{{- end }}
securityContext: {{ include "llmd.securityContext" (dict "ctx" . "securityContext" .Values.securityContext) }}
volumeMounts:
  - {name: config, mountPath: /etc/epp, readOnly: true}
  - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  {{- if .Values.certificateSecret }}
  - {name: certificate, mountPath: /etc/epp-certificate, readOnly: true}
  {{- end }}
  {{- if eq (include "llmd-scheduler.tokens" .) "socket" }}
  - {name: tokenizer-socket, mountPath: {{ include "llmd-scheduler.tokenizer.folder" . }}}
  {{- end }}
{{- end -}}

{{- define "llmd-scheduler.proxyContainer" -}}
{{- $proxy := .Values.proxy -}}
{{- $arguments := list "-c" "/etc/envoy/envoy.yaml" "--disable-hot-restart" "--concurrency" (int $proxy.concurrency | toString) -}}
{{- /* Envoy wants a flag and its value as two words: it ends at once on --log-level=warn. */ -}}
{{- range include "llmd.args" (dict "ctx" . "args" $proxy.flags "path" "proxy.flags") | fromJsonArray -}}
{{- $arguments = concat $arguments (regexSplit "=" . 2) -}}
{{- end -}}
name: proxy
image: {{ include "llmd.image" (dict "ctx" . "image" $proxy.image "path" "proxy.image") | quote }}
imagePullPolicy: {{ $proxy.image.pullPolicy }}
command: [envoy]
args: {{ $arguments | toJson }}
ports:
  - {name: proxy, containerPort: {{ int .Values.global.llmd.ports.proxy }}, protocol: TCP}
  - {name: proxy-health, containerPort: {{ include "llmd-scheduler.healthPort" . }}, protocol: TCP}
startupProbe:
  httpGet: {path: /ready, port: proxy-health, scheme: HTTP}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /ready, port: proxy-health, scheme: HTTP}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /ready, port: proxy-health, scheme: HTTP}
  periodSeconds: 5
  timeoutSeconds: 2
  failureThreshold: 2
{{- with include "llmd-scheduler.preStop" . }}
lifecycle:
  {{- . | nindent 2 }}
{{- end }}
{{- with include "llmd.resources" (dict "resources" $proxy.resources) | fromJson }}
resources: {{ toJson . }}
{{- end }}
securityContext: {{ include "llmd.securityContext" (dict "ctx" . "securityContext" $proxy.securityContext) }}
volumeMounts:
  - {name: proxy-config, mountPath: /etc/envoy, readOnly: true}
{{- end -}}

{{/*
Both containers wait in the same hook, because Envoy stops at once on SIGTERM and streams run through both. The pod is out
of the Service meanwhile, so the requests in flight end and no new client arrives.
*/}}
{{- define "llmd-scheduler.preStop" -}}
{{- if and (include "llmd-scheduler.standalone" .) (gt (int .Values.proxy.drainSeconds) 0) -}}
preStop:
  httpGet: {path: /drain, port: {{ include "llmd-scheduler.healthPort" . }}, scheme: HTTP}
{{- end -}}
{{- end -}}

{{- define "llmd-scheduler.podYaml" -}}
{{- $standalone := include "llmd-scheduler.standalone" . -}}
{{- $podLabels := deepCopy (.Values.podLabels | default dict) -}}{{- include "llmd.prune" $podLabels -}}
{{- $podAnnotations := deepCopy (.Values.podAnnotations | default dict) -}}{{- include "llmd.prune" $podAnnotations -}}
metadata:
  labels:
    {{- with $podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- include "llmd.podLabels" (dict "ctx" . "component" "epp") | nindent 4 }}
  annotations:
    {{- with $podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    kubectl.kubernetes.io/default-container: epp
    # The EPP reads its file once: a changed configuration must restart exactly these pods.
    # Summed over what it says, so that a comment or a line break in a later chart restarts nothing.
    checksum/config: {{ include "llmd.parse" (dict "text" (include "llmd-scheduler.config" .) "what" "configuration of the endpoint picker") | sha256sum }}
    {{- if $standalone }}
    checksum/proxy: {{ include "llmd.parse" (dict "text" (include "llmd-scheduler.envoy" .) "what" "configuration of Envoy") | sha256sum }}
    {{- end }}
spec:
  serviceAccountName: {{ include "llmd-scheduler.serviceAccountName" . }}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ ternary (add (int64 .Values.proxy.drainSeconds) 15) (int64 .Values.drainSeconds) (eq $standalone "true") }}
  {{- with include "llmd.imagePullSecrets" . }}
  {{- . | nindent 2 }}
  {{- end }}
  securityContext: {{ include "llmd.podSecurityContext" (dict "ctx" . "securityContext" .Values.podSecurityContext) }}
  volumes:
    {{- range concat (include "llmd-scheduler.predictor.volumes" . | fromJsonArray) (include "llmd-scheduler.tokenizer.volumes" . | fromJsonArray) }}
    - {{ toJson . }}
    {{- end }}
    - name: config
      configMap:
        name: {{ include "llmd.eppName" . }}
    {{- if $standalone }}
    - name: proxy-config
      configMap:
        name: {{ include "llmd.componentName" (dict "ctx" . "component" "proxy") }}
    {{- end }}
    {{- with .Values.certificateSecret }}
    - name: certificate
      secret:
        secretName: {{ . }}
    {{- end }}
    # What Kubernetes mounts into every container of a pod, for the one container that talks to the API server.
    - name: token
      projected:
        sources:
          - serviceAccountToken: {path: token, expirationSeconds: 3607}
          - configMap:
              name: kube-root-ca.crt
              items: [{key: ca.crt, path: ca.crt}]
          - downwardAPI:
              items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]
{{- end -}}
