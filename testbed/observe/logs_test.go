// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"sigs.k8s.io/yaml"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/freeport"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/pki"
)

const logsFolder = "../../deploy/logs/"

// An agent's logs come through a gateway to a backend, with what tells which process wrote them; what it counted comes as
// audit records; and both go where their retention is.
func TestLogsAndAuditRecordsArrive(t *testing.T) {
	t.Parallel()
	backend := newElasticsearch(t)
	authority := pki.NewAuthority(t, "logs")
	certificate := authority.Issue(t)
	folder := filepath.Dir(certificate.File)
	ca, err := os.ReadFile(authority.File)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(folder+"/ca.crt", ca, 0o600))
	address := fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))
	environment := []string{"TLS_DIR=" + folder, "LISTEN=" + address}

	run(t, append(environment, "ELASTICSEARCH="+backend.URL, "AUDIT_INTERVAL=500ms", "ELASTICSEARCH_API_KEY=key"),
		"testdata/gateway.yaml", logsFolder+"gateway.yaml")
	agent := run(t, append(environment, "NODE_NAME=node-1", "LOGS_GATEWAY=https://"+address+"/v1/logs", "GATEWAY=https://"+address),
		"testdata/agent.yaml", logsFolder+"agent.yaml")

	backend.eventually(t, func() bool {
		return backend.logs > 3 && backend.audited["hw.energy"] && backend.audited["hw.emissions"]
	})
	require.NoError(t, agent.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, agent.cmd.Wait())
	ids := map[string]bool{}
	lines := bufio.NewScanner(&agent.output)
	for lines.Scan() {
		var line struct {
			Level, TS, Msg string
			Resource       map[string]string
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &line), "%s", lines.Text())
		assert.NotEmpty(t, line.Level)
		assert.NotEmpty(t, line.Msg)
		_, err := time.Parse(time.RFC3339Nano, line.TS)
		require.NoError(t, err)
		ids[line.Resource["service.instance.id"]] = true
	}
	require.Len(t, ids, 1, "of one process")
	backend.mu.Lock()
	defer backend.mu.Unlock()
	assert.Equal(t, ids, backend.instances)
	assert.Equal(t, map[string]bool{"hw.energy": true, "hw.emissions": true, "workload.energy": true, "workload.emissions": true}, backend.audited, "and no gauge")
}

// elasticsearch takes OTLP as Elasticsearch does, and remembers what it is about.
type elasticsearch struct {
	*httptest.Server

	mu        sync.Mutex
	logs      int
	instances map[string]bool // whose logs these are
	audited   map[string]bool // metrics
	problems  []string
}

func newElasticsearch(t *testing.T) *elasticsearch {
	t.Helper()
	e := &elasticsearch{instances: map[string]bool{}, audited: map[string]bool{}}
	e.Server = httptest.NewServer(e)
	t.Cleanup(func() {
		e.Close()
		assert.Empty(t, e.problems)
	})
	return e
}

func (e *elasticsearch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.Header.Get("Authorization") != "ApiKey key" {
		e.problems = append(e.problems, "no key")
	}
	reader, err := gzip.NewReader(r.Body)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(reader)
	}
	logs, metrics := plogotlp.NewExportRequest(), pmetricotlp.NewExportRequest()
	switch {
	case err != nil:
	case r.URL.Path == "/_otlp/v1/logs":
		if err = logs.UnmarshalProto(body); err == nil {
			e.takeLogs(logs.Logs())
		}
	case r.URL.Path == "/_otlp/v1/metrics":
		if err = metrics.UnmarshalProto(body); err == nil {
			e.takeMetrics(metrics.Metrics())
		}
	default:
		err = fmt.Errorf("no path %s", r.URL.Path)
	}
	if err != nil {
		e.problems = append(e.problems, err.Error())
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (e *elasticsearch) takeLogs(logs plog.Logs) {
	for _, resource := range logs.ResourceLogs().All() {
		attributes := resource.Resource().Attributes().AsRaw()
		e.instances[fmt.Sprint(attributes["service.instance.id"])] = true
		if attributes["host.name"] != "node-1" || attributes["data_stream.dataset"] != "otelcol_carbon" {
			e.problems = append(e.problems, fmt.Sprint(attributes))
		}
	}
	e.logs += logs.LogRecordCount()
}

func (e *elasticsearch) takeMetrics(metrics pmetric.Metrics) {
	for _, resource := range metrics.ResourceMetrics().All() {
		attributes := resource.Resource().Attributes().AsRaw()
		if attributes["data_stream.dataset"] != "otelcol_carbon.audit" {
			e.problems = append(e.problems, fmt.Sprint(attributes))
		}
		for _, scope := range resource.ScopeMetrics().All() {
			for _, metric := range scope.Metrics().All() {
				e.audited[metric.Name()] = true
			}
		}
	}
}

func (e *elasticsearch) eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return condition()
	}, patience, 50*time.Millisecond)
}

