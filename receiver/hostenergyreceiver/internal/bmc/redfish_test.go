// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package bmc

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

// tree is a Redfish service, cut down from the shapes of DMTF's public mockups (DSP2043, public-rackmount1): what a client
// needs to find the power of a chassis.
var tree = map[string]string{
	"/redfish/v1/": `{"@odata.id": "/redfish/v1/", "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot", "Id": "RootService", "Name": "Root Service",
		"RedfishVersion": "1.15.0", "Chassis": {"@odata.id": "/redfish/v1/Chassis"}, "SessionService": {"@odata.id": "/redfish/v1/SessionService"},
		"Links": {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}}}`,
	"/redfish/v1/Chassis": `{"@odata.id": "/redfish/v1/Chassis", "@odata.type": "#ChassisCollection.ChassisCollection", "Name": "Chassis Collection",
		"Members@odata.count": 2, "Members": [{"@odata.id": "/redfish/v1/Chassis/Enclosure"}, {"@odata.id": "/redfish/v1/Chassis/1U"}]}`,
	"/redfish/v1/Chassis/Enclosure": `{"@odata.id": "/redfish/v1/Chassis/Enclosure", "@odata.type": "#Chassis.v1_22_0.Chassis", "Id": "Enclosure", "Name": "Enclosure", "ChassisType": "Enclosure"}`,
	"/redfish/v1/Chassis/1U": `{"@odata.id": "/redfish/v1/Chassis/1U", "@odata.type": "#Chassis.v1_22_0.Chassis", "Id": "1U", "Name": "Computer System Chassis", "ChassisType": "RackMount",
		"EnvironmentMetrics": {"@odata.id": "/redfish/v1/Chassis/1U/EnvironmentMetrics"}, "Power": {"@odata.id": "/redfish/v1/Chassis/1U/Power"}}`,
	"/redfish/v1/Chassis/1U/EnvironmentMetrics": `{"@odata.id": "/redfish/v1/Chassis/1U/EnvironmentMetrics", "@odata.type": "#EnvironmentMetrics.v1_3_0.EnvironmentMetrics",
		"Id": "EnvironmentMetrics", "Name": "Chassis Environment Metrics", "PowerWatts": {"DataSourceUri": "/redfish/v1/Chassis/1U/Sensors/TotalPower", "Reading": 374},
		"EnergykWh": {"Reading": 325675}}`,
	"/redfish/v1/Chassis/1U/Power": `{"@odata.id": "/redfish/v1/Chassis/1U/Power", "@odata.type": "#Power.v1_7_1.Power", "Id": "Power", "Name": "Power",
		"PowerControl": [{"@odata.id": "/redfish/v1/Chassis/1U/Power#/PowerControl/0", "MemberId": "0", "Name": "System Input Power", "PowerConsumedWatts": 344}]}`,
}

// service is that tree behind a login.
type fakeService struct {
	*httptest.Server

	mu     sync.Mutex
	tree   map[string]string
	tokens map[string]bool
	logins int
	broken http.HandlerFunc // answers everything but logins, if there is one
}

func newService(t *testing.T, change map[string]string) *fakeService {
	t.Helper()
	s := &fakeService{tree: maps.Clone(tree), tokens: map[string]bool{}}
	maps.Copy(s.tree, change)
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *fakeService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := r.URL.Path
	switch {
	case path == "/redfish/v1/SessionService/Sessions" && r.Method == http.MethodPost:
		var login struct{ UserName, Password string }
		if json.NewDecoder(r.Body).Decode(&login) != nil || login.UserName != "carbon" || login.Password != secret {
			http.Error(w, `{"error": {"code": "Base.1.0.GeneralError", "message": "no such user"}}`, http.StatusUnauthorized)
			return
		}
		s.logins++
		token := time.Now().String()
		s.tokens[token] = true
		w.Header().Set("X-Auth-Token", token)
		w.Header().Set("Location", "/redfish/v1/SessionService/Sessions/1")
		w.WriteHeader(http.StatusCreated)
		return
	case r.Method == http.MethodDelete:
		delete(s.tokens, r.Header.Get("X-Auth-Token"))
		w.WriteHeader(http.StatusNoContent)
		return
	case path != "/redfish/v1/" && path != "/redfish/v1" && !s.tokens[r.Header.Get("X-Auth-Token")]:
		http.Error(w, `{"error": {"code": "Base.1.0.GeneralError", "message": "no session"}}`, http.StatusUnauthorized)
		return
	case s.broken != nil:
		s.broken(w, r)
		return
	}
	if path == "/redfish/v1" {
		path += "/"
	}
	content := s.tree[path]
	if content == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(content))
}

