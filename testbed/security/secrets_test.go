// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/freeport"
)

const (
	secretsConfig = "testdata/secrets.yaml"
	mark          = "5ecret" // of all secrets
)

// secrets are what testdata/secrets.yaml is given, by variable or file.
type secrets struct {
	folder string
	env    []string
	values map[string]string
}

func newSecrets(t *testing.T) *secrets {
	t.Helper()
	s := &secrets{folder: t.TempDir(), values: map[string]string{}}
	for _, name := range []string{"BEARER", "SERVER", "CLIENT", "TENANT", "GRID", "API", "WRITE", "INFLUX", "KAFKA"} {
		s.values[name] = mark + "-" + name
		s.env = append(s.env, name+"="+s.values[name])
	}
	for _, name := range []string{"bearer", "password"} {
		s.values[name] = mark + "-in-" + name
		require.NoError(t, os.WriteFile(filepath.Join(s.folder, name), []byte(s.values[name]), 0o600))
	}
	s.env = append(s.env, "FOLDER="+s.folder, "BACKEND=http://127.0.0.1:1")
	for _, name := range []string{"OTLP", "PPROF", "ZPAGES"} {
		s.env = append(s.env, fmt.Sprintf("%s=127.0.0.1:%d", name, freeport.Get(t)))
	}
	s.env = append(s.env, fmt.Sprintf("SELF_PORT=%d", freeport.Get(t)))
	return s
}

// get is the value of a variable.
func (s *secrets) get(name string) (value string) {
	for _, variable := range s.env {
		if key, v, _ := strings.Cut(variable, "="); key == name {
			value = v
		}
	}
	return value
}

// notIn asserts that no secret is in a text, as it is or as basic authentication has it.
func (s *secrets) notIn(t *testing.T, text, what string) {
	t.Helper()
	assert.NotContains(t, text, mark, what)
	for _, name := range []string{"password", "SERVER", "CLIENT"} {
		assert.NotContains(t, text, basic(s.values[name]), what)
	}
}

func basic(password string) string {
	return base64.StdEncoding.EncodeToString([]byte("carbon:" + password))
}

// Nothing that a collector says of itself has a secret in it, while all of them are used and every backend fails.
func TestSecretsAreNotTold(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	backend := newRecorder(t)
	s.env = append(s.env, "BACKEND="+backend.url)
	p := start(t, []string{"--config=" + secretsConfig}, s.env...)
	used := func() bool {
		for _, password := range []string{s.values["SERVER"], mark + "-of-a-guess"} {
			_ = s.post("http://"+s.get("OTLP")+"/v1/metrics", password)
		}
		return backend.unseen(s) == nil
	}
	p.eventually(used, "the use of all secrets")
	for _, failing := range []string{
		"otlp_http/env", "otlp_http/file", "otlp_http/basic", "otlp_http/oauth", "otlp_http/tenant", "prometheus_remote_write", "influxdb", "kafka",
	} {
		p.eventually(func() bool { return p.said("Exporting failed", failing) }, "a failure of "+failing)
	}
	p.eventually(func() bool { return p.said("has no answer that can be used", "gridintensity") }, "a failure of gridintensity")

	pages := map[string]string{"metrics": "http://127.0.0.1:" + s.get("SELF_PORT") + "/metrics"}
	for _, page := range []string{"servicez", "pipelinez", "extensionz", "featurez", "tracez"} {
		pages[page] = "http://" + s.get("ZPAGES") + "/debug/" + page
	}
	for _, page := range []string{"cmdline", "goroutine?debug=2"} {
		pages[page] = "http://" + s.get("PPROF") + "/debug/pprof/" + page
	}
	for page, url := range pages {
		response, err := http.Get(url)
		require.NoError(t, err, page)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err, page)
		require.NoError(t, response.Body.Close())
		s.notIn(t, string(text), page)
	}
	p.stop()
	s.notIn(t, p.output.String(), "log")
}

