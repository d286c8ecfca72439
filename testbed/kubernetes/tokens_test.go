// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
)

const tokens = `
tokens: {issuer: 'https://issuer.example.org', audience: carbon}
networkPolicy: {egress: {gateway: [{to: [{ipBlock: {cidr: 198.51.100.200/32}}], ports: [{protocol: TCP, port: 443}]}]}}`

func TestAgentsShowTokensThatTheGatewayTakes(t *testing.T) {
	t.Parallel()
	all := render(t, required, tokens)
	pod := daemonSet(t, required, tokens)
	projected := volume(t, pod, "token").Projected
	require.NotNil(t, projected)
	token := projected.Sources[0].ServiceAccountToken
	assert.Equal(t, "carbon", token.Audience)
	assert.Equal(t, int64(3600), *token.ExpirationSeconds)
	assert.Contains(t, mounts(pod.Containers[0]), core.VolumeMount{Name: "token", MountPath: "/token", ReadOnly: true})

	agent, gateway := parse(t, all, "agent"), parse(t, all, "gateway")
	assert.Equal(t, "/token/"+token.Path, at(t, agent, "extensions", "bearertokenauth")["filename"])
	assert.Equal(t, map[string]any{"authenticator": "bearertokenauth"}, at(t, agent, "exporters", "otlp_grpc")["auth"])
	assert.Contains(t, at(t, agent, "service")["extensions"], "bearertokenauth")
	assert.Equal(t, map[string]any{"authenticator": "oidc"}, at(t, gateway, "receivers", "otlp", "protocols", "grpc")["auth"])
	assert.Contains(t, at(t, gateway, "service")["extensions"], "oidc")
	assert.Equal(t, []any{map[string]any{"issuer_url": "https://issuer.example.org", "audience": token.Audience}},
		at(t, gateway, "extensions", "oidc")["providers"])
}

func TestKeysOfTokensCanBeGiven(t *testing.T) {
	t.Parallel()
	const keys = `{"keys":[{"kty":"RSA"}]}`
	all := render(t, required, tokens, "tokens: {keys: '"+keys+"'}")
	config := get[*core.ConfigMap](t, all, "ConfigMap/"+release+"-gateway")
	assert.JSONEq(t, keys, config.Data["keys.json"])
	provider := at(t, parse(t, all, "gateway"), "extensions", "oidc")["providers"].([]any)[0]
	assert.Equal(t, "/config/keys.json", provider.(map[string]any)["public_keys_file"])
}

func TestNobodyNeedsATokenByDefault(t *testing.T) {
	t.Parallel()
	text, err := renderText(t, required)
	require.NoError(t, err)
	for _, word := range []string{"oidc", "bearertokenauth", "serviceAccountToken"} {
		assert.NotContains(t, text, word)
	}
}
