{{/*
Quotas of tenants: `tenants` = {header, limits: {tenant: {requests, per}}, others: {requests, per}}, as
tools/charts/definitions.quotas.yaml has it.

llmd.quotas.limits       $tenants   JSON of the limits that exist: tenant -> {requests, per}, per filled in
llmd.quotas.others       $tenants   JSON {requests, per}; requests 0 = no limit
llmd.quotas.seconds      "minute"   1, 60 or 3600
llmd.quotas.used         $tenants   "true" when anything is limited, else ""
llmd.quotas.problems     (dict "path" "tenants" "tenants" $tenants)   JSON list of {path, message}
llmd.quotas.envoyFilter  $tenants   JSON of Envoy's HTTP filter

The filter counts in one Envoy process, for all its workers together; two processes allow twice as much. A tenant that is
listed has a bucket of its own. Everybody else, and a request without the header, shares one bucket
(always_consume_default_token_bucket false keeps listed tenants out of it). The fill interval of a descriptor has to be a
multiple of the shared bucket's, hence the check. Source: envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit,
https://www.envoyproxy.io/docs/envoy/v1.33.2/api-v3/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto
*/}}
{{- define "llmd.quotas.limits" -}}
{{- $limits := dict -}}
{{- range $tenant, $quota := (.limits | default dict) -}}
{{- if not (kindIs "invalid" $quota) -}}
{{- $_ := set $limits $tenant (dict "requests" (int64 $quota.requests) "per" ($quota.per | default "minute")) -}}
{{- end -}}
{{- end -}}
{{- toJson $limits -}}
{{- end -}}

{{- define "llmd.quotas.others" -}}
{{- $others := .others | default dict -}}
{{- toJson (dict "requests" (int64 ($others.requests | default 0)) "per" ($others.per | default "minute")) -}}
{{- end -}}

{{- define "llmd.quotas.seconds" -}}
{{- get (dict "second" 1 "minute" 60 "hour" 3600) . -}}
{{- end -}}

{{- define "llmd.quotas.used" -}}
{{- if or (include "llmd.quotas.limits" . | fromJson) (int64 (include "llmd.quotas.others" . | fromJson).requests) -}}true{{- end -}}
{{- end -}}

{{- define "llmd.quotas.problems" -}}
{{- $problems := list -}}
{{- $path := .path -}}
{{- if and (include "llmd.quotas.used" .tenants) (not .tenants.header) -}}
{{- $problems = append $problems (dict "path" (printf "%s.header" $path) "message" "name the header that carries the tenant") -}}
{{- end -}}
{{- $others := include "llmd.quotas.others" .tenants | fromJson -}}
{{- if int64 $others.requests -}}
{{- $base := include "llmd.quotas.seconds" $others.per | int -}}
{{- range $tenant, $quota := include "llmd.quotas.limits" .tenants | fromJson -}}
{{- if lt (include "llmd.quotas.seconds" $quota.per | int) $base -}}
{{- $problems = append $problems (dict "path" (printf "%s.others.per" $path) "message" (printf "is %s, longer than the %s of limits.%s; the shared bucket must be filled at least as often" $others.per $quota.per $tenant)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "llmd.quotas.bucket" -}}
{{- toJson (dict "max_tokens" (int64 .requests) "tokens_per_fill" (int64 .requests) "fill_interval" (printf "%ss" (include "llmd.quotas.seconds" .per))) -}}
{{- end -}}

{{- define "llmd.quotas.envoyFilter" -}}
{{- $always := dict "default_value" (dict "numerator" 100 "denominator" "HUNDRED") -}}
{{- $others := include "llmd.quotas.others" . | fromJson -}}
{{- /* No limit: the largest bucket there is, filled each second. */ -}}
{{- if not (int64 $others.requests) -}}{{- $others = dict "requests" 4294967295 "per" "second" -}}{{- end -}}
{{- $descriptors := list -}}
{{- range $tenant, $quota := include "llmd.quotas.limits" . | fromJson -}}
{{- $entry := dict "key" "tenant" "value" $tenant -}}
{{- $descriptors = append $descriptors (dict "entries" (list $entry) "token_bucket" (include "llmd.quotas.bucket" $quota | fromJson)) -}}
{{- end -}}
{{- $config := dict
      "@type" "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
      "stat_prefix" "tenants"
      "filter_enabled" $always
      "filter_enforced" $always
      "token_bucket" (include "llmd.quotas.bucket" $others | fromJson)
      "always_consume_default_token_bucket" false
      "enable_x_ratelimit_headers" "DRAFT_VERSION_03" -}}
{{- if $descriptors -}}
{{- $action := dict "request_headers" (dict "header_name" (lower .header) "descriptor_key" "tenant") -}}
{{- $config = merge $config (dict "rate_limits" (list (dict "actions" (list $action))) "descriptors" $descriptors) -}}
{{- end -}}
{{- toJson (dict "name" "envoy.filters.http.local_ratelimit" "typed_config" $config) -}}
{{- end -}}
