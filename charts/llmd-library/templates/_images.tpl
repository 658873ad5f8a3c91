{{/*
llmd.image             (dict "ctx" $ "image" .Values.image "path" "image")
                       "registry/repository:tag@digest". global.imageRegistry replaces the registry.
                       A digest pins the content; the tag stays readable beside it. Neither tag nor
                       digest: fails by path, nothing falls back to "latest".
llmd.imagePullSecrets  .   the lines "imagePullSecrets: …", or nothing
*/}}
{{- define "llmd.image" -}}
{{- $image := .image -}}
{{- if not $image.repository -}}
{{- include "llmd.fail" (dict "ctx" .ctx "path" (printf "%s.repository" .path) "message" "name the image") -}}
{{- end -}}
{{- if not (or $image.tag $image.digest) -}}
{{- include "llmd.fail" (dict "ctx" .ctx "path" (printf "%s.tag" .path) "message" "set a tag or a digest; no image is pulled as \"latest\"") -}}
{{- end -}}
{{- $registry := .ctx.Values.global.imageRegistry | default $image.registry | default "" | trimSuffix "/" -}}
{{- if $registry -}}{{ $registry }}/{{- end -}}
{{ $image.repository }}
{{- with $image.tag -}}:{{ . }}{{- end -}}
{{- with $image.digest -}}@{{ . }}{{- end -}}
{{- end -}}

{{- define "llmd.imagePullSecrets" -}}
{{- with .Values.global.imagePullSecrets -}}
imagePullSecrets:
{{- range . }}
  - name: {{ .name }}
{{- end }}
{{- end -}}
{{- end -}}
