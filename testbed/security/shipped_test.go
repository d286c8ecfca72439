// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// exceptions are endpoints off loopback without TLS 1.3, in files of a pattern.
var exceptions = []struct{ file, endpoint, reason string }{
	{
		"deploy/kubernetes/official-chart/values-*.yaml", "extensions::health_check",
		"the official chart's probes speak plain HTTP; health tells no more than that the collector runs",
	},
	{
		"deploy/kubernetes/*/*gateway*.yaml", "exporters::otlp_http",
		"the backend's server decides: it is the site's, and may not know TLS 1.3 yet",
	},
}

// Every endpoint of every config that is shipped, also those that are defaults, is on loopback or speaks TLS 1.3 only, and who
// sends OTLP shows a certificate.
func TestShippedConfigsSpeakTLS13(t *testing.T) {
	t.Parallel()
	used := map[int]bool{}
	configs := shippedConfigs(t)
	for _, file := range slices.Sorted(maps.Keys(configs)) {
		for _, config := range configs[file] {
			for endpoint, problem := range problems(resolved(t, config), "") {
				except := slices.IndexFunc(exceptions, func(e struct{ file, endpoint, reason string }) bool {
					matches, err := path.Match(e.file, file)
					require.NoError(t, err)
					return matches && e.endpoint == endpoint
				})
				assert.GreaterOrEqual(t, except, 0, "%s: %s %s", file, endpoint, problem)
				used[except] = true
			}
		}
	}
	for i, e := range exceptions {
		assert.True(t, used[i], "no longer an exception: %s of %s", e.endpoint, e.file)
	}
	for _, file := range []string{
		"distro/config/standalone.yaml", "distro/config/secure-gateway.yaml", "deploy/packages/config.yaml", "deploy/compose/collector.yaml",
		"deploy/kubernetes/manifests/agent.yaml", "deploy/kubernetes/manifests/gateway.yaml", "deploy/kubernetes/manifests/agent-attribution.yaml",
		"deploy/kubernetes/operator/agent.yaml", "deploy/kubernetes/official-chart/values-gateway.yaml",
	} {
		assert.NotEmpty(t, configs[file], file)
	}
}

func TestProblemsAreFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"endpoint: 127.0.0.1:1":                                                    "",
		"endpoint: '[::1]:1'":                                                      "",
		"endpoint: localhost:1":                                                    "",
		"endpoint: http://localhost:1/v1":                                          "",
		"endpoint: unix:///run/otlp.sock":                                          "",
		"{host: 127.0.0.1, port: 8888}":                                            "",
		"endpoint: ''":                                                             "",
		"endpoint: https://127.0.0.1:1/write":                                      "",
		"{endpoint: '10.0.0.1:1', tls: {min_version: '1.3'}}":                      "",
		"endpoint: :4317":                                                          ":4317 has no TLS",
		"endpoint: 0.0.0.0:4317":                                                   "0.0.0.0:4317 has no TLS",
		"{endpoint: '10.0.0.1:1', tls: }":                                          "10.0.0.1:1 has no TLS",
		"{host: 0.0.0.0, port: 8888}":                                              "0.0.0.0:8888 has no TLS",
		"{endpoint: 'https://b:1', tls: {}}":                                       "https://b:1 speaks TLS from version <nil>",
		"{endpoint: 'b:1', tls: {min_version: '1.2'}}":                             "b:1 speaks TLS from version 1.2",
		"{endpoint: 'dns:///b:1', tls: {min_version: '1.3', insecure: true}}":      "dns:///b:1 has TLS that is insecure",
		"{endpoint: 'b:1', tls: {min_version: '1.3', insecure_skip_verify: true}}": "b:1 has TLS that is insecure_skip_verify",
		"{endpoint: 'http://b:1', tls: {min_version: '1.3'}}":                      "http://b:1 is plain HTTP",
	} {
		var config any
		require.NoError(t, yaml.Unmarshal([]byte(text), &config), text)
		assert.Equal(t, want, problems(map[string]any{"at": config}, "")["at"], text)
	}
	var receivers map[string]any
	require.NoError(t, yaml.Unmarshal([]byte("receivers: {otlp/a: {protocols: {grpc: {endpoint: 'a:1', tls: {min_version: '1.3'}, include_metadata: true}}}}"), &receivers))
	assert.Equal(t, map[string]string{
		"receivers::otlp/a::protocols::grpc":                   "a:1 asks nobody for a certificate",
		"receivers::otlp/a::protocols::grpc::include_metadata": "takes tokens into queues on disk",
	}, problems(receivers, ""))
}

