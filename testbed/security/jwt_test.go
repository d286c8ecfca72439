// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/pki"
)

// A certificate alone opens nothing: who shows one needs a token too, and only a whole one is taken.
func TestTokens(t *testing.T) {
	t.Parallel()
	g := startGateway(t, "--config=yaml:service::telemetry::logs: {level: debug, sampling: {enabled: false}}")
	i := g.issuer
	with := func(changes map[string]any) string { return i.sign(i.claims(0, changes)) }
	aged := func(age time.Duration) string { return i.sign(i.claims(age, nil)) }
	publicKey, err := x509.MarshalPKIXPublicKey(i.signing().key.Public())
	require.NoError(t, err)
	hmac := func(secret []byte) string {
		return signed(t, jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: secret, KeyID: i.signing().id}}, i.claims(0, nil))
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicKey})
	asJWK, err := json.Marshal(i.public().Keys[0])
	require.NoError(t, err)
	thief, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	parts := strings.Split(i.token(), ".")

	for name, tc := range map[string]struct {
		token string
		want  string // why it is refused
	}{
		"new":                                 {token: i.token()},
		"ten seconds before its hour is over": {token: aged(3590 * time.Second)},
		"for many audiences":                  {token: with(map[string]any{"aud": []string{"another", audience}})},
		"not valid for another four minutes":  {token: with(map[string]any{"nbf": time.Now().Add(4 * time.Minute).Unix()})},

		"one second after its hour":         {aged(3601 * time.Second), "token is expired"},
		"of yesterday":                      {aged(24 * time.Hour), "token is expired"},
		"without an end":                    {with(map[string]any{"exp": nil}), "token is expired"},
		"not valid for another six minutes": {with(map[string]any{"nbf": time.Now().Add(6 * time.Minute).Unix()}), "before the nbf"},
		"for another audience":              {with(map[string]any{"aud": "another"}), "expected audience"},
		"for no audience":                   {with(map[string]any{"aud": nil}), "expected audience"},
		"of another issuer":                 {with(map[string]any{"iss": "https://issuer.example.org"}), "issued by a different provider"},
		"of no issuer":                      {with(map[string]any{"iss": nil}), "issued by a different provider"},
		"alg none":                          {unsigned(t, "none", i.claims(0, nil)), `unexpected signature algorithm "none"`},
		"alg None":                          {unsigned(t, "None", i.claims(0, nil)), `unexpected signature algorithm "None"`},
		"HS256 with the public key in PEM":  {hmac(asPEM), `unexpected signature algorithm "HS256"`},
		"HS256 with the public key in DER":  {hmac(publicKey), `unexpected signature algorithm "HS256"`},
		"HS256 with the public key in JWK":  {hmac(asJWK), `unexpected signature algorithm "HS256"`},
		"signed by another key of that id": {signed(t, jose.SigningKey{
			Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: thief, KeyID: i.signing().id},
		}, i.claims(0, nil)), "failed to verify id token signature"},
		"that brings its own key": {embedded(t, thief, i.claims(0, nil)), "failed to verify id token signature"},
		"with another's claims":   {parts[0] + "." + strings.Split(with(map[string]any{"sub": "root"}), ".")[1] + "." + parts[2], "failed to verify id token signature"},
		"without its signature":   {parts[0] + "." + parts[1] + ".", "failed to verify id token signature"},
		"in pieces":               {parts[0] + "." + parts[1], "compact JWS format must have three parts"},
		"no token":                {"", ""},
	} {
		for protocol, send := range g.protocols() {
			t.Run(protocol+"/"+name, func(t *testing.T) {
				metric := name + " over " + protocol
				err := send(g.agent(), tc.token, metric)
				if tc.want == "" && tc.token != "" {
					require.NoError(t, err)
					assert.Equal(t, 1, g.backend.has(metric))
					return
				}
				var refused errRefused
				require.ErrorAs(t, err, &refused)
				assert.Contains(t, refused.reason, tc.want)
				assert.Zero(t, g.backend.has(metric))
			})
		}
		if tc.token != "" {
			assert.NotContains(t, g.output.String(), tc.token, "a token in the log")
		}
	}
}

// embedded is a token that says in its header which key to check it with.
func embedded(tb testing.TB, key *ecdsa.PrivateKey, claims map[string]any) string {
	tb.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, &jose.SignerOptions{EmbedJWK: true})
	require.NoError(tb, err)
	payload, err := json.Marshal(claims)
	require.NoError(tb, err)
	signature, err := signer.Sign(payload)
	require.NoError(tb, err)
	token, err := signature.CompactSerialize()
	require.NoError(tb, err)
	return token
}

