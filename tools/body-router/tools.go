//go:build tools

// Package tools pins the programs that llmdctl builds from source.
package tools

import (
	_ "sigs.k8s.io/gateway-api-inference-extension/cmd/bbr"
)
