// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package fakegrid is one HTTP server on the loopback that speaks the APIs of services that know what the grid
// emits, with the data and the faults that a test gives it.
package fakegrid

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// API is a service. It is also the first part of the path of its URLs here.
type API string

// The services.
const (
	ElectricityMaps API = "electricitymaps"
	WattTime        API = "watttime"
	NESO            API = "neso"
	EnergyCharts    API = "energycharts"
	ENTSOE          API = "entsoe"
	EIA             API = "eia"
	RTE             API = "rte"
	Energinet       API = "energinet"
	OpenElectricity API = "openelectricity"
)

var services = map[API]service{
	ElectricityMaps: electricityMaps,
	WattTime:        wattTime,
	NESO:            neso,
	EnergyCharts:    energyCharts,
	ENTSOE:          entsoe,
	EIA:             eia,
	RTE:             rte,
	Energinet:       energinet,
	OpenElectricity: openElectricity,
}

// service is what is special about an API.
type service struct {
	// mixed services have generation by fuel, the others intensities.
	mixed bool
	// others are zones for WrongZone; nil if answers name no zone.
	others []string
	answer func(*query) reply
	// refuse is the form of the documented errors.
	refuse func(status int, message string) reply
	// credential is what a request shows; nil if the service wants none.
	credential func(*query) string
	// denied answers a wrong or missing (empty) credential.
	denied func(credential string) reply
}

// Server serves until the test ends. Its methods are safe for concurrent use.
type Server struct {
	tb      testing.TB
	http    *httptest.Server
	stopped chan struct{}

	mu    sync.Mutex
	now   func() time.Time
	curve string
	apis  map[API]*state
}

// state of one API.
type state struct {
	points     map[string][]Point // by zone, also those that were replaced
	mixes      map[string][]Mix
	prices     map[string][]Price // by area
	faults     []Fault
	credential string
	tokens     map[string]time.Time // when WattTime gave them out
	requests   []Request
}

// Request as it came in. Path is below the endpoint.
type Request struct {
	Method, Path string
	Query        url.Values
	Header       http.Header
	At           time.Time
}

// Start runs a server on 127.0.0.1. All its services are there, without any data.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, stopped: make(chan struct{}), now: time.Now, curve: "A03", apis: map[API]*state{}}
	for api := range services {
		s.apis[api] = &state{points: map[string][]Point{}, mixes: map[string][]Mix{}, prices: map[string][]Price{}, tokens: map[string]time.Time{}}
	}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	tb.Cleanup(func() {
		close(s.stopped) // those that are slow on purpose
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// Endpoint is the base URL of an API, without a slash at its end.
func (s *Server) Endpoint(api API) string {
	s.tb.Helper()
	s.state(api)
	return s.http.URL + "/" + string(api)
}

// SetNow sets the clock by which the server decides what is known already; time.Now if never called.
func (s *Server) SetNow(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}

// Require makes an API refuse requests without this credential: its token or key; "username:password" for
// WattTime. An empty one ends that.
func (s *Server) Require(api API, credential string) {
	s.tb.Helper()
	require.NotNil(s.tb, services[api].credential, "%s takes no credential", api)
	state := s.state(api)
	s.mu.Lock()
	defer s.mu.Unlock()
	state.credential = credential
}

// Fail makes an API answer with faults, all at once, until it is called again. Without faults all is well.
func (s *Server) Fail(api API, faults ...Fault) {
	s.tb.Helper()
	state := s.state(api)
	e := effectsOf(faults)
	require.False(s.tb, e.wrongZone && services[api].others == nil, "answers of %s name no zone", api)
	require.False(s.tb, e.sandbox && api != ElectricityMaps, "%s has no sandbox", api)
	s.mu.Lock()
	defer s.mu.Unlock()
	state.faults = slices.Clone(faults)
}

// Requests are all that an API got, in order.
func (s *Server) Requests(api API) []Request {
	s.tb.Helper()
	state := s.state(api)
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(state.requests)
}

func (s *Server) state(api API) *state {
	s.tb.Helper()
	require.Contains(s.tb, services, api)
	return s.apis[api]
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	name, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	api := API(name)
	service, ok := services[api]
	if !ok {
		http.NotFound(w, r)
		return
	}
	answer, e := s.reply(api, &service, "/"+path, r)
	if e.delay > 0 {
		select {
		case <-time.After(e.delay):
		case <-r.Context().Done():
		case <-s.stopped:
		}
	}
	answer.write(w, &e)
}

func (s *Server) reply(api API, service *service, path string, r *http.Request) (reply, effects) {
	s.mu.Lock()
	clock := s.now
	s.mu.Unlock()
	now := clock() // not under the lock: it is the test's
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.apis[api]
	state.requests = append(state.requests, Request{r.Method, path, r.URL.Query(), r.Header.Clone(), now})
	e := effectsOf(state.faults)
	q := &query{
		state: state, service: service, effects: &e, curve: s.curve, now: now.UTC(),
		path: path, Values: r.URL.Query(), header: r.Header, basic: basic(r),
	}
	if e.answer != nil {
		return e.answer(service), e
	}
	if r.Method != http.MethodGet {
		return service.refuse(http.StatusMethodNotAllowed, "method not allowed"), e
	}
	if state.credential != "" {
		if shown := service.credential(q); shown != state.credential {
			return service.denied(shown), e
		}
	}
	return service.answer(q), e
}

// query is a request to an API, and what it may know to answer it.
type query struct {
	url.Values
	state   *state
	service *service
	effects *effects
	curve   string
	now     time.Time
	path    string
	header  http.Header
	basic   string // "username:password"
}

// zone that the answer names.
func (q *query) zone(asked string) string {
	if q.effects.wrongZone {
		for _, other := range q.service.others {
			if other != asked {
				return other
			}
		}
	}
	return asked
}

func (q *query) bearer() string {
	token, _ := strings.CutPrefix(q.header.Get("Authorization"), "Bearer ")
	return token
}

func basic(r *http.Request) string {
	user, password, ok := r.BasicAuth()
	if !ok {
		return ""
	}
	return user + ":" + password
}

// issue gives out a token, each time another.
func (q *query) issue() string {
	sum := sha256.Sum256([]byte(q.basic + q.now.String() + string(rune(len(q.state.tokens)))))
	const enough = 22
	token := hex.EncodeToString(sum[:])[:enough]
	q.state.tokens[token] = q.now
	return token
}
