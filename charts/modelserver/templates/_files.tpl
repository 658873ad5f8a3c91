{{/*
modelserver.files      (dict "ctx" $ "role" $role)   JSON map name -> text of the files that the engine reads. $(KV_STORE) is
                       replaced here, because nothing expands variables in a mounted file.
modelserver.filesName  (dict "ctx" $ "role" $role)   name of the ConfigMap that holds them
*/}}
{{- define "modelserver.files" -}}
{{- $store := include "modelserver.storeAddress" . -}}
{{- $files := dict -}}
{{- range $name, $content := .role.spec.files -}}
{{- $_ := set $files $name (toPrettyJson $content | replace "$(KV_STORE)" $store | printf "%s\n") -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{- define "modelserver.filesName" -}}
{{ include "llmd.componentName" (dict "ctx" .ctx "component" (printf "%s-files" .role.role)) }}
{{- end -}}
