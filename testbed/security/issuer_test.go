// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/pki"
)

const audience = "otelcol-carbon"

// issuer signs tokens, and serves the keys to check them with as OpenID Connect Discovery 1.0 says.
type issuer struct {
	tb   testing.TB
	url  string
	asks atomic.Int64 // how often it was asked for its keys
	away func()

	mu   sync.Mutex
	keys []signingKey // served, the last one signs
}

type signingKey struct {
	id  string
	key *ecdsa.PrivateKey
}

func newIssuer(tb testing.TB, authority *pki.Authority) *issuer {
	tb.Helper()
	i := &issuer{tb: tb}
	i.add("first")
	server := httptest.NewUnstartedServer(i)
	server.TLS = authority.Client(tb, authority.Issue(tb))
	server.StartTLS()
	tb.Cleanup(server.Close)
	i.url, i.away = server.URL, server.Close
	return i
}

// add makes a key that signs from now on; those before stay good.
func (i *issuer) add(id string) {
	i.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(i.tb, err)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, signingKey{id, key})
}

// withdraw serves the oldest key no longer.
func (i *issuer) withdraw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = i.keys[1:]
}

func (i *issuer) signing() signingKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[len(i.keys)-1]
}

func (i *issuer) public() (set jose.JSONWebKeySet) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, k := range i.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.key.Public(), KeyID: k.id, Algorithm: string(jose.ES256), Use: "sig"})
	}
	return set
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var answer any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer = map[string]any{
			"issuer": i.url, "jwks_uri": i.url + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"},
		}
	case "/keys":
		i.asks.Add(1)
		answer = i.public()
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// claims of an agent's token that was issued some time ago and is good for an hour, changed as told; those set to nil are left
// out.
func (i *issuer) claims(age time.Duration, changes map[string]any) map[string]any {
	issued := time.Now().Add(-age)
	claims := map[string]any{
		"iss": i.url, "aud": audience, "sub": "system:serviceaccount:carbon:agent",
		"iat": issued.Unix(), "exp": issued.Unix() + 3600,
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

// token is one that the gateway must accept.
func (i *issuer) token() string {
	i.tb.Helper()
	return i.sign(i.claims(0, nil))
}

func (i *issuer) sign(claims map[string]any) string {
	i.tb.Helper()
	k := i.signing()
	return signed(i.tb, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: k.key, KeyID: k.id}}, claims)
}

func signed(tb testing.TB, key jose.SigningKey, claims map[string]any) string {
	tb.Helper()
	signer, err := jose.NewSigner(key, nil)
	require.NoError(tb, err)
	payload, err := json.Marshal(claims)
	require.NoError(tb, err)
	signature, err := signer.Sign(payload)
	require.NoError(tb, err)
	token, err := signature.CompactSerialize()
	require.NoError(tb, err)
	return token
}

// unsigned is a token of RFC 7519, section 6: its algorithm is "none".
func unsigned(tb testing.TB, algorithm string, claims map[string]any) string {
	tb.Helper()
	header, err := json.Marshal(map[string]string{"alg": algorithm, "typ": "JWT"})
	require.NoError(tb, err)
	payload, err := json.Marshal(claims)
	require.NoError(tb, err)
	return base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
}
