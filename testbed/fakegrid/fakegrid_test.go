// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func decodes(api API, body []byte) bool {
	if api == ENTSOE {
		return xml.Unmarshal(body, new(entsoeAnswer)) == nil
	}
	return json.Valid(body)
}

func TestFaultsOfEveryAPI(t *testing.T) {
	for api := range services {
		t.Run(string(api), func(t *testing.T) {
			s := started(t)
			ask := func(faults ...Fault) response {
				s.Fail(api, faults...)
				return get(t, s, api, paths[api])
			}
			good := ask()
			require.Equal(t, 200, good.status, "%s", good.body)
			require.True(t, decodes(api, good.body))

			for _, code := range []int{400, 401, 403, 404, 422, 429, 500, 503} {
				r := ask(Status(code, ""))
				assert.Equal(t, code, r.status)
				assert.NotEmpty(t, r.body)
				assert.Equal(t, "mine", string(ask(Status(code, "mine")).body))
			}
			assert.NotContains(t, ask(Throttle("")).header, "Retry-After")
			throttled := ask(Throttle("7"))
			assert.Equal(t, []string{"7"}, throttled.header["Retry-After"])
			assert.Equal(t, 429, throttled.status)

			cutOff := ask(CutOff())
			require.ErrorIs(t, cutOff.err, io.ErrUnexpectedEOF)
			assert.Equal(t, good.body[:len(good.body)/2], cutOff.body)
			for _, fault := range []Fault{Garbage(), HTML()} {
				r := ask(fault)
				assert.Equal(t, 200, r.status)
				assert.False(t, decodes(api, r.body))
			}
			assert.Equal(t, "text/html; charset=utf-8", ask(HTML()).header.Get("Content-Type"))
			huge := ask(Huge())
			assert.Greater(t, len(huge.body), 10<<20)
			assert.Equal(t, string(good.body), strings.TrimSpace(string(huge.body)))
			redirect := ask(Redirect("http://127.0.0.2/"))
			assert.Equal(t, []any{307, "http://127.0.0.2/"}, []any{redirect.status, redirect.header.Get("Location")})

			different := map[string][]Fault{"skewed": {Skew(time.Hour)}, "nulls": {Nulls()}, "duplicates": {Duplicates()}, "unsorted": {Unsorted()}}
			if services[api].others != nil && api != NESO { // the whole of GB has no name
				different["wrong zone"] = []Fault{WrongZone()}
			}
			for name, faults := range different {
				r := ask(faults...)
				assert.Equal(t, 200, r.status, name)
				assert.True(t, decodes(api, r.body), name)
				assert.NotEqual(t, string(good.body), string(r.body), name)
			}
			assert.Equal(t, string(good.body), string(ask().body), "all is well again")
		})
	}
}

// A fault does what it is named after, as one API shows it.
func TestFaultsInTheData(t *testing.T) {
	s := started(t)
	times := func(faults ...Fault) (starts []string) {
		s.Fail(WattTime, faults...)
		for _, v := range at(t, get(t, s, WattTime, paths[WattTime]).json(t), "data").([]any) {
			starts = append(starts, at(t, v, "point_time").(string)[11:16])
		}
		return starts
	}
	assert.Equal(t, []string{"11:55", "12:00"}, times())
	assert.Equal(t, []string{"12:55", "13:00"}, times(Skew(time.Hour)))
	assert.Equal(t, []string{"11:55", "11:55", "12:00", "12:00"}, times(Duplicates()))
	assert.Equal(t, []string{"12:00", "11:55"}, times(Unsorted()))
	assert.Equal(t, []string{"12:00", "12:00", "11:55", "11:55"}, times(Duplicates(), Unsorted()))
	s.Fail(WattTime, Nulls(), WrongZone())
	a := get(t, s, WattTime, paths[WattTime]).json(t)
	assert.Nil(t, at(t, a, "data", 0, "value"))
	assert.Equal(t, "ISONE_WCMA", at(t, a, "meta", "region"))
}

