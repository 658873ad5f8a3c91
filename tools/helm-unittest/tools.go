//go:build tools

// Package tools pins the programs that llmdctl builds from source.
package tools

import (
	_ "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"
)
