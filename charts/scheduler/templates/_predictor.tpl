{{/*
Routing by predicted latency: two containers beside the EPP learn from the traffic how long a request takes on each pod
(training), and say it for the next one (prediction). The EPP reads where they are from its environment.

llmd-scheduler.predictor            (dict "ctx" $ "dialect" $table "profiles" $list "prefix" $prefix)
                                    JSON list of plugins to declare
llmd-scheduler.predictor.env        .   environment of the EPP, JSON map
llmd-scheduler.predictor.containers .   JSON list of the two containers
llmd-scheduler.predictor.volumes    .   JSON list

Their ports are those of the images' own commands: 8000 and 8001 (github.com/llm-d/llm-d-latency-predictor v0.8.0). What is
learnt is lost with the pod, and learnt again within minutes; each EPP replica learns for itself.
*/}}
{{- define "llmd-scheduler.predictor" -}}
{{- $ctx := .ctx -}}{{- $in := $ctx.Values.predictedLatency -}}
{{- $problems := list -}}{{- $uses := list -}}
{{- range .profiles -}}{{- $uses = concat $uses .predicts -}}{{- end -}}
{{- if $in.enabled -}}
{{- with include "llmd-scheduler.lacks" (dict "ctx" $ctx "dialect" .dialect "feature" "predicted-latency") -}}
{{- $problems = append $problems (dict "path" "predictedLatency.enabled" "message" .) -}}
{{- end -}}
{{- if not $uses -}}
{{- $problems = append $problems (dict "path" "predictedLatency.enabled" "message" "no profile reads the predictions: name the scorer latency in one") -}}
{{- end -}}
{{- else -}}
{{- range $uses -}}
{{- $problems = append $problems (dict "path" . "message" "needs predictedLatency.enabled: without the predictor every request would wait for one that is not there") -}}
{{- end -}}
{{- if $in.slo -}}
{{- $problems = append $problems (dict "path" "predictedLatency.slo" "message" "acts only with predictedLatency.enabled") -}}
{{- end -}}
{{- end -}}
{{- include "llmd.failAll" (dict "ctx" $ctx "problems" $problems) -}}
{{- $plugins := list -}}
{{- if $in.enabled -}}
{{- $parameters := dict "streamingMode" $in.slo -}}
{{- if include "llmd.disaggregated" $ctx -}}{{- $_ := set $parameters "endpointRoleLabel" "llm-d.ai/role" -}}{{- end -}}
{{- with .prefix.producer -}}{{- $_ := set $parameters "prefixMatchInfoProducerName" . -}}{{- end -}}
{{- with $in.sloBufferFactor -}}{{- $_ := set $parameters "sloBufferFactor" . -}}{{- end -}}
{{- $plugins = append $plugins (dict "type" "predicted-latency-producer" "parameters" $parameters) -}}
{{- if $in.slo -}}{{- $plugins = append $plugins (dict "type" "latency-slo-admitter") -}}{{- end -}}
{{- end -}}
{{- toJson $plugins -}}
{{- end -}}