// Slow waits for its time, for the client, and for the end of the test, whichever comes first. The connection is
// in memory: there time is the test's own.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{tb: t, stopped: make(chan struct{}), now: time.Now, apis: map[API]*state{NESO: {}}}
		s.Fail(NESO, Slow(time.Hour), Status(500, ""))
		theirs, ours := net.Pipe()
		listener := &one{conn: ours, closed: make(chan struct{})}
		server := http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: time.Minute}
		go func() { _ = server.Serve(listener) }()
		client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return theirs, nil }, DisableKeepAlives: true}}
		start := time.Now()
		r, err := client.Get("http://fake/neso/intensity")
		require.NoError(t, err)
		require.NoError(t, r.Body.Close())
		assert.Equal(t, time.Hour, time.Since(start))
		assert.Equal(t, 500, r.StatusCode)
		require.NoError(t, server.Close())
	})
	s := started(t) // its cleanup does not wait
	s.Fail(NESO, Slow(time.Hour))
	client := http.Client{Timeout: 10 * time.Millisecond}
	_, err := client.Get(s.Endpoint(NESO) + "/intensity") //nolint:bodyclose // there is none
	require.ErrorContains(t, err, "Client.Timeout")
}

// one connection to accept.
type one struct {
	conn   net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *one) Accept() (net.Conn, error) {
	if conn := l.conn; conn != nil {
		l.conn = nil
		return conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *one) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *one) Addr() net.Addr { return &net.TCPAddr{} }

func TestCredentials(t *testing.T) {
	for api, tt := range map[API]struct {
		status        int
		header, query string // how the credential is shown
		missing       string // part of the answer without one
		wrong         string
	}{
		ElectricityMaps: {status: 401, header: "auth-token", missing: `{"error":"Invalid auth-token"}`, wrong: "Invalid auth-token"},
		ENTSOE:          {status: 401, query: "securityToken", missing: "<code>999</code><text>Unauthorized", wrong: "invalid security token"},
		EIA:             {status: 403, query: "api_key", missing: "API_KEY_MISSING", wrong: "API_KEY_INVALID"},
		OpenElectricity: {status: 401, header: "Authorization", missing: `"success":false`, wrong: "Invalid API key"},
	} {
		t.Run(string(api), func(t *testing.T) {
			s := started(t)
			require.Equal(t, 200, get(t, s, api, paths[api]).status, "none is required")
			s.Require(api, "secret")
			ask := func(credential string) response {
				switch {
				case tt.query != "":
					return get(t, s, api, paths[api]+"&"+tt.query+"="+credential)
				case tt.header == "Authorization":
					return get(t, s, api, paths[api], tt.header, "Bearer "+credential)
				}
				return get(t, s, api, paths[api], tt.header, credential)
			}
			none, wrong := get(t, s, api, paths[api]), ask("other")
			assert.Equal(t, []int{tt.status, tt.status}, []int{none.status, wrong.status})
			assert.Contains(t, string(none.body), tt.missing)
			assert.Contains(t, string(wrong.body), tt.wrong)
			assert.Equal(t, 200, ask("secret").status)
			s.Require(api, "")
			assert.Equal(t, 200, get(t, s, api, paths[api]).status)
		})
	}
}

func TestWattTimeTokens(t *testing.T) {
	s := started(t)
	s.Require(WattTime, "me:secret")
	login := func(credential string) response {
		return get(t, s, WattTime, "/login", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(credential)))
	}
	assert.Equal(t, 401, get(t, s, WattTime, "/login").status)
	assert.Equal(t, 401, login("me:other").status)
	token := at(t, login("me:secret").json(t), "token").(string)
	assert.NotEqual(t, token, at(t, login("me:secret").json(t), "token"), "each is another")
	ask := func(token string) int {
		return get(t, s, WattTime, paths[WattTime], "Authorization", "Bearer "+token).status
	}
	assert.Equal(t, 401, ask("other"))
	assert.Equal(t, 200, ask(token))
	s.SetNow(func() time.Time { return noon.Add(wattTimeLife - 1) })
	assert.Equal(t, 200, ask(token))
	s.SetNow(func() time.Time { return noon.Add(wattTimeLife) })
	assert.Equal(t, 401, ask(token))
	assert.Equal(t, 200, ask(at(t, login("me:secret").json(t), "token").(string)))
}

