// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

const (
	gpu0 = "GPU-11111111-aaaa-4bbb-8ccc-000000000000"
	gpu1 = "GPU-11111111-aaaa-4bbb-8ccc-000000000001"
	mig0 = "MIG-22222222-aaaa-5bbb-8ccc-000000000000"
)

func TestParseDeviceID(t *testing.T) {
	tests := map[string]struct {
		want    device
		replica bool
		ok      bool
	}{
		gpu0:                     {want: device{uuid: gpu0}, ok: true},
		mig0:                     {want: device{uuid: mig0}, ok: true},
		gpu0 + "::3":             {want: device{uuid: gpu0}, replica: true, ok: true},
		mig0 + "::0":             {want: device{uuid: mig0}, replica: true, ok: true},
		"MIG-" + gpu0 + "/1/0":   {want: device{uuid: "MIG-" + gpu0 + "/1/0"}, ok: true},
		"nvidia0":                {want: device{node: "nvidia0"}, ok: true},
		"nvidia15":               {want: device{node: "nvidia15"}, ok: true},
		"nvidia0/gi3":            {want: device{node: "nvidia0", slice: 4}, ok: true},
		"nvidia0/gi0":            {want: device{node: "nvidia0", slice: 1}, ok: true},
		"nvidia2/vgpu1":          {want: device{node: "nvidia2"}, replica: true, ok: true},
		"nvidia2/gi7/vgpu1":      {want: device{node: "nvidia2", slice: 8}, replica: true, ok: true},
		"":                       {},
		"GPU-":                   {},
		"MIG-" + gpu0:            {},
		"GPU-" + mig0:            {},
		gpu0 + "::":              {},
		gpu0 + "::x":             {},
		"::1":                    {},
		"nvidia":                 {},
		"nvidia0/":               {},
		"nvidia0/vgpu1/gi3":      {},
		"nvidia0/gi3/gi4":        {},
		"nvidia99999999999999":   {},
		"0000:17:00.0":           {},
		"ens1f0":                 {},
		"11111111-aaaa-4bbb-8cc": {},
	}
	for id, tt := range tests {
		t.Run(id, func(t *testing.T) {
			d, replica, ok := parseDeviceID(id)
			assert.Equal(t, tt.ok, ok)
			if ok {
				assert.Equal(t, tt.want, d)
				assert.Equal(t, tt.replica, replica)
			}
		})
	}
}

func TestUUIDWithin(t *testing.T) {
	for s, want := range map[string]string{
		"k8s.device-plugin.nvidia.com/gpu=" + gpu0: gpu0,
		"x/claim=" + mig0 + "-shared":              mig0,
		gpu1:                                       gpu1,
		"k8s.gpu.nvidia.com/claim=dab5ab50-d59a-42a6-af16-cfd4628c0f7a-gpu-0":            "",
		"k8s.gpu.nvidia.com/claim=dab5ab50-d59a-42a6-af16-cfd4628c0f7a-gpu-0-mig-1g-0-0": "",
		"vGPU-11111111-aaaa-4bbb-8ccc-000000000000":                                      "",
		"": "",
	} {
		got, ok := uuidWithin(s)
		assert.Equal(t, want, got, s)
		assert.Equal(t, want != "", ok, s)
	}
}

func FuzzDeviceID(f *testing.F) {
	for _, id := range []string{gpu0, mig0, gpu0 + "::1", "nvidia0/gi3/vgpu1", "MIG-" + gpu0 + "/1/0", "::"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		d, _, ok := parseDeviceID(id)
		if ok {
			assert.True(t, isDeviceUUID(d.uuid) || d.uuid == "" && d.node != "" && d.slice >= 0)
		}
		uuidWithin(id)
	})
}
