// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package packages

import (
	"debug/elf"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/semver"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/debian"
)

// nfpm wants newer versions of some modules than we have, so it is not in go.mod.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0"

// conffiles are what an administrator may have changed.
var conffiles = []string{"etc/otelcol-carbon/config.yaml", "etc/otelcol-carbon/otelcol-carbon.env"}

var installed = map[string]fs.FileMode{
	"etc/otelcol-carbon/config.yaml":                0o644,
	"etc/otelcol-carbon/otelcol-carbon.env":         0o600, // secrets
	"usr/bin/otelcol-carbon":                        0o755,
	"usr/lib/systemd/system/otelcol-carbon.service": 0o644,
	"usr/lib/sysusers.d/otelcol-carbon.conf":        0o644,
	"usr/lib/tmpfiles.d/otelcol-carbon.conf":        0o644,
	"usr/lib/udev/rules.d/90-otelcol-carbon.rules":  0o644,
	"usr/share/doc/otelcol-carbon/LICENSE":          0o644,
	"usr/share/doc/otelcol-carbon/NOTICE":           0o644,
}

func TestDebIsInstalledRunAndRemoved(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	for _, name := range []string{"status", "available"} {
		writeIn(t, root, filepath.Join("var/lib/dpkg", name), "")
	}
	require.NoError(t, os.MkdirAll(filepath.Join(root, "var/lib/dpkg/info"), 0o755))
	dpkg := func(arguments ...string) string {
		// Of the packages that it needs only the programs are there.
		return mustRun(t, nil, "dpkg", append([]string{"--root=" + root, "--force-depends", "--log=" + os.DevNull}, arguments...)...)
	}
	lifeOfPackage(t, root, life{
		install: func(version string) { dpkg("--install", build(t, "deb", version)) },
		remove:  func() { dpkg("--remove", "otelcol-carbon") },
	})
	assert.ElementsMatch(t, conffiles, ours(t, root), "what is left after a removal")
	assert.DirExists(t, filepath.Join(root, "var/lib/otelcol-carbon"), "totals and queues")
	dpkg("--purge", "otelcol-carbon")
	assert.Empty(t, ours(t, root))
	assert.NoDirExists(t, filepath.Join(root, "var/lib/otelcol-carbon"))
	assert.NoDirExists(t, filepath.Join(root, "etc/otelcol-carbon"))
}

func TestRPMIsInstalledRunAndRemoved(t *testing.T) {
	t.Parallel()
	root, program := newRoot(t), find(t, "rpm", "rpm", "rpm-common")
	environment := program.Environment()
	if program.Folder != "" {
		environment = append(environment, "RPM_CONFIGDIR="+filepath.Join(program.Folder, "usr/lib/rpm"))
	}
	rpm := func(arguments ...string) {
		mustRun(t, environment, program.Path, append([]string{"--root", root, "--nodeps"}, arguments...)...)
	}
	config := filepath.Join(root, conffiles[0])
	lifeOfPackage(t, root, life{
		install: func(version string) { rpm("--upgrade", build(t, "rpm", version)) },
		remove: func() {
			content, err := os.ReadFile(config)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(config, append(content, "# ours\n"...), 0o600))
			rpm("--erase", "otelcol-carbon")
		},
	})
	assert.Equal(t, []string{conffiles[0] + ".rpmsave"}, ours(t, root), "rpm keeps conffiles that were changed")
	assert.DirExists(t, filepath.Join(root, "var/lib/otelcol-carbon"), "totals and queues")
}

// The packages say which C library they need.
func TestPackagesNeedTheBinarysCLibrary(t *testing.T) {
	t.Parallel()
	f, err := elf.Open(binary)
	require.NoError(t, err)
	defer f.Close()
	symbols, err := f.ImportedSymbols()
	require.NoError(t, err)
	newest := "v0"
	for _, s := range symbols {
		if version, ok := strings.CutPrefix(s.Version, "GLIBC_"); ok && semver.Compare("v"+version, newest) > 0 {
			newest = "v" + version
		}
	}
	config, err := os.ReadFile(repository + "/deploy/packages/nfpm.yaml")
	require.NoError(t, err)
	needs := regexp.MustCompile(`libc6? \(?>= ([0-9.]+)`).FindAllSubmatch(config, -1)
	require.Len(t, needs, 2)
	for _, version := range needs {
		assert.GreaterOrEqual(t, semver.Compare("v"+string(version[1]), newest), 0, "%s, but the binary needs %s", version[0], newest)
	}
}

type life struct {
	install func(version string)
	remove  func()
}

