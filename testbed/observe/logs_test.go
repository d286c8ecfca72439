// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/freeport"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/pki"
)

const logsFolder = "../../deploy/logs/"

// An agent's logs come through a gateway to a backend, with what tells which process wrote them; what it counted comes as
// audit records; and a request that is traced is so from the agent on.
func TestLogsAndAuditRecordsArrive(t *testing.T) {
	t.Parallel()
	network := newNetwork(t)
	backend := newElasticsearch(t, network)
	traced := writeConfig(t, `
service:
  telemetry:
    traces:
      propagators: [tracecontext]
      processors:
        - batch: {schedule_delay: 100, exporter: {otlp: {protocol: http/protobuf, endpoint: "`+backend.URL+`", certificate: "${env:TLS_DIR}/ca.crt"}}}`)
	run(t, append(network.environment, "ELASTICSEARCH="+backend.URL, "ELASTICSEARCH_CA="+network.authority.File, "AUDIT_INTERVAL=500ms", "ELASTICSEARCH_API_KEY=key"),
		"testdata/gateway.yaml", logsFolder+"gateway.yaml", traced)
	telemetry := strconv.Itoa(freeport.Get(t))
	agent := run(t, append(network.environment, "TELEMETRY_PORT="+telemetry), "testdata/agent.yaml", logsFolder+"agent.yaml", traced)
	network.logAsTraining(t)

	backend.eventually(t, func() bool {
		return len(backend.records["otelcol-carbon"]) > 3 && len(backend.records["bert"]) == 1 &&
			backend.audited["hw.energy"] && backend.audited["hw.emissions"] && len(backend.shared()) > 0
	})
	metrics := body(t, "http://127.0.0.1:"+telemetry+"/metrics")
	require.NoError(t, agent.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, agent.cmd.Wait())

	instance := agent.instance(t)
	assert.Contains(t, metrics, `service_instance_id="`+instance+`"`, "its metrics")
	backend.mu.Lock()
	defer backend.mu.Unlock()
	components := map[any]bool{}
	for _, record := range backend.records["otelcol-carbon"] {
		assert.Equal(t, instance, record.resource["service.instance.id"])
		assert.Equal(t, "node-1", record.resource["host.name"])
		assert.Equal(t, "otelcol_carbon", record.resource["data_stream.dataset"])
		components[record.scope["otelcol.component.id"]] = true
	}
	assert.Subset(t, slices.Collect(maps.Keys(components)), []any{"hostenergy", "carbonintensity"})
	assert.Contains(t, backend.spans, instance, "its spans")
	// What somebody else logs within a request, or within a run, keeps its ids.
	of := backend.records["bert"][0]
	assert.Equal(t, traceID, of.trace)
	assert.Equal(t, spanID, of.span)
	assert.Equal(t, "run-1", of.resource["workload.run.id"])
	assert.Equal(t, map[string]bool{"hw.energy": true, "hw.emissions": true, "workload.energy": true, "workload.emissions": true}, backend.audited, "and no gauge")
}

// network is a gateway's address and the certificates with which agents and the gateway know each other.
type network struct {
	authority   *pki.Authority
	certificate pki.Certificate
	gateway     string
	environment []string
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{authority: pki.NewAuthority(t, "logs"), gateway: fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))}
	n.certificate = n.authority.Issue(t)
	folder := filepath.Dir(n.certificate.File)
	ca, err := os.ReadFile(n.authority.File)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "ca.crt"), ca, 0o600))
	n.environment = []string{"TLS_DIR=" + folder, "LISTEN=" + n.gateway, "NODE_NAME=node-1", "LOGS_GATEWAY=https://" + n.gateway, "GATEWAY=" + n.gateway}
	return n
}

var (
	traceID = pcommon.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	spanID  = pcommon.SpanID{1, 2, 3, 4, 5, 6, 7, 8}
)

// logAsTraining sends a record of a training run to the gateway.
func (n *network) logAsTraining(t *testing.T) {
	t.Helper()
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	require.NoError(t, resource.Resource().Attributes().FromRaw(map[string]any{"service.name": "bert", "workload.run.id": "run-1"}))
	record := resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	record.Body().SetStr("epoch 1")
	record.SetTraceID(traceID)
	record.SetSpanID(spanID)
	connection, err := grpc.NewClient(n.gateway, grpc.WithTransportCredentials(credentials.NewTLS(n.authority.Client(t, n.certificate))))
	require.NoError(t, err)
	defer func() { require.NoError(t, connection.Close()) }()
	_, err = plogotlp.NewGRPCClient(connection).Export(t.Context(), plogotlp.NewExportRequestFromLogs(logs), grpc.WaitForReady(true))
	require.NoError(t, err)
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
			const most = 8192
			output := p.output.String()
			t.Log(output[max(0, len(output)-most):])
		}
	})
	return p
}

// instance reads each line that the process printed, and says whose they are.
func (p *process) instance(t *testing.T) string {
	t.Helper()
	ids := map[string]bool{}
	lines := bufio.NewScanner(&p.output)
	lines.Buffer(nil, 1<<20)
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
	require.NoError(t, lines.Err())
	require.Len(t, ids, 1, "of one process")
	return slices.Collect(maps.Keys(ids))[0]
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func body(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	var text strings.Builder
	_, err = bufio.NewReader(response.Body).WriteTo(&text)
	require.NoError(t, err)
	return text.String()
}

// They fit to the configs that are shipped.
func TestLogsBesideShippedConfigs(t *testing.T) {
	t.Parallel()
	const gateway, agent = "../../distro/config/secure-gateway.yaml", "../../distro/config/standalone.yaml"
	for _, configs := range [][]string{
		{agent, "agent.yaml"},
		{gateway, "agent.yaml"},
		{gateway, "gateway.yaml"},
		{gateway, "gateway.yaml", "gateway-opensearch.yaml"},
		{gateway, "gateway.yaml", "gateway-kafka.yaml"},
	} {
		command := exec.CommandContext(t.Context(), binary, "validate", "--config="+configs[0])
		for _, config := range configs[1:] {
			command.Args = append(command.Args, "--config="+logsFolder+config)
		}
		command.Env = append(os.Environ(), "NODE_NAME=node-1")
		output, err := command.CombinedOutput()
		require.NoError(t, err, "%s: %s", configs, output)
	}
}
