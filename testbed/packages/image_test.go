// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a registry and an engine for containers would do is not done here: this is what can be known without them.
func TestImage(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(repository + "/deploy/image/Dockerfile")
	require.NoError(t, err)
	file := strings.ReplaceAll(string(content), "\\\n", "")

	stages := regexp.MustCompile(`(?m)^FROM .*`).FindAllString(file, -1)
	assert.Equal(t, []string{
		"FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build",
		"FROM scratch AS binary",
		"FROM gcr.io/distroless/base-debian12:nonroot AS image",
		"FROM image AS scripted",
		"FROM image",
	}, stages, "the last one is what is built")
	assert.Contains(t, file, "\nUSER 10001:10001\n")
	assert.Contains(t, file, "GOARCH=$TARGETARCH CGO_ENABLED=1 CC=$cc make build")

	ignored, err := os.ReadFile(repository + "/deploy/image/Dockerfile.dockerignore")
	require.NoError(t, err)
	for _, from := range regexp.MustCompile(`(?m)^COPY ([^-].*) \S+$`).FindAllStringSubmatch(file, -1) {
		for source := range strings.FieldsSeq(from[1]) {
			_, err := os.Stat(repository + "/" + source)
			require.NoError(t, err)
			assert.NotContains(t, strings.Fields(string(ignored)), strings.Split(source, "/")[0])
		}
	}
	toolchain, err := os.ReadFile(repository + "/go.mod")
	require.NoError(t, err)
	assert.Contains(t, string(toolchain), "\ngo 1.26", "the image's compiler is of the same release")
}
