// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package packages

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// workflow is what of a workflow of GitHub Actions a release depends on. `make lint` has its syntax checked by actionlint.
type workflow struct {
	Permissions map[string]string
	Env         map[string]string
	Jobs        map[string]struct {
		Needs       string
		Timeout     int `yaml:"timeout-minutes"`
		Permissions map[string]string
		Steps       []struct {
			ID, Uses, Run string
			With          map[string]any
		}
	}
}

func loadWorkflows(t *testing.T) map[string]workflow {
	t.Helper()
	all := map[string]workflow{}
	found, err := filepath.Glob(repository + "/.github/workflows/*.yaml")
	require.NoError(t, err)
	for _, file := range found {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		var w workflow
		require.NoError(t, yaml.Unmarshal(content, &w), file)
		all[strings.TrimSuffix(filepath.Base(file), ".yaml")] = w
	}
	return all
}

// A tag of an action can be moved by whoever owns it, a commit cannot.
func TestActionsArePinned(t *testing.T) {
	t.Parallel()
	workflows := loadWorkflows(t)
	require.Contains(t, workflows, "release")
	for name, w := range workflows {
		assert.Empty(t, w.Permissions, "%s: each job says what it needs", name)
		for job, j := range w.Jobs {
			assert.Positive(t, j.Timeout, "%s: %s", name, job)
			assert.NotEmpty(t, j.Permissions, "%s: %s", name, job)
			for _, step := range j.Steps {
				if step.Uses != "" {
					assert.Regexp(t, `^[\w.-]+(/[\w.-]+)+@[0-9a-f]{40}$`, step.Uses)
				}
			}
		}
	}
}

func TestReleaseIsCheckedSignedAndAttested(t *testing.T) {
	t.Parallel()
	release := loadWorkflows(t)["release"]
	var check, run strings.Builder
	for _, step := range release.Jobs["check"].Steps {
		check.WriteString(step.Run + "\n")
	}
	for _, step := range release.Jobs["release"].Steps {
		run.WriteString(step.Uses + step.Run + "\n")
		if file, ok := step.With["file"].(string); ok {
			assert.FileExists(t, filepath.Join(repository, file))
			assert.Equal(t, "linux/amd64,linux/arm64", step.With["platforms"])
		}
	}
	assert.Equal(t, "check", release.Jobs["release"].Needs)
	for _, want := range []string{"make vulncheck", ".ci/run"} {
		assert.Contains(t, check.String(), want)
	}
	for _, want := range []string{"cosign sign ", "cosign sign-blob ", "actions/attest-build-provenance@", "deploy/packages/release.sh bin/release "} {
		assert.Contains(t, run.String(), want)
	}
	assert.Equal(t, map[string]string{"contents": "write", "packages": "write", "id-token": "write", "attestations": "write"}, release.Jobs["release"].Permissions)
	assert.Equal(t, nfpm, release.Env["NFPM"], "the packager that is tested")
}

// The image has the tag that the chart and the manifests ask for, and no other version is released.
func TestVersionOfTheRelease(t *testing.T) {
	t.Parallel()
	var script, tags string
	for _, step := range loadWorkflows(t)["release"].Jobs["release"].Steps {
		if step.ID == "version" {
			script = step.Run
		}
		if step.With["push"] == true {
			tags = step.With["tags"].(string)
		}
	}
	assert.Equal(t, "${{ env.IMAGE }}:${{ steps.version.outputs.version }}", tags)
	tell := func(builder, chart string) (string, error) {
		dir := t.TempDir()
		for file, version := range map[string]string{"builder-config.yaml": builder, "deploy/kubernetes/chart/Chart.yaml": chart} {
			content, err := os.ReadFile(filepath.Join(repository, file))
			require.NoError(t, err)
			mkdir(t, dir, filepath.Dir(file))
			changed := regexp.MustCompile(`(?m)^(  version|appVersion): \S+$`).ReplaceAllString(string(content), "$1: "+version)
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(changed), 0o600))
		}
		c := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
		c.Dir, c.Env = dir, append(os.Environ(), "GITHUB_REF_NAME=v1.2.3", "GITHUB_OUTPUT="+filepath.Join(dir, "output"))
		if message, err := c.CombinedOutput(); err != nil {
			return string(message), err
		}
		told, err := os.ReadFile(filepath.Join(dir, "output"))
		return string(told), err
	}
	told, err := tell("1.2.3", "1.2.3")
	require.NoError(t, err, told)
	assert.Equal(t, "version=1.2.3\n", told)
	told, err = tell("1.2.3-dev", "1.2.3")
	require.Error(t, err)
	assert.Contains(t, told, "builder-config.yaml is not of version 1.2.3")
	_, err = tell("1.2.3", "1.2.2")
	require.Error(t, err)
}

// The script of the release, with a binary of this machine. In place of syft, which tells what a binary consists of, is
// the compiler's own list.
func TestReleaseScript(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := "otelcol-carbon_1.2.3_linux_" + runtime.GOARCH
	copyFile(t, binary, mkdir(t, dir, "linux_"+runtime.GOARCH)+"/otelcol-carbon")
	syft := filepath.Join(dir, "syft")
	require.NoError(t, os.WriteFile(syft, []byte("#!/bin/sh\n"+`[ "$1" = scan ] && exec go version -m "${2#file:}" >"${5#spdx-json=}"`+"\n"), 0o700))
	c := exec.CommandContext(t.Context(), "bash", "deploy/packages/release.sh", dir, "1.2.3")
	c.Dir, c.Env = repository, append(os.Environ(), "SYFT="+syft, "NFPM="+nfpm)
	output, err := c.CombinedOutput()
	require.NoError(t, err, "%s", output)

	dist := filepath.Join(dir, "dist")
	sums, err := os.ReadFile(dist + "/checksums.txt")
	require.NoError(t, err)
	var files []string
	for _, line := range regexp.MustCompile(`(?m)^[0-9a-f]{64}  (.+)$`).FindAllStringSubmatch(string(sums), -1) {
		files = append(files, line[1])
	}
	assert.ElementsMatch(t, []string{name + ".deb", name + ".rpm", name + ".tar.gz", name + ".spdx.json"}, files)
	verify := exec.CommandContext(t.Context(), "sha256sum", "--check", "--quiet", "checksums.txt")
	verify.Dir = dist
	output, err = verify.CombinedOutput()
	require.NoError(t, err, "%s", output)

	listed := mustRun(t, nil, "tar", "-tvzf", filepath.Join(dist, name+".tar.gz"))
	assert.Regexp(t, `(?m)^-rwxr-xr-x 0/0 .* otelcol-carbon$`, listed)
	assert.Regexp(t, `(?m)^-rw-r--r-- 0/0 .* LICENSE$`, listed)
	bill, err := os.ReadFile(filepath.Join(dist, name+".spdx.json"))
	require.NoError(t, err)
	assert.True(t, bytes.Contains(bill, []byte("go.opentelemetry.io/collector/otelcol")))
	assert.Contains(t, mustRun(t, nil, "dpkg-deb", "--field", filepath.Join(dist, name+".deb"), "Version"), "1.2.3")
}

func mkdir(t *testing.T, parts ...string) string {
	t.Helper()
	dir := filepath.Join(parts...)
	require.NoError(t, os.MkdirAll(dir, 0o750))
	return dir
}
