//go:build tools

// Package tools pins the programs that llmdctl builds from source.
package tools

import (
	_ "github.com/llm-d/llm-d-inference-scheduler/cmd/epp"
	_ "github.com/llm-d/llm-d-inference-scheduler/cmd/pd-sidecar"
)
