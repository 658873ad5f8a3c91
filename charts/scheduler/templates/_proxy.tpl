{{/*
llmd-scheduler.envoy   .   Envoy's bootstrap file of standalone mode, YAML

One listener for clients, one for probes, statistics and the drain hook. The EPP answers each request with the address of a
pod in the header x-gateway-destination-endpoint, and the ORIGINAL_DST cluster connects to exactly that address.

  - The header is removed from what clients send: otherwise a client could reach any address Envoy can.
  - Routes are looked up again after the EPP answered (it asks for that); a request that still has no address is one that
    the EPP did not see, and goes to the fallback cluster when failureMode is FailOpen, or is refused with 503.
  - No limit on a request's whole duration: a long generation is not an error. Only silence ends a stream
    (proxy.streamIdleTimeoutSeconds), and 0 turns that off too.
  - Idle connections to engines are dropped after 4 s: uvicorn, which serves vLLM and SGLang, closes them after 5 s, and a
    request sent into a connection that is being closed is lost.
*/}}
{{- define "llmd-scheduler.envoy" -}}
{{- if not (hasKey .Values "memo envoy") -}}{{- $_ := set .Values "memo envoy" (include "llmd-scheduler.makeEnvoy" .) -}}{{- end -}}
{{- get .Values "memo envoy" -}}
{{- end -}}

{{- define "llmd-scheduler.makeEnvoy" -}}
{{- $ports := .Values.global.llmd.ports -}}
{{- $proxy := .Values.proxy -}}
{{- $family := .Values.global.llmd.ipFamily -}}
{{- $idle := printf "%ss" (include "llmd.scalar" $proxy.streamIdleTimeoutSeconds) -}}
{{- $open := include "llmd-scheduler.fallback" . -}}
{{- /* Envoy accepts at most an hour here. The EPP holds a queued request without an answer, so this must not be short. */ -}}
{{- $pick := int64 $proxy.streamIdleTimeoutSeconds -}}
{{- if or (eq (int $pick) 0) (gt (int $pick) 3600) -}}{{- $pick = int64 3600 -}}{{- end -}}
admin:
  address:
    socket_address: {address: 127.0.0.1, port_value: {{ int $ports.envoyAdmin }}}