// A token is worth nothing without a certificate.
func TestATokenAloneIsRefused(t *testing.T) {
	t.Parallel()
	g := startGateway(t)
	for protocol, send := range g.protocols() {
		var refused errRefused
		err := send(g.authority.Client(t), g.issuer.token(), "m")
		require.Error(t, err, protocol)
		assert.NotErrorAs(t, err, &refused, "it gets as far as the token")
	}
	assert.Zero(t, g.backend.total())
}

// A new key is taken without a restart, as soon as a token is signed with it. A key that was withdrawn is good until then:
// keys are asked for when a token has one that is not known, and at no other time.
func TestKeysOfTheIssuerRotate(t *testing.T) {
	t.Parallel()
	g := startGateway(t)
	old := g.issuer.token()
	g.sends(old, "old key")
	require.Equal(t, int64(1), g.issuer.asks.Load(), "the keys are kept")

	g.issuer.add("second")
	g.sends(g.issuer.token(), "new key")
	g.sends(old, "old key, still served")
	require.Equal(t, int64(2), g.issuer.asks.Load())

	g.issuer.withdraw()
	g.sends(old, "old key, withdrawn")
	require.Equal(t, int64(2), g.issuer.asks.Load(), "nobody asked, so nobody was told")

	g.issuer.add("third")
	g.sends(g.issuer.token(), "third key")
	for protocol, send := range g.protocols() {
		var refused errRefused
		require.ErrorAs(t, send(g.agent(), old, "old key, in the end"), &refused, protocol)
		assert.Contains(t, refused.reason, "failed to verify id token signature")
	}
	assert.Zero(t, g.backend.has("old key, in the end"))
}

// What was learnt of the issuer lasts while it is away.
func TestTheIssuerIsAway(t *testing.T) {
	t.Parallel()
	g := startGateway(t)
	g.sends(g.issuer.token(), "issuer here")
	g.issuer.away()
	g.sends(g.issuer.token(), "issuer away")
	g.issuer.add("second")
	for protocol, send := range g.protocols() {
		var refused errRefused
		require.ErrorAs(t, send(g.agent(), g.issuer.token(), "new key"), &refused, protocol)
		assert.Contains(t, refused.reason, "fetching keys")
	}
}

// With its keys in a file the issuer need not be reached, and a key that is withdrawn is refused at once.
func TestKeysOfTheIssuerFromAFile(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	write := func(path string) {
		set, err := json.Marshal(g.issuer.public())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path+".new", set, 0o600))
		require.NoError(t, os.Rename(path+".new", path))
	}
	keys := writeFile(t, "jwks.json", "")
	write(keys)
	const unreachable = "https://127.0.0.1:1"
	g.run([]string{"--config=yaml:extensions::oidc::providers: [{issuer_url: '" + unreachable + "', audience: otelcol-carbon, public_keys_file: " + keys + "}]"},
		"TLS_DIR="+g.files.dir)
	of := func() string { return g.issuer.sign(g.issuer.claims(0, map[string]any{"iss": unreachable})) }
	old := of()
	g.sends(old, "old key")

	g.issuer.add("second")
	g.issuer.withdraw()
	write(keys)
	accepted := func(token string) bool {
		err := g.protocols()["grpc"](g.agent(), token, "after the change")
		var refused errRefused
		require.True(t, err == nil || errors.As(err, &refused), "%v", err)
		return err == nil
	}
	g.eventually(func() bool { return accepted(of()) }, "the new key")
	assert.False(t, accepted(old))
	assert.Zero(t, g.issuer.asks.Load())
}

// An issuer that cannot be reached, or is not the one that the site's authority vouches for, is told at the start.
func TestTheIssuerIsNotReached(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	stranger := newIssuer(t, pki.NewAuthority(t, "of somebody"))
	for issuer, want := range map[string]string{
		"https://127.0.0.1:1": "connection refused",
		stranger.url:          "certificate signed by unknown authority",
	} {
		code, output := run(t, []string{"--config=" + secureGateway},
			"TLS_DIR="+g.files.dir, "OIDC_ISSUER="+issuer, "OIDC_ISSUER_CA="+g.authority.File, "BACKEND_CA="+g.authority.File)
		assert.Equal(t, 1, code)
		assert.Contains(t, output, `failed to create OIDC provider for "`+issuer+`"`)
		assert.Contains(t, output, want)
	}
}
