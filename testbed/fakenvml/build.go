// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package fakenvml is a scripted libnvidia-ml.so.1 for tests: GPUs with a known power, whose energy
// counter is the exact integral of it, and that reset, vanish and hang when the script says so. The
// library is in C and is loaded as the real one is; README.md documents the script.
package fakenvml

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed c
var sources embed.FS

// LibraryName is the file name under which NVML is looked for.
const LibraryName = "libnvidia-ml.so.1"

// ScenarioEnv is the environment variable that holds the path of the scenario.
const ScenarioEnv = "FAKENVML_SCENARIO"

// Build compiles the library with cc into the directory, under LibraryName. Symbols given as missing
// are not exported: to whoever looks them up, they do not exist.
func Build(dir string, missing ...string) (libPath string, err error) {
	work, err := os.MkdirTemp("", "fakenvml")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(work, sources); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(work, "c", "*.c"))
	if err != nil {
		return "", err
	}
	libPath = filepath.Join(dir, LibraryName)
	args := []string{"-std=gnu11", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-pthread", "-Wl,-soname," + LibraryName, "-o", libPath}
	if len(missing) > 0 {
		script := filepath.Join(work, "version-script")
		local := "{ local: " + strings.Join(missing, "; ") + "; };\n"
		if err := os.WriteFile(script, []byte(local), 0o600); err != nil {
			return "", err
		}
		args = append(args, "-Wl,--version-script="+script)
	}
	args = append(append(args, files...), "-lm")
	if output, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("cc: %w\n%s", err, output)
	}
	return libPath, nil
}