// problems are what is wrong, by the path of the endpoint.
func problems(config any, at string) map[string]string {
	found := map[string]string{}
	switch config := config.(type) {
	case map[string]any:
		if address, ok := addressOf(config); ok && !onLoopback(address) {
			problem := withoutTLS13(config, address)
			if tls, _ := config["tls"].(map[string]any); problem == "" && strings.HasPrefix(at, "::receivers::otlp") && tls["client_ca_file"] == nil {
				problem = "asks nobody for a certificate"
			}
			if problem != "" {
				found[strings.TrimPrefix(at, "::")] = address + " " + problem
			}
		}
		if config["include_metadata"] == true {
			found[strings.TrimPrefix(at, "::")+"::include_metadata"] = "takes tokens into queues on disk"
		}
		for key, value := range config {
			maps.Copy(found, problems(value, at+"::"+key))
		}
	case []any:
		for i, value := range config {
			maps.Copy(found, problems(value, fmt.Sprintf("%s::%d", at, i)))
		}
	}
	return found
}

// addressOf is the endpoint of a client or server, if the map is the settings of one.
func addressOf(settings map[string]any) (address string, ok bool) {
	if host, ok := settings["host"].(string); ok && settings["port"] != nil {
		return fmt.Sprintf("%s:%v", host, settings["port"]), true
	}
	address, ok = settings["endpoint"].(string)
	return address, ok && address != ""
}

func onLoopback(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	if !strings.Contains(address, "//") {
		address = "//" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

func withoutTLS13(settings map[string]any, address string) string {
	tls, ok := settings["tls"].(map[string]any)
	switch {
	case strings.HasPrefix(address, "http://"):
		return "is plain HTTP"
	case !ok:
		return "has no TLS"
	case tls["min_version"] != "1.3":
		return fmt.Sprintf("speaks TLS from version %v", tls["min_version"])
	}
	for _, way := range []string{"insecure", "insecure_skip_verify"} {
		if tls[way] == true {
			return "has TLS that is " + way
		}
	}
	return ""
}

// resolved is a config with all its defaults, as the binary knows them.
func resolved(t *testing.T, config string) map[string]any {
	t.Helper()
	file := writeFile(t, "config.yaml", strings.ReplaceAll(config, "${file:/etc/machine-id}", "machine"))
	code, output := run(t, []string{"print-config", "--validate=false", "--config=" + file}, "POD_IP=10.0.0.1", "NODE_NAME=node-1")
	require.Zero(t, code, "%s\n%s", output, config)
	var all map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(output), &all))
	return all
}

// shippedConfigs are the collector configs in the files of the repository: whole files, and parts of manifests and of values.
func shippedConfigs(t *testing.T) map[string][]string {
	t.Helper()
	configs := map[string][]string{}
	for _, file := range tracked(t, "distro/config/*.yaml", "deploy/**/*.yaml") {
		if strings.Contains(file, "/templates/") {
			continue // rendered in manifests
		}
		content, err := os.ReadFile(filepath.Join(repository, file))
		require.NoError(t, err)
		for documents := yaml.NewDecoder(strings.NewReader(string(content))); ; {
			var document any
			err := documents.Decode(&document)
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, file)
			configs[file] = append(configs[file], configsIn(t, document)...)
		}
	}
	return configs
}

func configsIn(t *testing.T, document any) (configs []string) {
	t.Helper()
	if text, ok := document.(string); ok && strings.Contains(text, "\nservice:") {
		require.NoError(t, yaml.Unmarshal([]byte(text), &document), text)
	}
	parts, ok := document.(map[string]any)
	if !ok {
		return nil
	}
	if parts["service"] != nil && parts["exporters"] != nil {
		text, err := yaml.Marshal(parts)
		require.NoError(t, err)
		return []string{string(text)}
	}
	for _, part := range parts {
		configs = append(configs, configsIn(t, part)...)
	}
	return configs
}
