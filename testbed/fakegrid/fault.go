// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Fault is something that goes wrong; see Server.Fail.
type Fault func(*effects)

// effects of all faults of an API.
type effects struct {
	delay                                           time.Duration
	answer                                          func(*service) reply // instead of the right one
	cutOff, huge                                    bool
	wrongZone, nulls, sandbox, duplicates, unsorted bool
	skew                                            time.Duration
}

func effectsOf(faults []Fault) effects {
	var e effects
	for _, f := range faults {
		f(&e)
	}
	return e
}

// Status answers with a status, and with the body or, if that is empty, with the API's documented one.
func Status(code int, body string) Fault {
	return instead(func(s *service) reply {
		if body == "" {
			return s.refuse(code, http.StatusText(code))
		}
		answer := s.refuse(code, "")
		answer.body = []byte(body)
		return answer
	})
}

// Throttle answers 429, with a Retry-After (seconds or a date) unless that is empty.
func Throttle(retryAfter string) Fault {
	return instead(func(s *service) reply {
		answer := s.refuse(http.StatusTooManyRequests, "Too many requests")
		if retryAfter != "" {
			answer.header = http.Header{"Retry-After": {retryAfter}}
		}
		return answer
	})
}

// Slow answers after a time, or when the client has gone.
func Slow(d time.Duration) Fault { return func(e *effects) { e.delay = d } }

// CutOff closes the connection in the middle of the body.
func CutOff() Fault { return func(e *effects) { e.cutOff = true } }

// Garbage answers 200 with bytes that are no text.
func Garbage() Fault {
	return instead(func(*service) reply {
		return reply{status: http.StatusOK, kind: "application/json", body: []byte("\x1f\x8b\x00\xff{[\"\xfe")}
	})
}

// HTML answers 200 with a page, as a proxy does that wants a login.
func HTML() Fault {
	return instead(func(*service) reply {
		return reply{status: http.StatusOK, kind: "text/html; charset=utf-8", body: []byte("<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><br>Please sign in.</body></html>\n")}
	})
}

// WrongZone answers with the data of the zone asked for, under another name.
func WrongZone() Fault { return func(e *effects) { e.wrongZone = true } }

// Nulls answers with all times, and without a value.
func Nulls() Fault { return func(e *effects) { e.nulls = true } }

// Huge answers rightly, with 11 MiB of white space at the end.
func Huge() Fault { return func(e *effects) { e.huge = true } }

// Redirect answers 307 with a Location.
func Redirect(url string) Fault {
	return instead(func(*service) reply {
		return reply{status: http.StatusTemporaryRedirect, header: http.Header{"Location": {url}}}
	})
}

// Skew shifts all times of the data into the future.
func Skew(d time.Duration) Fault { return func(e *effects) { e.skew = d } }

// Sandbox marks all values as scrambled test data: Electricity Maps only.
func Sandbox() Fault { return func(e *effects) { e.sandbox = true } }

// Duplicates answers with each value twice. ENTSO-E: the second series of a kind has a higher position, and
// twice the quantity.
func Duplicates() Fault { return func(e *effects) { e.duplicates = true } }

// Unsorted answers with the later half first.
func Unsorted() Fault { return func(e *effects) { e.unsorted = true } }

func instead(answer func(*service) reply) Fault { return func(e *effects) { e.answer = answer } }

// distort lists each twice, and the later half first.
func distort[T any](e *effects, list []T) []T {
	if e.duplicates {
		var twice []T
		for _, v := range list {
			twice = append(twice, v, v)
		}
		list = twice
	}
	if e.unsorted {
		half := len(list) / 2
		list = slices.Concat(list[half:], list[:half])
	}
	return list
}

// reply is an answer of the server.
type reply struct {
	status int
	kind   string
	header http.Header
	body   []byte
}

type object = map[string]any

func answer(v any) reply { return answerWith(http.StatusOK, v) }

func answerWith(status int, v any) reply {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(err.Error())
	}
	return reply{status: status, kind: "application/json", body: body}
}

func (a *reply) write(w http.ResponseWriter, e *effects) {
	const hugeSize = 11 << 20
	if e.huge {
		a.body = slices.Concat(a.body, bytes.Repeat([]byte(" "), hugeSize))
	}
	maps.Copy(w.Header(), a.header)
	if a.kind != "" {
		w.Header().Set("Content-Type", a.kind)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if e.cutOff {
		_, _ = w.Write(a.body[:len(a.body)/2]) //nolint:gosec // see below
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // the documented way to close the connection
	}
	_, _ = w.Write(a.body) //nolint:gosec // it repeats what a test asked for
}