func TestRevisedHistory(t *testing.T) {
	s := Start(t)
	now := noon
	var mu sync.Mutex
	s.SetNow(func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	})
	set := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = noon.Add(d)
	}
	hour := func(grams float64, kind Kind, updated time.Duration) Point {
		return Point{Start: noon, End: noon.Add(time.Hour), GramsPerKWh: &grams, Kind: kind, Updated: noon.Add(updated)}
	}
	s.Publish(ElectricityMaps, "DE", hour(250, Forecast, -time.Hour), hour(300, Estimated, 10*time.Minute), hour(320, Measured, 3*time.Hour))
	known := func() []any {
		list := at(t, get(t, s, ElectricityMaps, paths[ElectricityMaps]).json(t), "data").([]any)
		if len(list) == 0 {
			return nil
		}
		require.Len(t, list, 1)
		return []any{at(t, list[0], "carbonIntensity"), at(t, list[0], "isEstimated"), at(t, list[0], "updatedAt").(string)[11:16]}
	}
	assert.Nil(t, known(), "it is not estimated yet")
	assert.Equal(t, 404, get(t, s, ElectricityMaps, "/v4/carbon-intensity/latest?zone=DE").status)
	set(10 * time.Minute)
	assert.Equal(t, []any{300.0, true, "12:10"}, known())
	set(3 * time.Hour)
	assert.Equal(t, []any{320.0, false, "15:00"}, known())
	s.Publish(ElectricityMaps, "DE", hour(310, Measured, 3*time.Hour))
	assert.Equal(t, []any{310.0, false, "15:00"}, known(), "the last one that was published")
	assert.Len(t, at(t, get(t, s, ElectricityMaps, "/v4/carbon-intensity/history?zone=DE").json(t), "history"), 1)

	for _, megawattHours := range []float64{10, 12} {
		s.PublishMix(EIA, "CISO", Mix{noon.Add(-time.Hour), noon, map[string]float64{"NG": megawattHours}})
	}
	a := get(t, s, EIA, paths[EIA]).json(t)
	assert.Equal(t, "12", at(t, a, "response", "data", 0, "value"))
	assert.InDelta(t, 1, at(t, a, "response", "total"), 0)
}

// What is measured of the future is not there yet, so that a day can be published at once.
func TestTheClockUncoversWhatWasPublished(t *testing.T) {
	for api := range services {
		t.Run(string(api), func(t *testing.T) {
			s := started(t)
			s.SetNow(func() time.Time { return noon.Add(-3 * time.Hour) })
			before := get(t, s, api, paths[api])
			s.SetNow(func() time.Time { return noon })
			assert.NotEqual(t, string(before.body), string(get(t, s, api, paths[api]).body))
		})
	}
}

func TestNothingElseIsServed(t *testing.T) {
	s := Start(t)
	r, err := http.Get(strings.TrimSuffix(s.Endpoint(RTE), "rte") + "other")
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	assert.Equal(t, 404, r.StatusCode)
	r, err = http.Post(s.Endpoint(RTE), "text/plain", http.NoBody)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	assert.Equal(t, 405, r.StatusCode)
	assert.True(t, strings.HasPrefix(s.Endpoint(RTE), "http://127.0.0.1:"))
}

// The race detector looks on.
func TestConcurrentUse(t *testing.T) {
	s := started(t)
	var all sync.WaitGroup
	for api := range services {
		all.Go(func() {
			for range 5 {
				assert.Equal(t, 200, get(t, s, api, paths[api]).status)
			}
		})
		all.Go(func() {
			for range 5 {
				if services[api].mixed {
					s.PublishMix(api, zones[api], mixes[api]...)
				} else {
					s.Publish(api, zones[api], Point{Start: noon, End: noon.Add(steps[api]), GramsPerKWh: new(1.0)})
				}
				s.Fail(api, Duplicates())
				s.Fail(api)
				s.SetNow(func() time.Time { return noon })
				s.Requests(api)
			}
		})
	}
	all.Wait()
}
