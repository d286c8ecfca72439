// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package staged

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gatesOf asks a Prometheus that always answers so.
func gatesOf(t *testing.T, data string) *gates {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"status":"success","data":%s}`, data)
	}))
	t.Cleanup(server.Close)
	g, err := newGates(server.URL, "ns", []string{"a", "b"})
	require.NoError(t, err)
	return g
}

func rule(health, alerts string) string {
	return fmt.Sprintf(`{"groups":[{"name":"g","file":"f","interval":30,"rules":[
		{"type":"recording","name":"Gate","query":"1","health":"ok"},
		{"type":"alerting","name":"Other","query":"1","health":"err","alerts":[]},
		{"type":"alerting","name":"Gate","query":"1","duration":0,"labels":{},"annotations":{},"health":%q,"lastError":"too many samples","alerts":[%s]}]}]}`, health, alerts)
}

func alert(state, labels string) string {
	return fmt.Sprintf(`{"state":%q,"labels":{%s},"annotations":{"summary":"says so"},"activeAt":"2026-03-02T08:00:00Z","value":"1"}`, state, labels)
}

func TestFiring(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rules string
		fires bool
		err   string
	}{
		"quiet":               {rules: rule("ok", "")},
		"of the job":          {rules: rule("ok", alert("firing", `"job":"x-canary"`)), fires: true},
		"pending":             {rules: rule("ok", alert("pending", `"job":"x-canary"`))},
		"of another job":      {rules: rule("ok", alert("firing", `"job":"x","pod":"x-canary-1","namespace":"ns"`))},
		"of the pod":          {rules: rule("ok", alert("firing", `"pod":"x-canary-1","namespace":"ns"`)), fires: true},
		"of another pod":      {rules: rule("ok", alert("firing", `"pod":"x-1","namespace":"ns"`))},
		"of a namesake":       {rules: rule("ok", alert("firing", `"pod":"x-canary-1","namespace":"other"`))},
		"cannot be evaluated": {rules: rule("err", ""), err: `prometheus cannot evaluate Gate: health is "err", not ok: too many samples`},
		"not evaluated yet":   {rules: rule("unknown", ""), err: `health is "unknown"`},
		"not loaded":          {rules: `{"groups":[]}`, err: "prometheus has no rule Gate"},
		"no answer":           {rules: `{`, err: "no rules from prometheus"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := gatesOf(t, c.rules).firing(t.Context(), []string{"Gate"}, []string{"x-canary"})
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			if !c.fires {
				assert.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			assert.EqualError(t, found[0], "Gate: says so")
		})
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	for data, want := range map[string][]string{
		`{"resultType":"vector","result":[]}`:                                                                                        {"a", "b"},
		`{"resultType":"vector","result":[{"metric":{"__name__":"b"},"value":[1,"0"]}]}`:                                             {"a"},
		`{"resultType":"vector","result":[{"metric":{"__name__":"b"},"value":[1,"0"]},{"metric":{"__name__":"a"},"value":[1,"2"]}]}`: {},
	} {
		missing, err := gatesOf(t, data).missing(t.Context(), "job")
		require.NoError(t, err)
		assert.Equal(t, want, missing)
	}
	_, err := gatesOf(t, `{"resultType":"scalar","result":[1,"1"]}`).missing(t.Context(), "job")
	require.ErrorContains(t, err, "scalar, not a vector")
	_, err = newGates(":", "ns", nil)
	require.ErrorContains(t, err, `prometheus ":"`)
}
