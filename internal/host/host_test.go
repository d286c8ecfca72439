// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

const (
	ownID   = "11111111111111111111111111111111"
	hostID  = "22222222222222222222222222222222"
	dbusID  = "33333333333333333333333333333333"
	boot    = "0a1b2c3d-0000-4000-8000-000000000001"
	ownName = "collector-7f9c"
)

func TestResolve(t *testing.T) {
	bare := map[string]string{
		"etc/machine-id":                 ownID + "\n",
		"etc/hostname":                   "node-a\n",
		"proc/sys/kernel/random/boot_id": boot + "\n",
		"proc/self/ns/pid -> symbolic":   "pid:[4026531836]",
	}
	mark := func(path string) map[string]string { return with(bare, path, "") }
	tests := []struct {
		name     string
		own      map[string]string
		mounted  map[string]string
		env      map[string]string
		config   Config
		hostname string
		want     Identity
		warned   int
	}{
		{name: "bare machine", own: bare, want: Identity{ownID, "node-a"}},
		{name: "bare machine, machine-id of dbus", own: with(with(bare, "etc/machine-id", "uninitialized\n"), "var/lib/dbus/machine-id", dbusID), want: Identity{dbusID, "node-a"}},
		{name: "bare machine, machine-id of zeros", own: with(bare, "etc/machine-id", "00000000000000000000000000000000"), want: Identity{boot, "node-a"}, warned: 1},
		{name: "bare machine, machine-id too short", own: with(bare, "etc/machine-id", "abcd"), want: Identity{boot, "node-a"}, warned: 1},
		{name: "bare machine, no etc/hostname", own: without(bare, "etc/hostname"), hostname: "node-b", want: Identity{ownID, "node-b"}},
		{name: "bare machine, no name at all", own: without(bare, "etc/hostname"), want: Identity{ownID, ""}, warned: 1},
		{name: "no /proc, no machine-id", own: map[string]string{"etc/hostname": "mac"}, want: Identity{"", "mac"}, warned: 1},
		{name: "docker", own: mark(".dockerenv"), hostname: ownName, want: Identity{boot, ""}, warned: 1},
		{name: "podman", own: mark("run/.containerenv"), hostname: ownName, want: Identity{boot, ""}, warned: 1},
		{name: "nspawn", own: mark("run/systemd/container"), hostname: ownName, want: Identity{boot, ""}, warned: 1},
		{name: "kubernetes", own: bare, env: map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, hostname: ownName, want: Identity{boot, ""}, warned: 1},
		{name: "lxc", own: bare, env: map[string]string{"container": "lxc"}, hostname: ownName, want: Identity{boot, ""}, warned: 1},
		{name: "containerd alone", own: with(bare, "proc/self/ns/pid -> symbolic", "pid:[4026532281]"), hostname: ownName, want: Identity{boot, ""}, warned: 1},
		{name: "container, root_path is its own root", own: mark(".dockerenv"), config: Config{RootPath: "/"}, hostname: ownName, want: Identity{boot, ""}, warned: 1},
		{name: "a file's line", own: mark(".dockerenv"), config: Config{HostID: "rack-7\n", HostName: "node-c"}, hostname: ownName, want: Identity{"rack-7", "node-c"}},
		{name: "container, configured", own: mark(".dockerenv"), config: Config{HostID: "rack-7", HostName: "node-c"}, hostname: ownName, want: Identity{"rack-7", "node-c"}},
		{name: "container, name configured", own: mark(".dockerenv"), config: Config{HostName: "node-c"}, hostname: ownName, want: Identity{boot, "node-c"}, warned: 1},
		{
			name: "container with the host mounted", own: mark(".dockerenv"), hostname: ownName,
			mounted: map[string]string{"etc/machine-id": hostID, "etc/hostname": "node-d\n"},
			want:    Identity{hostID, "node-d"},
		},
		{
			name: "container with the host mounted, host without names", own: mark(".dockerenv"), hostname: ownName,
			mounted: map[string]string{"etc/passwd": ""},
			want:    Identity{boot, ""}, warned: 1,
		},
		{
			name: "bare machine that measures a mounted root", own: bare, hostname: "node-e",
			mounted: map[string]string{"var/lib/dbus/machine-id": hostID},
			want:    Identity{hostID, "node-e"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.mounted != nil {
				tt.config.RootPath = tree(t, tt.mounted)
			}
			p := process{
				root:   tree(t, tt.own),
				getenv: func(key string) string { return tt.env[key] },
				hostname: func() (string, error) {
					if tt.hostname == "" {
						return "", errors.New("no name")
					}
					return tt.hostname, nil
				},
			}
			core, logs := observer.New(zap.InfoLevel)
			for range 2 { // two receivers ask
				assert.Equal(t, tt.want, p.resolve(tt.config, zap.New(core)))
			}
			assert.Equal(t, tt.warned, logs.Len(), "%v", logs.All())
			for _, entry := range logs.All() {
				assert.Contains(t, entry.Message, "root_path")
			}
		})
	}
}

func TestResolveOfThisMachine(t *testing.T) {
	got := Config{HostID: "configured", HostName: "too"}.Resolve(zap.NewNop())
	assert.Equal(t, Identity{ID: "configured", Name: "too"}, got)
}

func TestPath(t *testing.T) {
	for root, want := range map[string]string{
		"":            "/sys/class/powercap",
		"/":           "/sys/class/powercap",
		"/hostfs":     "/hostfs/sys/class/powercap",
		"/hostfs/":    "/hostfs/sys/class/powercap",
		"/hostfs//./": "/hostfs/sys/class/powercap",
	} {
		assert.Equal(t, want, Config{RootPath: root}.Path("sys", "class/powercap"), root)
	}
	assert.Equal(t, "/", Config{}.Path())
}

func TestValidate(t *testing.T) {
	require.NoError(t, Config{}.Validate())
	require.NoError(t, Config{RootPath: "/somewhere/else/"}.Validate())
	require.EqualError(t, Config{RootPath: "hostfs"}.Validate(), `root_path: "hostfs" is not an absolute path such as /hostfs`)
}

func TestCheck(t *testing.T) {
	dir := tree(t, map[string]string{"file": ""})
	require.NoError(t, Config{}.Check())
	require.NoError(t, Config{RootPath: dir + "/"}.Check())
	require.ErrorIs(t, Config{RootPath: filepath.Join(dir, "missing")}.Check(), os.ErrNotExist)
	require.ErrorContains(t, Config{RootPath: filepath.Join(dir, "file")}.Check(), "is not a directory")
}

// tree writes files; a name that ends in " -> symbolic" becomes a symbolic link to its content.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		name, link := strings.CutSuffix(name, " -> symbolic")
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if link {
			require.NoError(t, os.Symlink(content, path))
			continue
		}
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return root
}

func with(files map[string]string, name, content string) map[string]string {
	files = maps.Clone(files)
	files[name] = content
	return files
}

func without(files map[string]string, name string) map[string]string {
	files = maps.Clone(files)
	delete(files, name)
	return files
}