// process is a collector, and what it prints.
type process struct {
	cmd    *exec.Cmd
	output bytes.Buffer // to be read when it has ended
}

func run(t *testing.T, environment []string, configs ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), binary)}
	for _, config := range configs {
		p.cmd.Args = append(p.cmd.Args, "--config="+config)
	}
	p.cmd.Env = append(os.Environ(), environment...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		if t.Failed() {
			t.Log(p.output.String())
		}
	})
	return p
}

// The other backends are configs that the binary takes.
func TestOtherBackendsOfLogs(t *testing.T) {
	t.Parallel()
	for _, other := range []string{"gateway-opensearch.yaml", "gateway-kafka.yaml"} {
		c := exec.CommandContext(t.Context(), binary, "validate", "--config=testdata/gateway.yaml", "--config="+logsFolder+"gateway.yaml", "--config="+logsFolder+other)
		c.Env = append(os.Environ(), "LISTEN=127.0.0.1:4318", "TLS_DIR=/tls")
		output, err := c.CombinedOutput()
		require.NoError(t, err, "%s: %s", other, output)
	}
}

// What is kept for how long: 90 days, and seven years with two leap days.
func TestRetention(t *testing.T) {
	t.Parallel()
	requests := map[string]string{}
	known := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == http.MethodGet && !known[r.URL.Path] {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		known[r.URL.Path] = true
		requests[r.Method+" "+r.URL.Path] = r.Header.Get("Content-Type") + string(body)
	}))
	defer server.Close()
	script := func(name string) {
		output, err := exec.CommandContext(t.Context(), logsFolder+name, server.URL).CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
	script("elasticsearch/retention.sh")
	script("elasticsearch/retention.sh")
	script("opensearch/retention.sh")
	for stream, days := range map[string]string{"logs-otelcol_carbon.otel-default": "90d", "metrics-otelcol_carbon.audit.otel-default": "2557d"} {
		assert.Contains(t, requests, "PUT /_data_stream/"+stream)
		assert.Contains(t, requests, "GET /_data_stream/"+stream, "the second time it is there")
		assert.Equal(t, `application/json{"data_retention": "`+days+`"}`, requests["PUT /_data_stream/"+stream+"/_lifecycle"])
	}
	for name, days := range map[string]string{"logs": "90d", "audit": "2557d"} {
		type transition struct {
			State string            `json:"state_name"`
			When  map[string]string `json:"conditions"`
		}
		var policy struct {
			Policy struct {
				Description string `json:"description"`
				First       string `json:"default_state"`
				States      []struct {
					Name        string           `json:"name"`
					Actions     []map[string]any `json:"actions"`
					Transitions []transition     `json:"transitions"`
				} `json:"states"`
				Templates []struct {
					Indices  []string `json:"index_patterns"`
					Priority int      `json:"priority"`
				} `json:"ism_template"`
			} `json:"policy"`
		}
		text, found := strings.CutPrefix(requests["PUT /_plugins/_ism/policies/otelcol-carbon-"+name], "application/json")
		require.True(t, found)
		require.NoError(t, yaml.UnmarshalStrict([]byte(text), &policy))
		p := policy.Policy
		require.Len(t, p.States, 2)
		assert.Equal(t, p.First, p.States[0].Name)
		assert.Empty(t, p.States[0].Actions)
		assert.Equal(t, []transition{{p.States[1].Name, map[string]string{"min_index_age": days}}}, p.States[0].Transitions)
		assert.Contains(t, p.States[1].Actions[0], "delete")
		assert.Equal(t, []string{"otelcol-carbon-" + name + "-*"}, p.Templates[0].Indices)
	}
	topics, err := os.ReadFile(logsFolder + "kafka-topics.yaml")
	require.NoError(t, err)
	const day = 24 * 3600 * 1000
	assert.Contains(t, string(topics), fmt.Sprintf("retention.ms: %d #", 90*day))
	assert.Contains(t, string(topics), fmt.Sprintf("retention.ms: %d #", 2557*day))
}
