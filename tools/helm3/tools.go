//go:build tools

// Package tools pins the programs that llmdctl builds from source.
package tools

import (
	_ "helm.sh/helm/v3/cmd/helm"
)
