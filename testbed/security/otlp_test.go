// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/pki"
)

// backend takes OTLP over HTTPS and remembers the names of metrics.
type backend struct {
	url string

	mu  sync.Mutex
	got map[string]int
}

func newBackend(tb testing.TB, authority *pki.Authority) *backend {
	tb.Helper()
	b := &backend{got: map[string]int{}}
	server := httptest.NewUnstartedServer(b)
	server.TLS = authority.Client(tb, authority.Issue(tb))
	server.StartTLS()
	tb.Cleanup(server.Close)
	b.url = server.URL
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := readAll(r)
	request := pmetricotlp.NewExportRequest()
	if err == nil {
		err = request.UnmarshalProto(body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, rm := range request.Metrics().ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				b.got[m.Name()]++
			}
		}
	}
}

// has tells how often a metric came.
func (b *backend) has(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got[name]
}

func (b *backend) total() (all int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.got {
		all += n
	}
	return all
}

func named(metric string) pmetricotlp.ExportRequest {
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(metric)
	point := m.SetEmptyGauge().DataPoints().AppendEmpty()
	point.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	point.SetDoubleValue(1)
	return pmetricotlp.NewExportRequestFromMetrics(md)
}

// errRefused is the gateway's answer to a token, not to a certificate.
type errRefused struct{ reason string }

func (e errRefused) Error() string { return "not authenticated: " + e.reason }

// A send is one metric on a new connection.
type send func(ctx context.Context, address string, config *tls.Config, token, metric string) error

func sendGRPC(ctx context.Context, address string, config *tls.Config, token, metric string) error {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config.Clone())))
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	_, err = pmetricotlp.NewGRPCClient(connection).Export(ctx, named(metric))
	if status.Code(err) == codes.Unauthenticated {
		return errRefused{status.Convert(err).Message()}
	}
	return err
}

func sendHTTP(ctx context.Context, address string, config *tls.Config, token, metric string) error {
	body, err := named(metric).MarshalProto()
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+"/v1/metrics", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config.Clone(), DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode == http.StatusUnauthorized:
		return errRefused{string(answer)}
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %s", response.Status, answer)
	}
	return nil
}

// protocols are the listeners of OTLP.
func (g *gateway) protocols() map[string]func(config *tls.Config, token, metric string) error {
	on := func(send send, address string) func(*tls.Config, string, string) error {
		return func(config *tls.Config, token, metric string) error {
			ctx, cancel := context.WithTimeout(g.tb.Context(), patience)
			defer cancel()
			return send(ctx, address, config, token, metric)
		}
	}
	return map[string]func(*tls.Config, string, string) error{"grpc": on(sendGRPC, g.grpc), "http": on(sendHTTP, g.http)}
}

// sends needs the metric to be accepted, and at the backend.
func (g *gateway) sends(token, metric string) {
	g.tb.Helper()
	for name, protocol := range g.protocols() {
		before := g.backend.has(metric)
		require.NoError(g.tb, protocol(g.agent(), token, metric), name)
		require.Equal(g.tb, before+1, g.backend.has(metric), name)
	}
}

// readAll decompresses what exporters compress.
func readAll(r *http.Request) ([]byte, error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		body = unzipped
	}
	return io.ReadAll(body)
}