func (s *fakeService) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *fakeService) meter(t *testing.T, password, chassis string) *Meter {
	t.Helper()
	client := s.Client()
	client.Timeout = time.Second
	cfg := RedfishConfig{Username: "carbon", Password: configopaque.String(password), Chassis: chassis}
	cfg.Endpoint = s.URL
	m := NewRedfish(cfg, client, time.Second)
	t.Cleanup(func() { m.Shutdown(context.WithoutCancel(t.Context())) })
	return m
}

// listing is the tree with these chassis in its collection, in their order.
func listing(change map[string]string, ids ...string) map[string]string {
	var members []string
	for _, id := range ids {
		members = append(members, `{"@odata.id": "/redfish/v1/Chassis/`+id+`"}`)
	}
	listed := maps.Clone(change)
	listed["/redfish/v1/Chassis"] = `{"@odata.id": "/redfish/v1/Chassis", "Name": "Chassis Collection", "Members": [` + strings.Join(members, ", ") + `]}`
	return listed
}

// telling is a chassis that says how much it draws.
func telling(id, links string, watts int) map[string]string {
	path := "/redfish/v1/Chassis/" + id
	return map[string]string{
		path:                         `{"@odata.id": "` + path + `", "Id": "` + id + `", "Name": "` + id + `", "Links": {` + links + `}, "EnvironmentMetrics": {"@odata.id": "` + path + `/EnvironmentMetrics"}}`,
		path + "/EnvironmentMetrics": fmt.Sprintf(`{"@odata.id": "%s/EnvironmentMetrics", "Id": "EnvironmentMetrics", "Name": "n", "PowerWatts": {"Reading": %d}}`, path, watts),
	}
}

// systems are those of a service, by what chassis they are in.
func systems(in map[string]string) map[string]string {
	var members []string
	tree := map[string]string{"/redfish/v1/": strings.Replace(tree["/redfish/v1/"], `"Chassis":`, `"Systems": {"@odata.id": "/redfish/v1/Systems"}, "Chassis":`, 1)}
	for _, id := range slices.Sorted(maps.Keys(in)) {
		path := "/redfish/v1/Systems/" + id
		members = append(members, `{"@odata.id": "`+path+`"}`)
		tree[path] = `{"@odata.id": "` + path + `", "Id": "` + id + `", "Name": "n", "Links": {"Chassis": [{"@odata.id": "/redfish/v1/Chassis/` + in[id] + `"}]}}`
	}
	tree["/redfish/v1/Systems"] = `{"@odata.id": "/redfish/v1/Systems", "Name": "Systems", "Members": [` + strings.Join(members, ", ") + `]}`
	return tree
}

func both(trees ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, tree := range trees {
		maps.Copy(all, tree)
	}
	return all
}

func TestRedfish(t *testing.T) {
	const metrics, contained = "/redfish/v1/Chassis/1U/EnvironmentMetrics", `"ContainedBy": {"@odata.id": "/redfish/v1/Chassis/1U"}`
	old := map[string]string{metrics: `{"Id": "EnvironmentMetrics", "Name": "n", "PowerWatts": {"Reading": null}}`}
	gpu := listing(telling("GPU_0", contained, 312), "GPU_0", "1U")
	baseboard := listing(telling("HGX_Chassis_0", "", 290), "HGX_Chassis_0", "1U")
	enclosure := listing(telling("Enclosure", "", 9000), "Enclosure", "1U")
	for name, tc := range map[string]struct {
		tree    map[string]string
		chassis string
		watts   float64
		err     string
	}{
		"environment metrics":         {nil, "", 374, ""},
		"power, of older services":    {old, "", 344, ""},
		"a chassis by its id":         {nil, "1U", 374, ""},
		"one that is not there":       {nil, "2U", 0, `chassis: there is no "2U"`},
		"one that tells no power":     {nil, "Enclosure", 0, "no chassis tells a power"},
		"an answer that is cut off":   {map[string]string{metrics: `{"Id": `}, "", 344, ""},
		"metrics that are not there":  {map[string]string{metrics: ""}, "", 344, ""},
		"nothing but what is cut off": {map[string]string{metrics: `{"Id": `, "/redfish/v1/Chassis/1U/Power": ""}, "", 0, "/EnvironmentMetrics"},

		"a part of it comes first":             {gpu, "", 374, ""},
		"a part, by its id":                    {gpu, "GPU_0", 312, ""},
		"one by its id, another out of order":  {both(gpu, map[string]string{"/redfish/v1/Chassis/1U": "{"}), "GPU_0", 312, ""},
		"a part that does not say so":          {both(baseboard, systems(map[string]string{"1": "1U"})), "", 374, ""},
		"a part that is a system as well":      {both(baseboard, systems(map[string]string{"1": "1U", "0": "HGX_Chassis_0"})), "", 374, ""},
		"a machine in an enclosure of several": {both(enclosure, systems(map[string]string{"1": "1U"})), "", 374, ""},
		"a system in a chassis of no power":    {systems(map[string]string{"1": "Enclosure"}), "", 374, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, tc.tree)
			m := s.meter(t, secret, tc.chassis)
			assert.Equal(t, sensor.Redfish, m.Source().Driver)
			watts, err := m.service.power(t.Context())
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			assert.InDelta(t, tc.watts, watts, 0)
			assert.Equal(t, "chassis "+cmp.Or(tc.chassis, "1U"), m.service.what())
			for range 3 {
				require.NoError(t, m.ask(t.Context()))
			}
			assert.Equal(t, 1, s.logins, "a session is kept")
			m.Shutdown(t.Context())
			assert.Empty(t, s.tokens, "and ended")
		})
	}
}

