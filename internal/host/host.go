// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package host says which machine the receivers measure: host.id and host.name of the machine
// itself, never those of the container that the collector runs in. The receivers squash Config into
// their own configuration and read the machine's files through Path.
package host

import (
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"
)

// Config locates and names the machine. All of it is optional outside containers.
type Config struct {
	// RootPath is where the machine's root file system is mounted, as in the host_metrics receiver.
	// Empty or "/" is the collector's own root.
	RootPath string `mapstructure:"root_path"`

	// HostID is the value of host.id; empty to take the machine-id.
	HostID string `mapstructure:"host_id"`

	// HostName is the value of host.name; empty to take the machine's own name.
	HostName string `mapstructure:"host_name"`
}

// Validate refuses what is wrong on any machine.
func (c Config) Validate() error {
	if c.RootPath != "" && !filepath.IsAbs(c.RootPath) {
		return fmt.Errorf("root_path: %q is not an absolute path such as /hostfs", c.RootPath)
	}
	return nil
}

// Check refuses a root_path that is no directory on this machine. It is for Start: a configuration
// may be validated elsewhere than where it runs.
func (c Config) Check() error {
	if !c.mounted() {
		return nil
	}
	if stat, err := os.Stat(c.RootPath); err != nil {
		return fmt.Errorf("root_path: mount the machine's root file system there: %w", err)
	} else if !stat.IsDir() {
		return fmt.Errorf("root_path: %q is not a directory; mount the machine's root file system there", c.RootPath)
	}
	return nil
}

// Path is the path of a file of the machine, given from its root: Path("sys", "class/powercap").
func (c Config) Path(elem ...string) string {
	return filepath.Join(append([]string{"/", c.RootPath}, elem...)...)
}

// mounted reports whether root_path leads away from the collector's own root.
func (c Config) mounted() bool { return c.Path() != string(filepath.Separator) }

// Identity names the machine. A field is empty when it is not known; then no attribute is set.
type Identity struct {
	// ID becomes host.id.
	ID string
	// Name becomes host.name.
	Name string
}

// Resolve reads the machine's identity. What cannot be known for certain is left to the
// configuration, and logged once with what to configure.
func (c Config) Resolve(logger *zap.Logger) Identity {
	return thisProcess.resolve(c, logger)
}
