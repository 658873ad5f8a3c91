{{/*
modelserver.volumes  (dict "ctx" $ "role" $role)   JSON map name -> {mountPath, readOnly, subPath, source}: the chart's
                     own (shm, home, tmp, model-cache, kv-tier, files) with the role's entries in their place.
modelserver.mounts   JSON list of the engine's volumeMounts.
modelserver.podVolumes   JSON list of the pod's volumes.
modelserver.claims   JSON list of the pod's resourceClaims: {name, resourceClaimTemplateName}.
modelserver.computeDomain   .   "true" or "": whether a role joins an NVLink domain that spans nodes.
modelserver.claimName (dict "ctx" $ "role" "decode" "name" "rdma" "claim" $claim)
                     Name of the ResourceClaimTemplate. Its spec is immutable, so the name carries a hash of it: another
                     spec is another object, and the pods that use it roll.
*/}}
{{- define "modelserver.volumes" -}}
{{- $values := .ctx.Values -}}
{{- $model := $values.model -}}
{{- $shm := int64 .role.spec.shmBytes -}}
{{- if le $shm 0 -}}{{- $shm = mul 1073741824 (min 64 (add 2 (mul 8 (int .role.accelerators)))) -}}{{- end -}}
{{- if .role.spec.kvTier.inShm -}}{{- $shm = add $shm (int64 .role.tier.cpuBytes) -}}{{- end -}}
{{- $volumes := dict
      "shm" (dict "mountPath" "/dev/shm" "source" (dict "emptyDir" (dict "medium" "Memory" "sizeLimit" (include "llmd.quantity" $shm))))
      "home" (dict "mountPath" "/home/llmd" "source" (dict "emptyDir" dict))
      "tmp" (dict "mountPath" "/tmp" "source" (dict "emptyDir" dict)) -}}
{{- if eq $model.source "hf" -}}
{{- $disk := dict -}}
{{- if gt (int64 $values.sizing.cacheBytes) 0 -}}{{- $_ := set $disk "sizeLimit" (include "llmd.quantity" $values.sizing.cacheBytes) -}}{{- end -}}
{{- $_ := set $volumes "model-cache" (dict "mountPath" $model.cacheMountPath "source" (dict "emptyDir" $disk)) -}}
{{- else if eq $model.source "pvc" -}}
{{- $_ := set $volumes "model-cache" (dict "mountPath" $model.cacheMountPath "readOnly" true "source" (dict "persistentVolumeClaim" (dict "claimName" $model.pvc.claimName "readOnly" true))) -}}
{{- else if eq $model.source "oci" -}}
{{- $_ := set $volumes "model-cache" (dict "mountPath" $model.cacheMountPath "readOnly" true "source" (dict "image" (dict "reference" $model.oci.image "pullPolicy" "IfNotPresent"))) -}}
{{- end -}}
{{- if gt (int64 .role.tier.diskBytes) 0 -}}
{{- $_ := set $volumes "kv-tier" (dict "mountPath" .role.spec.kvTier.diskPath "source" (dict "emptyDir" (dict "sizeLimit" (include "llmd.quantity" (include "modelserver.tierDiskBytes" .))))) -}}
{{- end -}}
{{- if .role.spec.files -}}
{{- $_ := set $volumes "files" (dict "mountPath" "/etc/llmd" "readOnly" true "source" (dict "configMap" (dict "name" (include "modelserver.filesName" .)))) -}}
{{- end -}}
{{- range $layer := list $values.roleDefaults (get $values.roles .role.role | default dict) -}}
{{- range $name, $volume := (get $layer "volumes" | default dict) -}}
{{- if kindIs "invalid" $volume -}}{{- $_ := unset $volumes $name -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $volume := (.role.spec.volumes | default dict) -}}{{- $_ := set $volumes $name $volume -}}{{- end -}}
{{- toJson $volumes -}}
{{- end -}}

{{- define "modelserver.mounts" -}}
{{- $mounts := list -}}
{{- range $name, $volume := include "modelserver.volumes" . | fromJson -}}
{{- $mount := dict "name" $name "mountPath" $volume.mountPath -}}
{{- if $volume.readOnly -}}{{- $_ := set $mount "readOnly" true -}}{{- end -}}
{{- if $volume.subPath -}}{{- $_ := set $mount "subPath" $volume.subPath -}}{{- end -}}
{{- $mounts = append $mounts $mount -}}
{{- end -}}
{{- toJson (concat $mounts (.role.spec.extraVolumeMounts | default list)) -}}
{{- end -}}

{{- define "modelserver.podVolumes" -}}
{{- $list := list -}}
{{- range $name, $volume := include "modelserver.volumes" . | fromJson -}}
{{- $list = append $list (mergeOverwrite (dict "name" $name) $volume.source) -}}
{{- end -}}
{{- toJson (concat $list (.role.spec.extraVolumes | default list)) -}}
{{- end -}}

{{- define "modelserver.claimName" -}}
{{- $hash := toJson .claim.template | sha256sum | trunc 6 -}}
{{- $name := printf "%s-%s" (include "llmd.componentName" (dict "ctx" .ctx "component" .role)) .name -}}
{{ printf "%s-%s" ($name | trunc 56 | trimSuffix "-") $hash }}
{{- end -}}

{{- define "modelserver.claims" -}}
{{- $in := . -}}
{{- $list := list -}}
{{- range $name, $claim := (.role.spec.claims | default dict) -}}
{{- $template := include "modelserver.claimName" (dict "ctx" $in.ctx "role" $in.role.role "name" $name "claim" $claim) -}}
{{- if $claim.perAccelerator -}}
{{- range $index := until (int $in.role.accelerators) -}}
{{- $list = append $list (dict "name" (printf "%s-%d" $name $index) "resourceClaimTemplateName" $template) -}}
{{- end -}}
{{- else -}}
{{- $list = append $list (dict "name" $name "resourceClaimTemplateName" $template) -}}
{{- end -}}
{{- end -}}
{{- if .role.spec.fabric.computeDomain -}}
{{- $list = append $list (dict "name" "nvlink" "resourceClaimTemplateName" (include "llmd.componentName" (dict "ctx" .ctx "component" "nvlink-channel"))) -}}
{{- end -}}
{{- toJson $list -}}
{{- end -}}

{{- define "modelserver.computeDomain" -}}
{{- $wanted := "" -}}
{{- include "modelserver.knowRoles" . -}}
{{- range get .Values "memo roles" -}}
{{- if .spec.fabric.computeDomain -}}{{- $wanted = "true" -}}{{- end -}}
{{- end -}}
{{- $wanted -}}
{{- end -}}
