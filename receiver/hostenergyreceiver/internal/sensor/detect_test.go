// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/selfreport"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

// machines are all of testdata.
func machines(t require.TestingT) (names []string) {
	files, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".txtar"))
	}
	require.GreaterOrEqual(t, len(names), 9)
	return names
}

// What is found on each machine, and what its self-report says.
func TestDetect(t *testing.T) {
	for _, name := range machines(t) {
		t.Run(name, func(t *testing.T) {
			golden := filepath.Join("testdata", name+".golden")
			b := newBox(t, name)
			text := b.describe()
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(text), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), text)
			assert.Equal(t, text, b.describe(), "the same again")
		})
	}
}

func (b *box) describe() string {
	sources, rows := Detect(b.Machine)
	_, spare := Preferred(sources)
	var text strings.Builder
	for _, s := range sources {
		use := "chosen"
		if slices.ContainsFunc(spare, func(other Source) bool { return other.ID == s.ID && other.Driver == s.Driver }) {
			use = "spare"
		}
		fmt.Fprintf(&text, "%s %s %s %s in=%q every=%v %s: %s\n", s.ID, s.Scope, s.Method, s.Driver, s.Parent, s.Sensor.Interval(), use, s.Name)
	}
	return text.String() + "\n" + strings.ReplaceAll(selfreport.Table(rows), b.root, "") + "\n"
}
