// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A queue on disk has the metrics, and not the tokens that they came with, unless a receiver is told to keep the headers.
func TestTokensAreNotOnDisk(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		include string
		kept    bool
	}{
		"as shipped":       {"false", false},
		"include_metadata": {"true", true},
	} {
		g := newGateway(t)
		folder := t.TempDir()
		g.run([]string{
			"--config=yaml:extensions::file_storage::directory: " + folder,
			"--config=yaml:service::extensions: [health_check, oidc, file_storage]",
			"--config=yaml:exporters::otlp_http: {endpoint: 'https://127.0.0.1:1', sending_queue: {wait_for_result: false, storage: file_storage}}",
			"--config=yaml:receivers::otlp::protocols: {grpc: {include_metadata: " + tc.include + "}, http: {include_metadata: " + tc.include + "}}",
		}, "TLS_DIR="+g.files.dir, "OIDC_ISSUER="+g.issuer.url, "OIDC_ISSUER_CA="+g.authority.File)
		token := g.issuer.token()
		for protocol, send := range g.protocols() {
			require.NoError(t, send(g.agent(), token, "queued by "+protocol), name)
		}
		g.stop()
		disk := contentOf(t, folder)
		for protocol := range g.protocols() {
			assert.Contains(t, disk, "queued by "+protocol, name)
		}
		if tc.kept {
			assert.Contains(t, disk, token, name)
		} else {
			assert.NotContains(t, disk, token, name)
		}
	}
}

// contentOf is all that files of a folder have, which others may not read.
func contentOf(t *testing.T, folder string) (all string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		require.NoError(t, err)
		assert.Zero(t, info.Mode().Perm()&0o077, path)
		content, err := os.ReadFile(path)
		all += string(content)
		return err
	}))
	return all
}