// A config that is wrong is refused without a word of the secrets that are in it.
func TestSecretsInWrongConfigs(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	for wrong, want := range map[string]string{
		"extensions::bearertokenauth/env::tokken: ${env:BEARER}":                        "invalid keys: tokken",
		"extensions::bearertokenauth/env: ${env:BEARER}":                                "bearertokenauth/env",
		"extensions::bearertokenauth/env::token: [\"${env:BEARER}\"]":                   "expected type 'configopaque.String'",
		"extensions::bearertokenauth/env::token: {value: \"${env:BEARER}\"}":            "expected type 'configopaque.String'",
		"extensions::basicauth/client::client_auth::password: [\"${env:BEARER}\"]":      "expected type 'configopaque.String'",
		"extensions::basicauth/client::client_auth::password: ${file:/nowhere/token}":   "/nowhere/token",
		"extensions::oauth2client::client_id: ''":                                       "no ClientID",
		"extensions::gridintensity::providers: [{type: eia, token: [\"${env:GRID}\"]}]": "token",
		"extensions::gridintensity::providers: [{type: eia, tokken: \"${env:GRID}\"}]":  "tokken",
		"exporters::otlp_http/env::headers: ${env:API}":                                 "headers",
		"exporters::otlp_http/env::headers: [\"${env:API}\"]":                           "headers",
		"exporters::otlp_http/env::headers::x-api-key: [\"${env:API}\"]":                "x-api-key",
		"exporters::otlp_http/env::endpoint: ''":                                        "endpoint",
		"exporters::otlp_http/env::timeout: ${env:API}":                                 "timeout",
		"exporters::kafka::auth::sasl::mechanism: NONE":                                 "mechanism",
		"exporters::kafka::auth::sasl: ${env:KAFKA}":                                    "sasl",
		"service::pipelines::metrics: ${env:API}":                                       "pipelines",
		"service::extensions: [nobody]":                                                 "nobody",
	} {
		for _, command := range [][]string{{"validate"}, nil} {
			code, output := run(t, append(command, "--config="+secretsConfig, "--config=yaml:"+wrong), s.env...)
			assert.Equal(t, 1, code, "%v with %s", command, wrong)
			assert.Contains(t, output, want, wrong)
			s.notIn(t, output, wrong)
		}
	}
}

// The end of a line in a file makes a header that cannot be sent; that is said without the header.
func TestASecretWithTheEndOfALine(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	backend := newRecorder(t)
	s.env = append(s.env, "BACKEND="+backend.url)
	file := writeFile(t, "key", mark+"-and-a-line\n")
	p := start(t, []string{
		"--config=" + secretsConfig, "--config=yaml:exporters::otlp_http/env::headers::x-api-key: ${file:" + file + "}",
		"--config=yaml:service::pipelines::metrics::exporters: [otlp_http/env]",
	}, s.env...)
	p.eventually(func() bool {
		_ = s.post("http://"+s.get("OTLP")+"/v1/metrics", s.values["SERVER"])
		return strings.Contains(p.output.String(), "invalid header field value")
	}, "a failure")
	p.stop()
	s.notIn(t, p.output.String(), "log")
}

func TestThePrintedConfigHasNoSecrets(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	// These settings are not secrets to their components, as docs/security.md says.
	plain := []string{
		"--config=yaml:extensions::basicauth/server::htpasswd::inline: a", "--config=yaml:extensions::headers_setter::headers: [{key: a, value: b}]",
		"--config=yaml:exporters::kafka::auth::sasl::password: a",
	}
	code, output := run(t, append([]string{"print-config", "--config=" + secretsConfig}, plain...), s.env...)
	require.Zero(t, code, output)
	s.notIn(t, output, "print-config")
	assert.GreaterOrEqual(t, strings.Count(output, "[REDACTED]"), 7)
}

func (s *secrets) post(url, password string) error {
	body, err := named("hw.energy").MarshalProto()
	if err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	request.SetBasicAuth("carbon", password)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// recorder is a backend that keeps what it is asked and answers with an error, but to who wants a token.
type recorder struct {
	url string
	got safeBuffer
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	dump, err := httputil.DumpRequest(request, true)
	if err == nil {
		_, err = r.got.Write(dump)
	}
	if err == nil && request.URL.Path == "/token" {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token": "%s-of-oauth", "token_type": "Bearer", "expires_in": 3600}`, mark)
		return
	}
	http.Error(w, "out of order", http.StatusInternalServerError)
}

// unseen is an error if a secret was not used yet.
func (r *recorder) unseen(s *secrets) error {
	all := r.got.String()
	want := maps.Clone(s.values)
	delete(want, "SERVER") // used by who asks
	delete(want, "KAFKA")  // no broker is there
	want["password"], want["oauth"] = basic(want["password"]), mark+"-of-oauth"
	for name, value := range want {
		if !strings.Contains(all, value) && !strings.Contains(all, basic(value)) {
			return fmt.Errorf("%s was not sent", name)
		}
	}
	return nil
}
