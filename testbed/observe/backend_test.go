// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"compress/gzip"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// elasticsearch takes OTLP as Elasticsearch does, and remembers what it is about.
type elasticsearch struct {
	*httptest.Server

	mu       sync.Mutex
	records  map[string][]record                     // by service.name
	audited  map[string]bool                         // metrics
	spans    map[string]map[pcommon.TraceID]struct{} // traces by service.instance.id
	problems []string
}

// record is one of a log.
type record struct {
	resource, scope map[string]any
	trace           pcommon.TraceID
	span            pcommon.SpanID
}

func newElasticsearch(t *testing.T, n *network) *elasticsearch {
	t.Helper()
	e := &elasticsearch{records: map[string][]record{}, audited: map[string]bool{}, spans: map[string]map[pcommon.TraceID]struct{}{}}
	certificate, err := tls.LoadX509KeyPair(n.certificate.File, n.certificate.KeyFile)
	require.NoError(t, err)
	e.Server = httptest.NewUnstartedServer(e)
	e.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
	e.StartTLS()
	t.Cleanup(func() {
		e.Close()
		assert.Empty(t, e.problems)
	})
	return e
}

func (e *elasticsearch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.take(r); err != nil {
		e.problems = append(e.problems, r.URL.Path+": "+err.Error())
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (e *elasticsearch) take(r *http.Request) error {
	body, err := unpacked(r)
	if err != nil {
		return err
	}
	if r.URL.Path == "/v1/traces" { // straight from a collector
		spans := ptraceotlp.NewExportRequest()
		defer e.takeSpans(spans)
		return spans.UnmarshalProto(body)
	}
	if r.Header.Get("Authorization") != "ApiKey key" {
		return errors.New("no key")
	}
	switch r.URL.Path {
	case "/_otlp/v1/logs":
		logs := plogotlp.NewExportRequest()
		defer func() { e.takeLogs(logs.Logs()) }()
		return logs.UnmarshalProto(body)
	case "/_otlp/v1/metrics":
		metrics := pmetricotlp.NewExportRequest()
		defer func() { e.takeMetrics(metrics.Metrics()) }()
		return metrics.UnmarshalProto(body)
	}
	return errors.New("no such path")
}

func unpacked(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(r.Body)
	}
	reader, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}

func (e *elasticsearch) takeLogs(logs plog.Logs) {
	for _, resource := range logs.ResourceLogs().All() {
		attributes := resource.Resource().Attributes().AsRaw()
		service := fmt.Sprint(attributes["service.name"])
		for _, scope := range resource.ScopeLogs().All() {
			for _, r := range scope.LogRecords().All() {
				e.records[service] = append(e.records[service], record{attributes, scope.Scope().Attributes().AsRaw(), r.TraceID(), r.SpanID()})
			}
		}
	}
}

func (e *elasticsearch) takeMetrics(metrics pmetric.Metrics) {
	if metrics.DataPointCount() == 0 {
		e.problems = append(e.problems, "a request for nothing")
	}
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

func (e *elasticsearch) takeSpans(request ptraceotlp.ExportRequest) {
	for _, resource := range request.Traces().ResourceSpans().All() {
		instance := fmt.Sprint(resource.Resource().Attributes().AsRaw()["service.instance.id"])
		if e.spans[instance] == nil {
			e.spans[instance] = map[pcommon.TraceID]struct{}{}
		}
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				e.spans[instance][span.TraceID()] = struct{}{}
			}
		}
	}
}

// shared are the traces that more than one collector has spans of.
func (e *elasticsearch) shared() (ids []pcommon.TraceID) {
	seen := map[pcommon.TraceID]bool{}
	for _, traces := range e.spans {
		for id := range traces {
			if seen[id] {
				ids = append(ids, id)
			}
			seen[id] = true
		}
	}
	return ids
}

func (e *elasticsearch) eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return condition()
	}, patience, 50*time.Millisecond)
}
