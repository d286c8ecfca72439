// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/pki"
)

// startReloading is a gateway that looks at its certificate each second and not each minute.
func startReloading(tb testing.TB, args ...string) *gateway {
	tb.Helper()
	g := newGateway(tb)
	g.run(args, "TLS_DIR="+g.files.dir, "OIDC_ISSUER="+g.issuer.url, "OIDC_ISSUER_CA="+g.authority.File, "TLS_RELOAD_INTERVAL=1s")
	return g
}

// Certificates are replaced while agents connect and send: each metric is accepted and delivered, once.
func TestCertificatesAreReloadedUnderLoad(t *testing.T) {
	t.Parallel()
	g := startReloading(t)
	var stop atomic.Bool
	var sent atomic.Int64
	var senders sync.WaitGroup
	agent, token := g.agent(), g.issuer.token()
	for protocol, send := range g.protocols() {
		senders.Go(func() {
			for n := 0; !stop.Load(); n++ {
				if err := send(agent, token, fmt.Sprintf("%s %d", protocol, n)); err != nil {
					t.Errorf("%s %d: %v", protocol, n, err)
					return
				}
				sent.Add(1)
			}
		})
	}
	for range 3 {
		next := g.authority.Issue(t)
		g.files.replace(g.authority, next)
		want := serial(t, next)
		for _, address := range []string{g.grpc, g.http, g.metrics, g.health} {
			g.eventually(func() bool { return served(t, address, agent) == want }, "the new certificate on "+address)
		}
		before := sent.Load()
		g.eventually(func() bool { return sent.Load() > before+10 || t.Failed() }, "more metrics")
	}
	stop.Store(true)
	senders.Wait()
	assert.Equal(t, int(sent.Load()), g.backend.total())
	g.backend.mu.Lock()
	defer g.backend.mu.Unlock()
	assert.Len(t, g.backend.got, int(sent.Load()))
}

// A certificate and a key that do not match are not served, and neither is what was there before: nobody connects until they
// match again. So replace both at once.
func TestACertificateWithAnotherKey(t *testing.T) {
	t.Parallel()
	g := startReloading(t)
	one, other := g.authority.Issue(t), g.authority.Issue(t)
	g.files.replace(g.authority, pki.Certificate{File: one.File, KeyFile: other.KeyFile})
	g.eventually(func() bool { return !g.healthy() }, "its end")
	g.files.replace(g.authority, one)
	g.eventually(g.healthy, "health")
	g.sends(g.issuer.token(), "repaired")
}

// Agents of an authority that is trusted no longer are refused, those of the new one are taken.
func TestTheAuthorityIsReplaced(t *testing.T) {
	t.Parallel()
	g := startReloading(t)
	next := pki.NewAuthority(t, "of the site, second")
	g.files.replace(next, g.authority.Issue(t)) // of the same server certificates: clients go on to trust it
	before, after := insisting(t, g.authority, g.authority.Issue(t)), insisting(t, g.authority, next.Issue(t))
	for _, address := range []string{g.grpc, g.http, g.metrics} {
		http2 := address == g.grpc
		g.eventually(func() bool { return talk(t, address, after, http2) == nil }, "the new authority on "+address)
		require.ErrorContains(t, talk(t, address, before, http2), "unknown certificate authority")
	}
}

// A connection that is open is not looked at again; gRPC's is closed when it is as old as it may get.
func TestAConnectionOutlivesItsCertificate(t *testing.T) {
	t.Parallel()
	g := startReloading(t, "--config=yaml:receivers::otlp::protocols::grpc::keepalive::server_parameters: {max_connection_age: 2s, max_connection_age_grace: 1s}")
	connection, err := grpc.NewClient(g.grpc, grpc.WithTransportCredentials(credentials.NewTLS(g.agent())))
	require.NoError(t, err)
	defer func() { _ = connection.Close() }()
	client := pmetricotlp.NewGRPCClient(connection)
	export := func(metric string) error {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+g.issuer.token())
		_, err := client.Export(ctx, named(metric))
		return err
	}
	require.NoError(t, export("first"))
	g.files.replace(pki.NewAuthority(t, "of the site, second"), g.authority.Issue(t))
	g.eventually(func() bool { return export("more") != nil }, "an end of the connection")
	assert.Positive(t, g.backend.has("more"), "it was good until then")
}

func serial(tb testing.TB, certificate pki.Certificate) string {
	tb.Helper()
	pair, err := tls.LoadX509KeyPair(certificate.File, certificate.KeyFile)
	require.NoError(tb, err)
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	require.NoError(tb, err)
	return leaf.SerialNumber.String()
}

// served is the serial number of the certificate that a listener shows.
func served(tb testing.TB, address string, config *tls.Config) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	config = config.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	connection, err := (&tls.Dialer{NetDialer: &net.Dialer{}, Config: config}).DialContext(ctx, "tcp", address)
	require.NoError(tb, err)
	defer func() { _ = connection.Close() }()
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
}
