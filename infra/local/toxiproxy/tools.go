//go:build tools

// Package toxiproxy names the program whose modules go.sum pins.
package toxiproxy

import _ "github.com/Shopify/toxiproxy/v2/cmd/server"
