// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wattTimeServer is the service without a network, so that time can be made to pass.
type wattTimeServer struct {
	takes  time.Duration // to log in
	login  string        // the answer to it, instead of a token
	status int           // of the login
	answer func(r *http.Request) (status int, body string)

	mu       sync.Mutex
	logins   int
	issued   time.Time
	requests []*http.Request
}

func (s *wattTimeServer) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := s.reply(r)
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func (s *wattTimeServer) reply(r *http.Request) (int, string) {
	if r.URL.Path == "/login" {
		time.Sleep(s.takes)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.logins++
		s.issued = time.Now()
		if s.login != "" {
			return s.status, s.login
		}
		user, password, _ := r.BasicAuth()
		if user != testUser || password != testPassword {
			return 401, `{"error":"UNAUTHORIZED","message":"Invalid credentials","docs":"https://docs.watttime.org/"}`
		}
		return 200, fmt.Sprintf(`{"token":"session-token-%d"}`, s.logins)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	if r.Header.Get("Authorization") != fmt.Sprintf("Bearer session-token-%d", s.logins) || time.Since(s.issued) >= 30*time.Minute {
		return 401, `{"error":"UNAUTHORIZED","message":"Token expired: ` + r.Header.Get("Authorization") + `"}`
	}
	return s.answer(r)
}

func (s *wattTimeServer) provider(change func(*Settings)) Provider {
	settings := Settings{
		Name: "mine", Provenance: wattTime.Provenance, Endpoint: "https://watttime.example", Client: &http.Client{Transport: s},
		Username: testUser, Password: testPassword,
	}
	if change != nil {
		change(&settings)
	}
	p, _ := wattTime.New(settings)
	return p
}

func always(status int, body string) func(*http.Request) (int, string) {
	return func(*http.Request) (int, string) { return status, body }
}

func TestOneLoginForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &wattTimeServer{takes: time.Second, answer: always(200, documented(t, "watttime", "forecast", "200"))}
		p := s.provider(nil)
		all := func() {
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					_, err := p.Forecast(t.Context(), "CAISO_NORTH")
					assert.NoError(t, err)
				})
			}
			wg.Wait()
		}
		all()
		assert.Equal(t, 1, s.logins)
		time.Sleep(27 * time.Minute)
		all()
		assert.Equal(t, 1, s.logins)
		time.Sleep(2 * time.Minute)
		all()
		assert.Equal(t, 2, s.logins, "before the 30 minutes are over")
		assert.Len(t, s.requests, 60)

		s.logins = 7 // all sessions are forgotten
		s.requests = nil
		all()
		assert.Equal(t, 8, s.logins)
		assert.LessOrEqual(t, len(s.requests), 40)
	})
}

func TestWaitingForTheLoginOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &wattTimeServer{takes: time.Hour, answer: always(200, documented(t, "watttime", "forecast", "200"))}
		p := s.provider(nil)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = p.Forecast(t.Context(), "CAISO_NORTH") })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err := p.Forecast(ctx, "CAISO_NORTH")
		assertReason(t, Unavailable, err)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(begin))
		wg.Wait()
	})
}

func TestWattTimeLogsInAgainOnce(t *testing.T) {
	forgetful := func(*http.Request) (int, string) { return 401, `{"error":"UNAUTHORIZED"}` }
	s := &wattTimeServer{answer: forgetful}
	p := s.provider(nil)
	_, err := p.Latest(t.Context(), "CAISO_NORTH")
	assertReason(t, Unauthorized, err)
	assert.Equal(t, 2, s.logins)
	assert.Len(t, s.requests, 2)

	s = &wattTimeServer{answer: always(403, `{"error":"FORBIDDEN","message":"no access to the region"}`)}
	_, err = s.provider(nil).Latest(t.Context(), "CAISO_NORTH")
	assertReason(t, Unauthorized, err)
	require.ErrorContains(t, err, "no access to the region")
	assert.Equal(t, 1, s.logins, "it is not the session")
	assert.Len(t, s.requests, 1)

	s = &wattTimeServer{answer: forgetful}
	_, err = s.provider(func(s *Settings) { s.Password = "wrong" }).Latest(t.Context(), "CAISO_NORTH")
	assertReason(t, Unauthorized, err)
	require.ErrorContains(t, err, "Invalid credentials")
	assert.Equal(t, 1, s.logins)
	assert.Empty(t, s.requests)
}

// With an auth extension, which sets the header in the client, there are no credentials here.
func TestWattTimeWithoutCredentials(t *testing.T) {
	s := &wattTimeServer{}
	_, err := s.provider(func(s *Settings) { s.Username, s.Password = "", "" }).Latest(t.Context(), "CAISO_NORTH")
	assertReason(t, Unauthorized, err)
	assert.Zero(t, s.logins)
	require.Len(t, s.requests, 1)
	assert.Empty(t, s.requests[0].Header.Get("Authorization"))
}

func TestWattTimeKeepsItsSecrets(t *testing.T) {
	repeat := func(r *http.Request) (int, string) {
		return 500, "failed for " + r.Header.Get("Authorization") + " " + testPassword
	}
	s := &wattTimeServer{answer: repeat}
	_, err := s.provider(nil).Latest(t.Context(), "CAISO_NORTH")
	require.ErrorContains(t, err, "failed for Bearer ***")
	assert.NotContains(t, err.Error(), "session-token")
	assert.NotContains(t, err.Error(), testPassword)

	for _, login := range []string{`{"token":"session-token-1"`, `{"token":{"is":"session-token-1"}}`, `["session-token-1"]`, `{"token":""}`, `{"Session":"session-token-1"}`, "<html>"} {
		s = &wattTimeServer{login: login, status: 200}
		_, err = s.provider(nil).Latest(t.Context(), "CAISO_NORTH")
		assertReason(t, Malformed, err)
		assert.NotContains(t, err.Error(), "session-token", login)
		assert.Empty(t, s.requests)
	}
	s = &wattTimeServer{login: `{"error":"too many logins"}`, status: 429}
	_, err = s.provider(nil).Latest(t.Context(), "CAISO_NORTH")
	assertReason(t, Throttled, err)
}
