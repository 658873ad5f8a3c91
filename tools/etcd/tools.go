//go:build tools

// Package tools pins the programs that llmdctl builds from source.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
)
