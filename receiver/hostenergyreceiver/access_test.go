// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// denied is what the kernel answers to anyone but root.
func denied(path string) (uint64, error) {
	return 0, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
}

func TestReasonsAndRemedies(t *testing.T) {
	for name, tt := range map[string]struct {
		tree           string
		prepare        func(root string) error
		read           func(string) (uint64, error)
		reason, remedy string
	}{
		"virtual machine": {tree: "vm", reason: "hypervisor passes no RAPL on", remedy: "bare-metal instance"},
		"no driver": {
			tree:    "client",
			prepare: func(root string) error { return os.RemoveAll(filepath.Join(root, powercap)) },
			reason:  "no RAPL package zone in", remedy: "modprobe intel_rapl_msr",
		},
		"no permission": {tree: "client", read: denied, reason: "CVE-2020-8694", remedy: "sudo chgrp GROUP"},
		"masked in a container": {
			tree: "client",
			prepare: func(root string) error {
				zone := filepath.Join(root, powercap, "intel-rapl:0")
				return errors.Join(
					os.RemoveAll(filepath.Dir(zone)),
					os.Mkdir(filepath.Dir(zone), 0o755),
					os.Symlink("../../devices/virtual/powercap/intel-rapl/intel-rapl:0", zone),
				)
			},
			reason: "listed but hidden", remedy: "set root_path",
		},
		"read error": {tree: "unreadable", reason: "is a directory", remedy: "README"},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, tt.tree)
			if tt.prepare != nil {
				require.NoError(t, tt.prepare(root))
			}
			for _, required := range []bool{false, true} {
				r := newRig(t, root, func(cfg *Config) { cfg.Required = required })
				if tt.read != nil {
					r.scraper.readUint = tt.read
				}
				err := r.scraper.start(t.Context(), nil)
				if required {
					require.ErrorContains(t, err, "required: no RAPL package counter can be read: ")
					assert.Contains(t, err.Error(), tt.reason)
					assert.Contains(t, err.Error(), tt.remedy)
					assert.NotContains(t, err.Error(), "\n", "an error is one line")
					continue
				}
				require.NoError(t, err)
				warnings := r.logs.FilterMessageSnippet("estimated from CPU time, not measured").All()
				require.Len(t, warnings, 1)
				assert.Contains(t, warnings[0].ContextMap()["reason"], tt.reason)
				assert.Contains(t, warnings[0].ContextMap()["remedy"], tt.remedy)
			}
		})
	}
}

func TestReadableNeedsNoWarning(t *testing.T) {
	for _, name := range []string{"client", "server", "amd"} {
		r := newRig(t, tree(t, name), func(cfg *Config) { cfg.Required = true })
		require.NoError(t, r.scraper.start(t.Context(), nil))
		assert.Empty(t, r.logs.All())
	}
}

func TestRootPath(t *testing.T) {
	root := tree(t, "client")
	for path, want := range map[string]string{
		root + "/":                          "",
		root + "//.":                        "",
		filepath.Join(root, "missing"):      "no such file",
		filepath.Join(root, "etc/hostname"): "is not a directory",
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, path, nil)
			err := r.Start(t.Context(), nil)
			if want != "" {
				require.ErrorContains(t, err, "root_path: ")
				require.ErrorContains(t, err, want)
				return
			}
			require.NoError(t, err)
			synctest.Wait()
			assert.Equal(t, "node-a", r.latest(t)["hw.energy package-0"].resource["host.name"])
		})
	}
}
