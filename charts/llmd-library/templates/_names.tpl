{{/*
Names of objects.

llmd.fullname       .   (the root context)
                    The release name. Longer than 40 characters it is cut to 33 and six characters
                    of its hash are put behind, so that two long names stay two names; a dot, which
                    Helm allows and a Service does not, becomes a dash in the same way. 40 leaves
                    room for the longest suffix a controller adds: a LeaderWorkerSet's StatefulSet
                    carries "<name>-<hash of 10>" in a label, so names must stay at 52 or fewer
                    (40 + "-aggregate" = 50).
llmd.componentName  (dict "ctx" $ "component" "epp")
                    "<fullname>-<component>", never longer than 63: the fullname gives way, the
                    suffix does not.
llmd.poolName       .   name of the InferencePool: global.llmd.poolName, or the fullname
llmd.eppName        .   name of the endpoint picker's Deployment, Service, ConfigMap, ServiceAccount
llmd.clusterName    (dict "ctx" $ "component" "epp-metrics")
                    A name for a cluster-scoped object: holds the namespace, cut to 63 with a hash.
*/}}
{{- define "llmd.fullname" -}}
{{- if or (gt (len .Release.Name) 40) (contains "." .Release.Name) -}}
{{ printf "%s-%s" (.Release.Name | replace "." "-" | trunc 33 | trimSuffix "-") (.Release.Name | sha256sum | trunc 6) }}
{{- else -}}
{{ .Release.Name }}
{{- end -}}
{{- end -}}

{{- define "llmd.componentName" -}}
{{- $room := sub 62 (len .component) | int -}}
{{- if lt $room 10 -}}
{{- fail (printf "llmd.componentName: the suffix %q leaves no room for the release name" .component) -}}
{{- end -}}
{{ printf "%s-%s" (include "llmd.fullname" .ctx | trunc $room | trimSuffix "-") .component }}
{{- end -}}

{{- define "llmd.clusterName" -}}
{{- $name := printf "%s-%s-%s" .ctx.Release.Namespace (include "llmd.fullname" .ctx) .component -}}
{{- if gt (len $name) 63 -}}
{{ printf "%s-%s" ($name | trunc 56 | trimSuffix "-") ($name | sha256sum | trunc 6) }}
{{- else -}}
{{ $name }}
{{- end -}}
{{- end -}}

{{- define "llmd.poolName" -}}
{{- .Values.global.llmd.poolName | default (include "llmd.fullname" .) -}}
{{- end -}}

{{- define "llmd.eppName" -}}
{{- include "llmd.componentName" (dict "ctx" . "component" "epp") -}}
{{- end -}}