// While one that may be the machine does not answer, no other is taken for it: that may be a part.
func TestRedfishDoesNotGuess(t *testing.T) {
	s := newService(t, both(listing(telling("HGX_Chassis_0", "", 290), "HGX_Chassis_0", "1U"), systems(map[string]string{"0": "HGX_Chassis_0", "1": "1U"})))
	m := s.meter(t, secret, "")
	s.set(func() {
		s.broken = func(w http.ResponseWriter, r *http.Request) {
			if content, path := s.tree[r.URL.Path], r.URL.Path; content != "" && !strings.HasPrefix(path, "/redfish/v1/Chassis/1U/") {
				_, _ = w.Write([]byte(content))
				return
			}
			http.Error(w, "busy", http.StatusServiceUnavailable)
		}
	})
	require.ErrorContains(t, m.ask(t.Context()), "503")
	assert.Empty(t, m.What())
	s.set(func() { s.broken = nil })
	require.NoError(t, m.ask(t.Context()))
	assert.Equal(t, "chassis 1U", m.What())
}

func TestRedfishInTrouble(t *testing.T) {
	s := newService(t, nil)
	m := s.meter(t, secret, "")
	require.NoError(t, m.ask(t.Context()))

	s.set(func() { clear(s.tokens) })
	require.ErrorContains(t, m.ask(t.Context()), "401", "the session has expired")
	require.NoError(t, m.ask(t.Context()), "and there is a new one")

	for name, broken := range map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "out of order", http.StatusInternalServerError)
		},
		"garbage": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = w.Write([]byte("{"))
		},
		"slow": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			s.set(func() { s.broken = broken })
			before := m.Microjoules()
			require.Error(t, m.ask(t.Context()))
			assert.Equal(t, before, m.Microjoules())
			s.set(func() { s.broken = nil })
			require.NoError(t, m.ask(t.Context()))
		})
	}

	wrong := s.meter(t, secret+"?", "")
	err := wrong.ask(t.Context())
	require.ErrorContains(t, err, "log in at "+s.URL)
	assert.NotContains(t, err.Error(), secret)

	cfg := RedfishConfig{Username: "carbon", Password: secret}
	cfg.Endpoint = s.URL
	stranger := NewRedfish(cfg, &http.Client{Timeout: time.Second}, time.Second)
	require.ErrorContains(t, stranger.ask(t.Context()), "certificate", "nobody is trusted who is not known")
}

// A new firmware of the BMC calls the chassis by another name: it is found again.
func TestChassisIsRenamed(t *testing.T) {
	s := newService(t, nil)
	m := s.meter(t, secret, "")
	watts, err := m.service.power(t.Context())
	require.NoError(t, err)
	assert.InDelta(t, 374.0, watts, 0)
	s.set(func() {
		maps.Copy(s.tree, listing(telling("Self", "", 380), "Self"))
		for _, gone := range []string{"/redfish/v1/Chassis/1U", "/redfish/v1/Chassis/1U/EnvironmentMetrics", "/redfish/v1/Chassis/1U/Power"} {
			delete(s.tree, gone)
		}
	})
	for range 5 {
		watts, err = m.service.power(t.Context())
	}
	require.NoError(t, err)
	assert.InDelta(t, 380.0, watts, 0)
}
