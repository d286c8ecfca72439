// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // what the exporter compresses with
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"
	"sigs.k8s.io/yaml"
)

// The same by a server that takes OTLP as Data Prepper's source does: TLS, and a password.
func TestLogsAndAuditRecordsArriveInDataPrepper(t *testing.T) {
	t.Parallel()
	network := newNetwork(t)
	backend := newDataPrepper(t, network)
	run(t, append(network.environment, "DATA_PREPPER="+backend.address, "DATA_PREPPER_CA="+network.authority.File, "DATA_PREPPER_AUTHORIZATION=Basic YTpi", "AUDIT_INTERVAL=500ms"),
		"testdata/gateway.yaml", logsFolder+"gateway.yaml", logsFolder+"gateway-opensearch.yaml")
	run(t, append(network.environment, "TELEMETRY_PORT=0"), "testdata/agent.yaml", logsFolder+"agent.yaml")
	require.Eventually(t, func() bool {
		backend.mu.Lock()
		defer backend.mu.Unlock()
		return backend.logs > 0 && backend.points > 0
	}, patience, 50*time.Millisecond)
}

type dataPrepper struct {
	address string

	mu           sync.Mutex
	logs, points int
}

func newDataPrepper(t *testing.T, n *network) *dataPrepper {
	t.Helper()
	certificate, err := credentials.NewServerTLSFromFile(n.certificate.File, n.certificate.KeyFile)
	require.NoError(t, err)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d := &dataPrepper{address: listener.Addr().String()}
	server := grpc.NewServer(grpc.Creds(certificate), grpc.UnaryInterceptor(
		func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			if password := metadata.ValueFromIncomingContext(ctx, "authorization"); len(password) != 1 || password[0] != "Basic YTpi" {
				return nil, grpcstatus.Error(codes.Unauthenticated, "who are you?")
			}
			return handle(ctx, request)
		}))
	plogotlp.RegisterGRPCServer(server, &logsOf{d: d})
	pmetricotlp.RegisterGRPCServer(server, &metricsOf{d: d})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return d
}

type logsOf struct {
	plogotlp.UnimplementedGRPCServer
	d *dataPrepper
}

func (s *logsOf) Export(_ context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.logs += request.Logs().LogRecordCount()
	return plogotlp.NewExportResponse(), nil
}

type metricsOf struct {
	pmetricotlp.UnimplementedGRPCServer
	d *dataPrepper
}

func (s *metricsOf) Export(_ context.Context, request pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.points += request.Metrics().DataPointCount()
	return pmetricotlp.NewExportResponse(), nil
}

// The pipeline between writes to the streams that have these policies.
func TestDataPrepperWritesToTheStreams(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(logsFolder + "opensearch/data-prepper.yaml")
	require.NoError(t, err)
	type sink struct {
		OpenSearch struct {
			Hosts     []string `json:"hosts"`
			Username  string   `json:"username"`
			Password  string   `json:"password"`
			Index     string   `json:"index"`
			IndexType string   `json:"index_type"`
			Action    string   `json:"action"`
			Routes    []string `json:"routes"`
		} `json:"opensearch"`
	}
	var pipelines map[string]struct {
		Source    map[string]any      `json:"source"`
		Processor []map[string]any    `json:"processor"`
		Route     []map[string]string `json:"route"`
		Sink      []sink              `json:"sink"`
	}
	require.NoError(t, yaml.UnmarshalStrict(text, &pipelines))
	p := pipelines["otelcol-carbon"]
	assert.Equal(t, []map[string]string{{"logs": `getEventType() == "LOG"`}, {"audit": `getEventType() == "METRIC"`}}, p.Route)
	streams := map[string][]string{}
	for _, s := range p.Sink {
		streams[s.OpenSearch.Index] = s.OpenSearch.Routes
		assert.Equal(t, "create", s.OpenSearch.Action, "a stream takes nothing else")
		assert.Equal(t, "management_disabled", s.OpenSearch.IndexType)
	}
	assert.Equal(t, map[string][]string{"otelcol-carbon-logs": {"logs"}, "otelcol-carbon-audit": {"audit"}}, streams)
}
