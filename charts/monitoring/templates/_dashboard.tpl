{{/*
monitoring.dashboard   (dict "ctx" $ "key" "requests" "title" "…" "panels" $list)   JSON of a Grafana dashboard, two panels a row.
monitoring.panel       (dict "title" "…" "unit" "reqps" "queries" (list (list $expression $legend) …))   JSON of one panel, or
                       nothing when an expression is missing (its metric does not exist here).
monitoring.quantiles   (dict "metric" "x_seconds" "series" "…" "by" "pod")   JSON list of queries: median and 95th percentile.
*/}}
{{- define "monitoring.panel" -}}
{{- $targets := list -}}
{{- range $index, $query := .queries -}}
{{- $targets = append $targets (dict "refId" (printf "%c" (add 65 $index)) "expr" (index $query 0) "legendFormat" (index $query 1)) -}}
{{- end -}}
{{- toJson (dict
      "type" "timeseries" "title" .title
      "datasource" (dict "type" "prometheus" "uid" "${datasource}")
      "fieldConfig" (dict "defaults" (dict "unit" .unit "min" 0 "custom" (dict "fillOpacity" 8 "showPoints" "never")) "overrides" list)
      "options" (dict "legend" (dict "displayMode" "list" "placement" "bottom") "tooltip" (dict "mode" "multi"))
      "targets" $targets) -}}
{{- end -}}

{{- define "monitoring.quantiles" -}}
{{- $in := . -}}
{{- $list := list -}}
{{- range list "0.5" "0.95" -}}
{{- $list = append $list (list (printf "histogram_quantile(%s, sum by (le) (rate(%s_bucket{%s}[5m])))" . $in.metric $in.series) (printf "%s%s" ($in.legend | default "") (eq . "0.5" | ternary "median" "95 %"))) -}}
{{- end -}}
{{- toJson $list -}}
{{- end -}}

{{- define "monitoring.dashboard" -}}
{{- $panels := list -}}
{{- range $index, $panel := .panels -}}
{{- $place := dict "h" 8 "w" 12 "x" (mul 12 (mod $index 2)) "y" (mul 8 (div $index 2)) -}}
{{- $panels = append $panels (mergeOverwrite $panel (dict "id" (add1 $index) "gridPos" $place)) -}}
{{- end -}}
{{- $release := printf "%s/%s" .ctx.Release.Namespace .ctx.Release.Name -}}
{{- toJson (dict
      "uid" (printf "%s/%s" $release .key | sha256sum | trunc 12)
      "title" (printf "%s: %s" $release .title)
      "tags" (list "llmd") "timezone" "" "schemaVersion" 39 "version" 1 "refresh" "30s" "editable" true "graphTooltip" 1
      "time" (dict "from" "now-1h" "to" "now")
      "templating" (dict "list" (list (dict "name" "datasource" "type" "datasource" "query" "prometheus" "label" "Prometheus")))
      "panels" $panels) -}}
{{- end -}}
