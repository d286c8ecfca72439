// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	testUser     = "ops"
	testPassword = "correct horse/battery"
)

func served(t *testing.T, handler http.HandlerFunc) *Settings {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &Settings{Endpoint: server.URL, Client: server.Client(), Token: testToken, Username: testUser, Password: testPassword}
}

func TestStatuses(t *testing.T) {
	for status, want := range map[int]Reason{
		204: Missing, 206: Unavailable, 302: Unavailable, 304: Unavailable, 400: NotFound, 401: Unauthorized, 403: Unauthorized, 404: NotFound,
		408: Unavailable, 410: Unavailable, 422: NotFound, 429: Throttled, 500: Unavailable, 502: Unavailable, 503: Unavailable,
	} {
		s := served(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		body, err := s.get(t.Context(), "/x", nil, nil)
		assertReason(t, want, err)
		assert.Nil(t, body, status)
	}
}

func TestRequests(t *testing.T) {
	s := served(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "GET /a/b?q=1+2", r.Method+" "+r.URL.String())
		assert.Equal(t, "otelcol-carbon", r.UserAgent())
		assert.Equal(t, "T", r.Header.Get("auth-token"))
		_, _ = w.Write([]byte("fine"))
	})
	body, err := s.get(t.Context(), "/a/b", url.Values{"q": {"1 2"}}, http.Header{"Auth-Token": {"T"}})
	require.NoError(t, err)
	assert.Equal(t, "fine", string(body))
	assert.Nil(t, s.Client.CheckRedirect, "the client is the user's")
}

// A redirect within the service is followed, one to elsewhere would carry the key: net/http takes care of
// Authorization only.
func TestRedirects(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed elsewhere") }))
	defer elsewhere.Close()
	s := served(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/within":
			http.Redirect(w, r, "/there", http.StatusFound)
		case "/there":
			_, _ = w.Write([]byte("fine " + r.Header.Get("auth-token")))
		case "/around":
			http.Redirect(w, r, "/around", http.StatusFound)
		default:
			http.Redirect(w, r, elsewhere.URL+"/?key="+testToken, http.StatusTemporaryRedirect)
		}
	})
	header := http.Header{"Auth-Token": {"T"}}
	body, err := s.get(t.Context(), "/within", nil, header)
	require.NoError(t, err)
	assert.Equal(t, "fine T", string(body))
	for _, path := range []string{"/away", "/around"} {
		_, err = s.get(t.Context(), path, nil, header)
		assertReason(t, Unavailable, err)
		assert.NotContains(t, err.Error(), testToken)
	}

	for to, follows := range map[string]bool{
		"https://a.example/y": true, "http://a.example/y": false, "https://b.example/y": false, "https://a.example:8443/y": false, "https://a.example.b.example/": false,
	} {
		first := httptest.NewRequest(http.MethodGet, "https://a.example/x", http.NoBody)
		err := sameHost(httptest.NewRequest(http.MethodGet, to, http.NoBody), []*http.Request{first})
		assert.Equal(t, follows, err == nil, to)
	}
}

func TestSecretsAreNotRepeated(t *testing.T) {
	secrets := []string{
		testToken, testPassword, url.QueryEscape(testPassword),
		base64.StdEncoding.EncodeToString([]byte(testUser + ":" + testPassword)),
	}
	for _, status := range []int{200, 401, 500} {
		s := served(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte("you sent " + strings.Join(secrets, " and ")))
		})
		body, err := s.get(t.Context(), "/x", nil, nil)
		if err == nil {
			err = decode(body, &struct{}{})
		}
		require.ErrorContains(t, err, "you sent ***")
		for _, secret := range secrets {
			assert.NotContains(t, err.Error(), secret)
		}
	}

	s := served(t, func(http.ResponseWriter, *http.Request) {})
	s.Endpoint = "http://127.0.0.1:1"
	for _, endpoint := range []string{s.Endpoint, "http://[" + testToken} {
		s.Endpoint = endpoint
		_, err := s.get(t.Context(), "/x", url.Values{"api_key": {testToken}}, nil)
		assertReason(t, Unavailable, err)
		assert.NotContains(t, err.Error(), "api_key="+testToken)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	s := served(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut":
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"a":`))
		case "/large":
			chunk := make([]byte, 1<<20)
			for range maxBody/len(chunk) + 1 {
				_, _ = w.Write(chunk)
			}
		case "/html":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<html>long and useless</html>"))
		}
	})
	_, err := s.get(t.Context(), "/cut", nil, nil)
	assertReason(t, Unavailable, err)
	require.ErrorContains(t, err, "cut off")
	_, err = s.get(t.Context(), "/large", nil, nil)
	assertReason(t, Malformed, err)
	require.EqualError(t, err, "malformed: the answer is larger than 10 MiB")
	_, err = s.get(t.Context(), "/html", nil, nil)
	require.EqualError(t, err, "unavailable: status 502 Bad Gateway")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.get(ctx, "/", nil, nil)
	assertReason(t, Unavailable, err)
	require.ErrorIs(t, err, context.Canceled)
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-5": 0, "1.5": 0, "0": 0, "7": 7 * time.Second, "3600": time.Hour, "9999999": 24 * time.Hour, "9223372036854775807": 0,
		"Mon, 23 Nov 2026 12:00:30 GMT": 30 * time.Second, "Mon, 23 Nov 2026 11:00:00 GMT": 0, "Mon, 23 Nov 2099 12:00:00 GMT": 24 * time.Hour,
	} {
		assert.Equal(t, want, retryAfter(header, noon), header)
	}
	s := served(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	_, err := s.get(t.Context(), "/", nil, nil)
	var e *Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, 2*time.Minute, e.RetryAfter)
}

func TestExcerpt(t *testing.T) {
	assert.Equal(t, `"a b \"c\""`, excerpt([]byte("a\n\t b  \"c\"\r\n")))
	assert.Equal(t, `"a"`, excerpt([]byte("a\xff")))
	assert.Len(t, excerpt([]byte(strings.Repeat("x", 1000))), 202)
	assert.Equal(t, `""`, excerpt(nil))
}