{{- define "llmd-scheduler.predictor.env" -}}
{{- $env := dict -}}
{{- if .Values.predictedLatency.enabled -}}
{{- $env = dict
      "PREDICTION_SERVER_URL" "http://localhost:8001"
      "TRAINING_SERVER_URL" "http://localhost:8000"
      "LATENCY_MAX_SAMPLE_SIZE" "10000"
      "LATENCY_MAX_CONCURRENT_DISPATCHES" "36"
      "LATENCY_COALESCE_WINDOW_MS" "1" -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{- define "llmd-scheduler.predictor.containers" -}}
{{- $containers := list -}}
{{- if .Values.predictedLatency.enabled -}}
{{- range $part := list
      (dict "name" "training" "label" "latency-train" "port" 8000 "path" "/models")
      (dict "name" "prediction" "label" "latency-predict" "port" 8001 "path" "/local_models") -}}
{{- $containers = append $containers (include "llmd.parse" (dict "what" "container of the latency predictor" "text" (include "llmd-scheduler.predictor.container" (dict "ctx" $ "part" $part))) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- toJson $containers -}}
{{- end -}}

{{- define "llmd-scheduler.predictor.container" -}}
{{- $ctx := .ctx -}}{{- $part := .part -}}
{{- $path := printf "predictedLatency.%s" $part.name -}}
{{- $in := get $ctx.Values.predictedLatency $part.name -}}
{{- $env := include (printf "llmd-scheduler.predictor.%s" $part.name) $ctx | fromYaml -}}
{{- /* Not merge, which would keep what a null takes away. */ -}}
{{- range $name, $value := ($in.env | default dict) -}}{{- $_ := set $env $name $value -}}{{- end -}}
name: latency-{{ $part.name }}
image: {{ include "llmd.image" (dict "ctx" $ctx "image" $in.image "path" (printf "%s.image" $path)) | quote }}
imagePullPolicy: {{ $in.image.pullPolicy }}
{{- if eq $ctx.Values.global.llmd.ipFamily "IPv6" }}
# The image's own command, which listens on IPv4 only.
command: [uvicorn, "{{ $part.name }}.{{ $part.name }}_server:app", --host, {{ include "llmd.everyAddress" $ctx | quote }}, --port, "{{ $part.port }}"
  {{- with $env.UVICORN_WORKERS }}, --workers, "{{ . }}"{{ end }}]
{{- end }}
env: {{ include "llmd.env" (dict "ctx" $ctx "env" $env "path" $path) }}
ports:
  - {name: {{ $part.label }}, containerPort: {{ $part.port }}, protocol: TCP}
# No readiness: an EPP that lacks predictions falls back to load and prefixes, and must stay in service meanwhile.
startupProbe:
  httpGet: {path: /healthz, port: {{ $part.port }}, scheme: HTTP}
  periodSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: {{ $part.port }}, scheme: HTTP}
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 5
{{- with include "llmd.resources" (dict "resources" $in.resources) | fromJson }}
resources: {{ toJson . }}
{{- end }}
securityContext: {{ include "llmd.securityContext" (dict "ctx" $ctx "securityContext" $in.securityContext) }}
volumeMounts:
  - {name: latency-{{ $part.name }}, mountPath: {{ $part.path }}}
{{- end -}}

{{/* Sources of these values: the chart of github.com/llm-d/llm-d-router v0.9.0 (config/charts/routerlib/values.yaml), with the
paths of the images. A mean over ten seconds of traffic, so that a change of load is learnt soon. */}}
{{- define "llmd-scheduler.predictor.training" -}}
LATENCY_MODEL_TYPE: xgboost
LATENCY_OBJECTIVE_TYPE: mean
LATENCY_RETRAINING_INTERVAL_SEC: "10"
LATENCY_MIN_SAMPLES_FOR_RETRAIN: "100"
LATENCY_MAX_TRAINING_DATA_SIZE_PER_BUCKET: "500"
LATENCY_TTFT_MODEL_PATH: /models/ttft.joblib
LATENCY_TPOT_MODEL_PATH: /models/tpot.joblib
LATENCY_TTFT_SCALER_PATH: /models/ttft_scaler.joblib
LATENCY_TPOT_SCALER_PATH: /models/tpot_scaler.joblib
{{- end -}}

{{- define "llmd-scheduler.predictor.prediction" -}}
LATENCY_MODEL_TYPE: xgboost
LATENCY_OBJECTIVE_TYPE: mean
TRAINING_SERVER_URL: http://localhost:8000
MODEL_SYNC_INTERVAL_SEC: "30"
OMP_NUM_THREADS: "1"
UVICORN_WORKERS: {{ int .Values.predictedLatency.prediction.workers | quote }}
LOCAL_TTFT_MODEL_PATH: /local_models/ttft.joblib
LOCAL_TPOT_MODEL_PATH: /local_models/tpot.joblib
LOCAL_TTFT_SCALER_PATH: /local_models/ttft_scaler.joblib
LOCAL_TPOT_SCALER_PATH: /local_models/tpot_scaler.joblib
{{- end -}}

{{- define "llmd-scheduler.predictor.volumes" -}}
{{- $volumes := list -}}
{{- if .Values.predictedLatency.enabled -}}
{{- range list "training" "prediction" -}}
{{- $volumes = append $volumes (dict "name" (printf "latency-%s" .) "emptyDir" (dict "sizeLimit" "10Gi")) -}}
{{- end -}}
{{- end -}}
{{- toJson $volumes -}}
{{- end -}}
