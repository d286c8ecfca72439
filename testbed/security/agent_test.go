// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/freeport"
)

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// documented is the config in docs/security.md that has a word, with values of the test for those of the text.
func documented(t *testing.T, word string, values ...string) (file string) {
	t.Helper()
	text, err := os.ReadFile(repository + "/docs/security.md")
	require.NoError(t, err)
	for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(block[1], word) {
			for i := 0; i < len(values); i += 2 {
				require.Contains(t, block[1], values[i])
			}
			return writeFile(t, "documented.yaml", strings.NewReplacer(values...).Replace(block[1]))
		}
	}
	require.Fail(t, "not in docs/security.md", word)
	return ""
}

// An agent with the config of the documentation sends with a token that is about to end, and is given the next one in time.
func TestAnAgentRenewsItsToken(t *testing.T) {
	t.Parallel()
	g := startGateway(t)
	files := newProjected(t, g.authority, g.authority.Issue(t))
	token := filepath.Join(t.TempDir(), "token")
	renew := func(left time.Duration) {
		text := g.issuer.sign(g.issuer.claims(time.Hour-left, nil))
		require.NoError(t, os.WriteFile(token+".new", []byte(text+"\n"), 0o600))
		require.NoError(t, os.Rename(token+".new", token))
	}
	renew(3 * time.Second)
	otlp := fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))
	agent := start(t, []string{
		"--config=" + documented(t, "bearertokenauth", "/etc/otelcol-carbon/tls", files.dir, "gateway.example.org:4317", g.grpc,
			"/var/run/secrets/otelcol-carbon/token", token),
		"--config=yaml:{receivers: {otlp: {protocols: {grpc: {endpoint: '" + otlp + "'}}}}, service: {extensions: [bearertokenauth], " +
			"telemetry: {metrics: {level: none}}, pipelines: {metrics: {receivers: [otlp], exporters: [otlp_grpc]}}}}",
		"--config=yaml:exporters::otlp_grpc::sending_queue::enabled: false", // so that who sends is told
	})
	connection, err := grpc.NewClient(otlp, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer func() { _ = connection.Close() }()
	client := pmetricotlp.NewGRPCClient(connection)
	send := func(metric string) error {
		_, err := client.Export(t.Context(), named(metric))
		return err
	}
	agent.eventually(func() bool { return send("first") == nil }, "the first metric")
	agent.eventually(func() bool { err = send("last"); return err != nil }, "an end of the token")
	require.ErrorContains(t, err, "token is expired")
	renew(time.Hour)
	agent.eventually(func() bool { return send("renewed") == nil }, "the next token")
	assert.Equal(t, 1, g.backend.has("renewed"))
}

// The filter of the documentation takes what one service sends with tokens of an hour, and nothing else that has good tokens.
func TestOnlyOneServiceMaySend(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.run([]string{
		"--config=" + documented(t, "filter/senders", "https://issuer.example.org", g.issuer.url),
		"--config=yaml:extensions::oidc::providers: [{issuer_url: '" + g.issuer.url + "', issuer_ca_path: " + g.authority.File + ", audience: otelcol-carbon}]",
		"--config=yaml:service::pipelines::metrics::processors: [memory_limiter, filter/senders]",
	}, "TLS_DIR="+g.files.dir)
	g.sends(g.issuer.token(), "of the agent")
	for _, changes := range []map[string]any{
		{"sub": "system:serviceaccount:default:default"},
		{"sub": nil},
		{"sub": "another", "subject": "system:serviceaccount:carbon:agent"},
		{"exp": time.Now().Add(time.Hour + time.Minute).Unix()},
		{"iat": nil},
	} {
		for protocol, send := range g.protocols() {
			err := send(g.agent(), g.issuer.sign(g.issuer.claims(0, changes)), "of another")
			var refused errRefused
			assert.NotErrorAs(t, err, &refused, protocol)
		}
	}
	assert.Zero(t, g.backend.has("of another"))
}
