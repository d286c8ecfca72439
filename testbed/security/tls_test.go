// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/pki"
)

// Which clients the listeners talk to. Alerts are those of RFC 8446, section 6.2.
func TestHandshakes(t *testing.T) {
	t.Parallel()
	g := startGateway(t)
	of := func(authority *pki.Authority, changes ...func(*x509.Certificate)) *tls.Config {
		return insisting(t, g.authority, authority.Issue(t, changes...))
	}
	atMost12 := g.agent()
	atMost12.MaxVersion = tls.VersionTLS12
	clients := map[string]struct {
		config      *tls.Config
		alert       string // of listeners that ask for a certificate
		healthAlert string
	}{
		"a certificate of the site":           {config: g.agent()},
		"TLS 1.2":                             {config: atMost12, alert: "protocol version not supported", healthAlert: "protocol version not supported"},
		"no certificate":                      {config: g.authority.Client(t), alert: "certificate required"},
		"of another authority":                {config: of(pki.NewAuthority(t, "of somebody")), alert: "unknown certificate authority"},
		"of an authority that takes its name": {config: of(pki.NewAuthority(t, "of the site")), alert: "unknown certificate authority"},
		"expired":                             {config: of(g.authority, until(-time.Second)), alert: "expired certificate"},
		"not yet valid":                       {config: of(g.authority, from(time.Hour)), alert: "expired certificate"},
		"for a server only":                   {config: of(g.authority, serverOnly), alert: "bad certificate"},
	}
	for listener, address := range map[string]string{"grpc": g.grpc, "http": g.http, "metrics": g.metrics, "health": g.health} {
		for client, tc := range clients {
			t.Run(listener+"/"+client, func(t *testing.T) {
				alert := tc.alert
				if listener == "health" {
					alert = tc.healthAlert
				}
				err := talk(t, address, tc.config, listener == "grpc")
				if alert == "" {
					require.NoError(t, err)
					return
				}
				require.Error(t, err)
				assert.Contains(t, err.Error(), "remote error: tls: "+alert)
			})
		}
	}
}

// Without TLS nothing is said, not even to whom lives.
func TestPlainTextIsNotAnswered(t *testing.T) {
	t.Parallel()
	g := startGateway(t)
	for listener, address := range map[string]string{"grpc": g.grpc, "http": g.http, "metrics": g.metrics, "health": g.health} {
		connection, err := net.Dial("tcp", address)
		require.NoError(t, err)
		require.NoError(t, connection.SetDeadline(time.Now().Add(patience)))
		_, err = connection.Write([]byte("GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"))
		require.NoError(t, err)
		answer := make([]byte, 512)
		n, err := connection.Read(answer)
		if err == nil {
			assert.Contains(t, string(answer[:n]), "400 Bad Request", listener)
			assert.Contains(t, string(answer[:n]), "HTTPS server", listener)
		}
		require.NoError(t, connection.Close())
	}
}

// talk has the listener say something: with TLS 1.3 a client learns only then that its certificate was refused.
func talk(t *testing.T, address string, config *tls.Config, http2 bool) error {
	t.Helper()
	config = config.Clone()
	hello := "GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"
	if http2 {
		config.NextProtos = []string{"h2"}
		hello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" // RFC 9113, section 3.4
	}
	connection, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, config)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	require.Equal(t, uint16(tls.VersionTLS13), connection.ConnectionState().Version)
	require.NoError(t, connection.SetDeadline(time.Now().Add(patience)))
	// The write may find that it is refused already: what the listener said of it is there to be read.
	_, _ = connection.Write([]byte(hello))
	_, err = connection.Read(make([]byte, 1))
	return err
}

// insisting is a client that shows its certificate, whichever authorities the server asks for.
func insisting(tb testing.TB, trusted *pki.Authority, certificate pki.Certificate) *tls.Config {
	tb.Helper()
	pair, err := tls.LoadX509KeyPair(certificate.File, certificate.KeyFile)
	require.NoError(tb, err)
	config := trusted.Client(tb)
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return config
}

func serverOnly(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }

func until(d time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotAfter = time.Now().Add(d) }
}

func from(d time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.NotBefore = time.Now().Add(d)
		c.NotAfter = c.NotBefore.Add(time.Hour)
	}
}

// Who connects and says nothing is cut off. gRPC's listener waits for two minutes, which cannot be set.
func TestASilentClientIsCutOff(t *testing.T) {
	t.Parallel()
	g := startGateway(t)
	silent := map[string]net.Conn{}
	for listener, address := range map[string]string{"http": g.http, "metrics": g.metrics, "health": g.health} {
		connection, err := net.DialTimeout("tcp", address, patience)
		require.NoError(t, err)
		require.NoError(t, connection.SetDeadline(time.Now().Add(patience)))
		silent[listener] = connection
	}
	for listener, connection := range silent {
		_, err := connection.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, listener)
		assert.NoError(t, connection.Close())
	}
}
