// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/freeport"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/pki"
)

const secureGateway = repository + "/distro/config/secure-gateway.yaml"

// gateway is the binary with the shipped secure-gateway.yaml, and those that it needs: an issuer, and a backend.
type gateway struct {
	*process
	authority *pki.Authority // of the gateway and the agents
	files     *projected
	issuer    *issuer
	backend   *backend

	grpc, http, metrics, health, pprof, zpages, self string // addresses
}

// startGateway runs it with further arguments, until it answers as healthy.
func startGateway(tb testing.TB, args ...string) *gateway {
	tb.Helper()
	g := newGateway(tb)
	g.run(args, "TLS_DIR="+g.files.dir, "OIDC_ISSUER="+g.issuer.url, "OIDC_ISSUER_CA="+g.authority.File)
	return g
}

// newGateway is one that does not run yet.
func newGateway(tb testing.TB) *gateway {
	tb.Helper()
	authority := pki.NewAuthority(tb, "of the site")
	g := &gateway{authority: authority, issuer: newIssuer(tb, authority), backend: newBackend(tb, authority)}
	g.files = newProjected(tb, authority, authority.Issue(tb))
	g.process = &process{tb: tb}
	return g
}

func (g *gateway) run(args []string, env ...string) {
	g.tb.Helper()
	env = append(env, "BACKEND="+g.backend.url, "BACKEND_CA="+g.authority.File)
	for name, address := range map[string]*string{
		"OTLP_GRPC_PORT": &g.grpc, "OTLP_HTTP_PORT": &g.http, "METRICS_PORT": &g.metrics, "HEALTH_PORT": &g.health,
		"PPROF_PORT": &g.pprof, "ZPAGES_PORT": &g.zpages, "SELF_PORT": &g.self,
	} {
		port := freeport.Get(g.tb)
		*address = fmt.Sprintf("127.0.0.1:%d", port)
		env = append(env, name+"="+strconv.Itoa(port))
	}
	g.process = start(g.tb, append([]string{"--config=" + secureGateway}, args...), env...)
	g.eventually(g.healthy, "health")
}

// healthy asks without a certificate, as a kubelet does.
func (g *gateway) healthy() bool {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: g.authority.Client(g.tb), DisableKeepAlives: true}}
	response, err := client.Get("https://" + g.health)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// agent is TLS as an agent speaks it, with a certificate of the site.
func (g *gateway) agent() *tls.Config {
	g.tb.Helper()
	return g.authority.Client(g.tb, g.authority.Issue(g.tb))
}

// projected is a folder with a certificate, its key and an authority, replaced as a kubelet replaces a secret's: files are links
// through one link, and that one is renamed.
type projected struct {
	tb      testing.TB
	dir     string
	version int
}

func newProjected(tb testing.TB, authority *pki.Authority, certificate pki.Certificate) *projected {
	tb.Helper()
	p := &projected{tb: tb, dir: tb.TempDir()}
	p.replace(authority, certificate)
	for _, name := range []string{"ca.crt", "tls.crt", "tls.key"} {
		require.NoError(tb, os.Symlink(filepath.Join("..data", name), filepath.Join(p.dir, name)))
	}
	return p
}

func (p *projected) replace(authority *pki.Authority, certificate pki.Certificate) {
	p.tb.Helper()
	p.version++
	version := "..v" + strconv.Itoa(p.version)
	require.NoError(p.tb, os.Mkdir(filepath.Join(p.dir, version), 0o700))
	for name, from := range map[string]string{"ca.crt": authority.File, "tls.crt": certificate.File, "tls.key": certificate.KeyFile} {
		content, err := os.ReadFile(from)
		require.NoError(p.tb, err)
		require.NoError(p.tb, os.WriteFile(filepath.Join(p.dir, version, name), content, 0o600))
	}
	next := filepath.Join(p.dir, "..data_tmp")
	require.NoError(p.tb, os.Symlink(version, next))
	require.NoError(p.tb, os.Rename(next, filepath.Join(p.dir, "..data")))
}
