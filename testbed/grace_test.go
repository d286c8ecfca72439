// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

// A Grace module is counted by one receiver: where the GPU's counter covers it, its CPU is a part of that; where not, it has
// an energy of its own. Until that is known, it is not told. One may see the machine where it is mounted, and the other at /.
func TestGraceIsCountedOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ module, elsewhere bool }{
		"the counter covers the module":                 {module: true},
		"the counter covers the GPU":                    {},
		"the counter covers the module at another root": {module: true, elsewhere: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			module, root := tt.module, unpackMachine(t, machines+"grace.txtar")
			gpuRoot := root
			if tt.elsewhere { // what runs the same kernel is the same machine
				gpuRoot = "/"
				const id = "/proc/sys/kernel/random/boot_id"
				boot, err := os.ReadFile(id)
				require.NoError(t, err)
				require.NoError(t, os.MkdirAll(filepath.Dir(root+id), 0o700))
				require.NoError(t, os.WriteFile(root+id, boot, 0o600))
			}
			scenario := fakenvml.Scenario{Epoch: time.Now(), GPUs: []fakenvml.GPU{{
				UUID: uuid(1), Name: "NVIDIA GH200 480GB", Power: fakenvml.Const{Watts: 300}, Module: fakenvml.Const{Watts: 600}, CountsModule: module,
			}}}
			g := startScenario(
				t, scenario,
				"yaml:receivers::nvmlenergy::root_path: "+gpuRoot,
				"yaml:receivers::hostenergy: {root_path: "+root+", host_id: h1, host_name: n1, collection_interval: 100ms, attribution: {enabled: false}, metrics: {hw.energy.inner: {enabled: true}}}",
				"yaml:service::pipelines::metrics/cumulative::receivers: [hostenergy, nvmlenergy]",
			)
			of := func(metric, id string) []point { return g.cumulative(metric, id) }
			place := map[bool]string{true: "hw.energy.inner", false: "hw.energy"}
			g.eventually(func() bool { return len(of("hw.energy", uuid(1))) > 0 && len(of(place[module], "package-0")) > 0 }, "both")
			g.eventually(func() bool { p := of(place[module], "package-0"); return p[len(p)-1].value > 0 }, "energy of the CPU")
			assert.Empty(t, of(place[!module], "package-0"))
			assert.Empty(t, of("hw.energy", "module-0"))
			scope := map[bool]string{true: "module", false: "gpu"}
			assert.Equal(t, scope[module], of("hw.energy", uuid(1))[0].attributes["energy.scope"])
			require.Zero(t, g.stop())
		})
	}
}
