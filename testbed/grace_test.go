// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

// A Grace module is counted by one receiver: where the GPU's counter covers it, its CPU is a part of that; where not, it has
// an energy of its own. Until that is known, it is not told.
func TestGraceIsCountedOnce(t *testing.T) {
	t.Parallel()
	for name, module := range map[string]bool{"the counter covers the module": true, "the counter covers the GPU": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := unpackMachine(t, machines+"grace.txtar")
			scenario := fakenvml.Scenario{Epoch: time.Now(), GPUs: []fakenvml.GPU{{
				UUID: uuid(1), Name: "NVIDIA GH200 480GB", Power: fakenvml.Const{Watts: 300}, Module: fakenvml.Const{Watts: 600}, CountsModule: module,
			}}}
			g := startScenario(
				t, scenario,
				"yaml:receivers::nvmlenergy::root_path: "+root,
				"yaml:receivers::hostenergy: {root_path: "+root+", host_id: h1, host_name: n1, collection_interval: 100ms, initial_delay: 0s, attribution: {enabled: false}, metrics: {hw.energy.inner: {enabled: true}}}",
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