// lifeOfPackage installs a package, runs what it installed, installs the next version over it, and removes that.
func lifeOfPackage(t *testing.T, root string, l life) {
	t.Helper()
	const asked = "var/log/systemctl"
	require.NoError(t, os.MkdirAll(filepath.Join(root, "run/systemd/system"), 0o755))
	writeIn(t, root, "usr/bin/systemctl", "#!/bin/sh\necho \"$@\" >>/"+asked+"\n")
	require.NoError(t, os.Chmod(filepath.Join(root, "usr/bin/systemctl"), 0o755))
	systemd := func() string {
		content, err := os.ReadFile(filepath.Join(root, asked))
		require.NoError(t, err)
		writeIn(t, root, asked, "")
		return string(content)
	}
	writeIn(t, root, asked, "")
	before := files(t, root, "etc", "usr")
	l.install("0.1.0")

	got := files(t, root, "etc", "usr")
	maps.DeleteFunc(got, func(name string, _ fs.FileMode) bool {
		_, was := before[name]
		return was || !strings.Contains(name, "otelcol-carbon")
	})
	assert.Equal(t, installed, got)
	var uid, gid uint32
	for file, id := range map[string]*uint32{"passwd": &uid, "group": &gid} {
		content, err := os.ReadFile(filepath.Join(root, "etc", file))
		require.NoError(t, err)
		entry := regexp.MustCompile(`(?m)^otelcol:[^:]*:(\d+):`).FindSubmatch(content)
		require.NotNil(t, entry, "%s has no otelcol:\n%s", file, content)
		n, err := strconv.ParseUint(string(entry[1]), 10, 32)
		require.NoError(t, err)
		*id = uint32(n)
	}
	require.NotZero(t, uid)

	metrics := serveInstalled(t, root, uid, gid)
	for _, want := range []string{`hw_energy_joules_total{`, `energy_method="counter"`, `grid_zone="DE"`, `host_name="node-a"`} {
		assert.Contains(t, metrics, want)
	}
	state := files(t, root, "var/lib/otelcol-carbon")
	assert.NotEmpty(t, state)
	config, err := os.ReadFile(filepath.Join(root, conffiles[0]))
	require.NoError(t, err)
	systemd()

	l.install("0.2.0")
	told := systemd()
	assert.Contains(t, told, "daemon-reload\ntry-restart otelcol-carbon.service\n")
	assert.NotContains(t, told, "disable")
	assert.Equal(t, state, files(t, root, "var/lib/otelcol-carbon"))
	kept, err := os.ReadFile(filepath.Join(root, conffiles[0]))
	require.NoError(t, err)
	assert.Equal(t, string(config), string(kept), "what the administrator changed")

	l.remove()
	assert.Contains(t, systemd(), "disable --now otelcol-carbon.service\n")
}

// serveInstalled runs the installed binary with the installed config as the installed unit does: as that user, in that root.
func serveInstalled(t *testing.T, root string, uid, gid uint32) (metrics string) {
	t.Helper()
	state := filepath.Join(root, "var/lib/otelcol-carbon")
	require.NoError(t, os.MkdirAll(state, 0o700)) // StateDirectory=
	require.NoError(t, os.Chown(state, int(uid), int(gid)))
	copyLibraries(t, root, debian.Program{Path: filepath.Join(root, "usr/bin/otelcol-carbon")})
	address := moveListeners(t, filepath.Join(root, conffiles[0]), "127.0.0.1:9464")
	c := collector{
		program:     "/usr/bin/otelcol-carbon",
		arguments:   []string{"--config=/etc/otelcol-carbon/config.yaml"},
		environment: []string{"CARBON_ZONE=DE"},
		as:          &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uid, Gid: gid}},
	}
	return c.serve(t, address, func(metrics string) bool {
		return strings.Contains(metrics, "hw_emissions_grams_total{")
	})
}

// ours are the names of all files that have to do with us, but state.
func ours(t *testing.T, root string) []string {
	t.Helper()
	found := files(t, root, "etc", "usr")
	return slices.Sorted(func(yield func(string) bool) {
		for name := range found {
			if strings.Contains(name, "otelcol-carbon") && !yield(name) {
				return
			}
		}
	})
}

// build makes a package of the binary under test.
func build(t *testing.T, packager, version string) string {
	t.Helper()
	target := filepath.Join(t.TempDir(), "otelcol-carbon."+packager)
	c := exec.CommandContext(t.Context(), "go", "run", nfpm, "package", "--config", "deploy/packages/nfpm.yaml", "--packager", packager, "--target", target)
	c.Dir = repository
	c.Env = append(os.Environ(), "VERSION="+version, "GOARCH="+runtime.GOARCH, "BINARY=bin/otelcol-carbon")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := c.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return target
}
