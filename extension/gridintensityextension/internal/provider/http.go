// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// maxBody is more than any answer has: a month of 5-minute values is below 2 MB.
const maxBody = 10 << 20

// get asks for a path below the endpoint. The answer's body is returned with status 200 only.
func (s *Settings) get(ctx context.Context, path string, query url.Values, header http.Header) ([]byte, error) {
	target := s.Endpoint + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return nil, &Error{Reason: Unavailable, Err: bare(err)}
	}
	maps.Copy(request.Header, header)
	request.Header.Set("User-Agent", "otelcol-carbon")
	client := *s.Client
	client.CheckRedirect = sameHost
	response, err := client.Do(request)
	if err != nil {
		return nil, &Error{Reason: Unavailable, Err: bare(err)}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	body = s.withoutSecrets(body)
	switch {
	case err != nil:
		return nil, &Error{Reason: Unavailable, Detail: "the answer was cut off", Err: bare(err)}
	case len(body) > maxBody:
		return nil, reject(Malformed, "the answer is larger than %d MiB", maxBody>>20)
	case response.StatusCode != http.StatusOK:
		return nil, refusal(response, body)
	}
	return body, nil
}

// sameHost follows no redirect to elsewhere: it would carry the key, which may be in the URL or in a header that
// net/http does not know for secret.
func sameHost(request *http.Request, via []*http.Request) error {
	const enough = 5
	if from := via[0].URL; request.URL.Host != from.Host || request.URL.Scheme != from.Scheme || len(via) > enough {
		return http.ErrUseLastResponse
	}
	return nil
}

// withoutSecrets blanks out a key that the service repeats, before anything of the answer gets into an error.
func (s *Settings) withoutSecrets(body []byte) []byte {
	const shortest = 8 // of a real key; a shorter text may stand anywhere
	basic := base64.StdEncoding.EncodeToString([]byte(s.Username + ":" + string(s.Password)))
	for _, secret := range []string{string(s.Token), string(s.Password), basic} {
		if len(secret) >= shortest {
			body = bytes.ReplaceAll(body, []byte(secret), []byte("***"))
			body = bytes.ReplaceAll(body, []byte(url.QueryEscape(secret)), []byte("***"))
		}
	}
	return body
}

// decode takes JSON into v.
func decode(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return &Error{Reason: Malformed, Detail: "no JSON of the documented form: " + excerpt(body), Err: err}
	}
	return nil
}

// refusal is what a status other than 200 means.
func refusal(response *http.Response, body []byte) error {
	e := &Error{Reason: Unavailable, status: response.StatusCode, body: body, Detail: "status " + response.Status, RetryAfter: retryAfter(response.Header.Get("Retry-After"), time.Now())}
	switch response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Reason = Unauthorized
	case http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity:
		e.Reason = NotFound
	case http.StatusTooManyRequests:
		e.Reason = Throttled
	case http.StatusNoContent:
		e.Reason = Missing
	}
	if kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); kind != "text/html" && len(body) > 0 {
		e.Detail += ": " + excerpt(body)
	}
	return e
}

// retryAfter is a number of seconds or a date (RFC 9110, 10.2.3). More than a day is a mistake.
func retryAfter(header string, now time.Time) time.Duration {
	const day = 24 * time.Hour
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		return min(day, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(day, max(0, at.Sub(now)))
	}
	return 0
}

// excerpt is the beginning of an answer, in one line.
func excerpt(body []byte) string {
	const enough = 200
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(body[:min(len(body), enough)]), "")), " ")
	return fmt.Sprintf("%q", text)
}

// bare takes the URL out of an error: it may hold a key.
func bare(err error) error {
	if withURL, ok := errors.AsType[*url.Error](err); ok {
		return withURL.Err
	}
	return err
}

// inChunks asks for a range in parts, as long as one answer can be. Of a part that has nothing, nothing is
// returned; if none has anything, the last error is.
func inChunks(from, to time.Time, length time.Duration, ask func(from, to time.Time) ([]grid.Value, error)) ([]grid.Value, error) {
	var values []grid.Value
	var missing error
	for ; from.Before(to); from = from.Add(length) {
		end := from.Add(length)
		if end.After(to) {
			end = to
		}
		part, err := ask(from, end)
		switch {
		case isOf(err, Missing, NotFound):
			missing = err
		case err != nil:
			return nil, err
		}
		values = append(values, part...)
	}
	if len(values) == 0 {
		return nil, missing
	}
	return values, nil
}

func isOf(err error, reasons ...Reason) bool {
	var e *Error
	return errors.As(err, &e) && slices.Contains(reasons, e.Reason)
}
