// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var changes = regexp.MustCompile(`Set|Reset|Clear|Freeze|Create|Destroy|Power(On|Off)|Modify|Inject|Trigger|Activate`)

// The check changes no setting: it calls only what is listed, and what is listed only reads.
func TestOnlyListedSymbolsAreCalled(t *testing.T) {
	for _, symbol := range Symbols {
		assert.NotRegexp(t, changes, symbol)
		assert.Regexp(t, `^nvml(Init|Shutdown|.*Get|Gpm(Query|SampleAlloc|SampleFree))`, symbol)
	}
	version := regexp.MustCompile(`_v\d+$`)
	listed := map[string]bool{}
	for _, symbol := range Symbols {
		listed[version.ReplaceAllString(symbol, "")] = true
	}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	called := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			method, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			receiver, ok := method.X.(*ast.SelectorExpr)
			if !ok || (receiver.Sel.Name != "lib" && receiver.Sel.Name != "raw") {
				return true
			}
			called++
			name := method.Sel.Name
			found := listed["nvml"+name] || (receiver.Sel.Name == "raw" && listed["nvmlDevice"+name])
			assert.True(t, found, "%s calls %s, which is not listed", file, name)
			return true
		})
	}
	assert.GreaterOrEqual(t, called, 25)
}

// Nobody else in the check calls the driver.
func TestOnlyThisPackageImportsNVML(t *testing.T) {
	err := filepath.WalkDir("../..", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || filepath.Base(filepath.Dir(path)) == "driver" {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range parsed.Imports {
			assert.NotContains(t, spec.Path.Value, "go-nvml", path)
		}
		return nil
	})
	require.NoError(t, err)
}

// Of CUDA, too, only what concerns the process itself is used.
func TestCUDAChangesNoSetting(t *testing.T) {
	source, err := os.ReadFile("../cuda/driver.c")
	require.NoError(t, err)
	var used []string
	for _, m := range regexp.MustCompile(`F\((cu\w+),`).FindAllStringSubmatch(string(source), -1) {
		used = append(used, m[1])
	}
	slices.Sort(used)
	assert.Equal(t, []string{
		"cuCtxSetCurrent", "cuDeviceGet", "cuDeviceGetAttribute", "cuDeviceGetCount", "cuDeviceGetName", "cuDeviceGetUuid",
		"cuDevicePrimaryCtxRelease_v2", "cuDevicePrimaryCtxRetain", "cuDriverGetVersion", "cuEventCreate", "cuEventElapsedTime",
		"cuEventRecord", "cuEventSynchronize", "cuGetErrorName", "cuInit", "cuLaunchKernel", "cuMemAlloc_v2", "cuMemFree_v2",
		"cuModuleGetFunction", "cuModuleLoadData", "cuStreamCreate",
	}, used)
}

func TestFailures(t *testing.T) {
	require.EqualError(t, &Failure{"nvmlInit_v2", 9}, "nvmlInit_v2: DRIVER_NOT_LOADED")
	assert.True(t, IsNotSupported(&Failure{"x", functionNotFound}))
	assert.True(t, IsNotFound(&Failure{"x", notFound}))
	assert.False(t, IsNotSupported(nil))
	assert.Equal(t, "OTHER", ReturnName(77))
}