static_resources:
  listeners:
    - name: clients
      address:
        socket_address: {{ include "llmd-scheduler.envoy.listen" (dict "ctx" . "port" $ports.proxy) }}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: clients
                use_remote_address: true
                normalize_path: true
                merge_slashes: true
                stream_idle_timeout: {{ $idle }}
                request_timeout: 0s
                request_headers_timeout: 30s
                {{- if $proxy.accessLog }}
                access_log:
                  - name: envoy.access_loggers.stdout
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
                      log_format:
                        json_format:
                          start: "%START_TIME%"
                          method: "%REQ(:METHOD)%"
                          path: "%REQ(:PATH)%"
                          status: "%RESPONSE_CODE%"
                          flags: "%RESPONSE_FLAGS%"
                          detail: "%RESPONSE_CODE_DETAILS%"
                          duration_ms: "%DURATION%"
                          bytes_in: "%BYTES_RECEIVED%"
                          bytes_out: "%BYTES_SENT%"
                          endpoint: "%UPSTREAM_HOST%"
                          request_id: "%REQ(X-REQUEST-ID)%"
                {{- end }}
                # Before the route is chosen.
                early_header_mutation_extensions:
                  - name: envoy.http.early_header_mutation.header_mutation
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation
                      mutations:
                        - remove: x-gateway-destination-endpoint
                route_config:
                  name: clients
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match:
                            prefix: /
                            headers:
                              - {name: x-gateway-destination-endpoint, present_match: true}
                          route: {cluster: picked, timeout: 0s, idle_timeout: {{ $idle }}}
                        {{- if $open }}
                        - match: {prefix: /}
                          route: {cluster: fallback, timeout: 0s, idle_timeout: {{ $idle }}}
                        {{- else }}
                        - match: {prefix: /}
                          direct_response:
                            status: 503
                            body: {inline_string: "no endpoint was picked for this request\n"}
                        {{- end }}
                http_filters:
                  {{- if include "llmd.quotas.used" $proxy.tenants }}
                  # Before anything else: a tenant over its quota costs nothing more.
                  - {{ include "llmd.quotas.envoyFilter" $proxy.tenants }}
                  {{- end }}
                  - name: envoy.filters.http.ext_proc
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
                      failure_mode_allow: {{ ternary "true" "false" (eq .Values.failureMode "FailOpen") }}
                      grpc_service:
                        envoy_grpc:
                          cluster_name: endpoint-picker
                          authority: localhost:{{ int $ports.extProc }}
                      processing_mode:
                        request_header_mode: SEND
                        response_header_mode: SEND
                        request_body_mode: FULL_DUPLEX_STREAMED
                        response_body_mode: FULL_DUPLEX_STREAMED
                        request_trailer_mode: SEND
                        response_trailer_mode: SEND
                      message_timeout: {{ $pick }}s
                  {{- if eq $family "IPv6" }}
                  # A request without a body is given any endpoint, as address:port without the brackets that tell them apart
                  # (https://github.com/llm-d/llm-d-router, pkg/epp/handlers/request.go of 0.7 to 0.10).
                  - name: envoy.filters.http.header_to_metadata
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config
                      request_rules:
                        - header: x-gateway-destination-endpoint
                          on_header_present:
                            metadata_namespace: llm-d
                            key: endpoint
                            regex_value_rewrite:
                              pattern: {regex: "^([0-9A-Fa-f:]+):([0-9]+)$"}
                              substitution: '[\1]:\2'
                  {{- end }}
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
                      suppress_envoy_headers: true
    - name: health
      address:
        socket_address: {{ include "llmd-scheduler.envoy.listen" (dict "ctx" . "port" (include "llmd-scheduler.healthPort" .)) }}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: health
                route_config:
                  name: health
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        # The drain hook: answers after drainSeconds. Neither image has a shell or a sleep program, and
                        # the hook "sleep" of Kubernetes needs 1.30.
                        - match: {path: /drain}
                          direct_response: {status: 200}
                          typed_per_filter_config:
                            envoy.filters.http.fault:
                              "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
                              delay:
                                fixed_delay: {{ max 1 (int64 $proxy.drainSeconds) }}s
                                percentage: {numerator: 100}
                        - match: {path: /stats/prometheus}
                          route: {cluster: admin}
                http_filters:
                  - name: envoy.filters.http.health_check
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck
                      pass_through_mode: false
                      headers:
                        - name: ":path"
                          string_match: {exact: /ready}
                  - name: envoy.filters.http.fault
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    - name: picked
      type: ORIGINAL_DST
      lb_policy: CLUSTER_PROVIDED
      connect_timeout: 10s
      original_dst_lb_config:
        use_http_header: true
        http_header_name: x-gateway-destination-endpoint
        {{- if eq $family "IPv6" }}
        metadata_key: {key: llm-d, path: [{key: endpoint}]}
        {{- end }}
      {{- include "llmd-scheduler.envoy.limits" . | nindent 6 }}
      {{- include "llmd-scheduler.envoy.engineConnections" . | nindent 6 }}
    {{- if $open }}
    # Only for requests that the EPP could not place. The headless Service lists ready pods of the roles that can serve a
    # whole request.
    - name: fallback
      type: STRICT_DNS
      lb_policy: LEAST_REQUEST
      connect_timeout: 10s
      # As often as the picker is asked for its health: one that fails soon after the first engine is ready finds it here.
      dns_refresh_rate: 1s
      # Asked for a family that the Service has no address of, c-ares tries the name with every suffix of the search list,
      # and then alone: seven questions more each time. AUTO asks for IPv6, and for IPv4 only where there is none.
      dns_lookup_family: {{ eq $family "IPv6" | ternary "AUTO" "V4_ONLY" }}
      load_assignment:
        cluster_name: fallback
        endpoints:
          - lb_endpoints:
              - endpoint:
                  address:
                    socket_address: {address: {{ include "llmd-scheduler.fallbackName" . }}, port_value: {{ int $ports.serving }}}
      {{- include "llmd-scheduler.envoy.limits" . | nindent 6 }}
      {{- include "llmd-scheduler.envoy.engineConnections" . | nindent 6 }}
    {{- end }}
    # Asked for its health every second, and never tried while it fails: ext_proc can let a request pass only as long as none
    # of its body has been handed over, so Envoy has to know beforehand that nobody will answer. Hence also no panic mode,
    # which would send requests to an endpoint known to be dead.
    - name: endpoint-picker
      type: STATIC
      lb_policy: ROUND_ROBIN
      connect_timeout: 2s
      common_lb_config:
        healthy_panic_threshold: {value: 0}
      health_checks:
        # Of a silent one only: a dead one refuses the connection, at once. Two seconds without a processor must not end in
        # two of refusals, as they do with failureMode FailClose; the kubelet is as patient.
        - timeout: 5s
          interval: 1s
          no_traffic_interval: 1s
          unhealthy_threshold: 1
          healthy_threshold: 1
          grpc_health_check: {service_name: envoy.service.ext_proc.v3.ExternalProcessor}
          {{- if .Values.secureServing }}
          transport_socket_match_criteria: {health: true}
          {{- end }}
      # One that refuses a connection is dead, and left alone until the next question after its health: otherwise a second's
      # requests would be lost with their bodies. Nothing that it answers counts.
      outlier_detection:
        split_external_local_origin_errors: true
        consecutive_local_origin_failure: 1
        enforcing_consecutive_5xx: 0
        interval: 1s
        base_ejection_time: 1s
        max_ejection_time: 1s
        max_ejection_percent: 100
      load_assignment:
        cluster_name: endpoint-picker
        endpoints:
          - lb_endpoints:
              - endpoint:
                  address:
                    socket_address: {address: 127.0.0.1, port_value: {{ int $ports.extProc }}}
                  health_check_config: {port_value: {{ int $ports.grpcHealth }}}
      {{- include "llmd-scheduler.envoy.limits" . | nindent 6 }}
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config:
            http2_protocol_options: {}
      {{- if .Values.secureServing }}
      # Not verified: usually the EPP makes the certificate for itself at each start, and the connection stays inside the pod.
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2]
      # The health server speaks plain text.
      transport_socket_matches:
        - name: health
          match: {health: true}
          transport_socket:
            name: envoy.transport_sockets.raw_buffer
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer
      {{- end }}
    - name: admin
      type: STATIC
      connect_timeout: 1s
      load_assignment:
        cluster_name: admin
        endpoints:
          - lb_endpoints:
              - endpoint:
                  address:
                    socket_address: {address: 127.0.0.1, port_value: {{ int $ports.envoyAdmin }}}
{{- end -}}

{{- define "llmd-scheduler.envoy.listen" -}}
{{- $address := include "llmd.everyAddress" .ctx -}}
{address: {{ quote $address }}, port_value: {{ int .port }}{{ if eq $address "::" }}, ipv4_compat: true{{ end }}}
{{- end -}}

{{/* Envoy's default limit of 1024 requests at a time is far below what a pool of engines holds. */}}
{{- define "llmd-scheduler.envoy.limits" -}}
circuit_breakers:
  thresholds:
    - {max_connections: 65536, max_pending_requests: 65536, max_requests: 65536}
{{- end -}}

{{- define "llmd-scheduler.envoy.engineConnections" -}}
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    common_http_protocol_options: {idle_timeout: 4s}
    explicit_http_config:
      http_protocol_options: {}
{{- end -}}

{{- define "llmd-scheduler.fallbackName" -}}
{{- include "llmd.componentName" (dict "ctx" . "component" "fallback") -}}
{{- end -}}
