module llmdctl.dev/tools/crds

go 1.26.0

require (
	github.com/envoyproxy/gateway v1.8.1
	github.com/kedacore/keda/v2 v2.21.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	istio.io/api v1.29.2
	sigs.k8s.io/gateway-api v1.5.1
	sigs.k8s.io/gateway-api-inference-extension v1.5.0
	sigs.k8s.io/kwok v0.8.0
	sigs.k8s.io/lws v0.9.0
)
