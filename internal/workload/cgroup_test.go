// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	_ "embed"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	idA  = "aaaa8b8b1f0e4b6c9d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f7081920"
	idB  = "bbbb8b8b1f0e4b6c9d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f7081920"
	uidU = "c0ffee00-1111-4222-8333-444455556666"
	uidV = "deadbeef-1111-4222-8333-444455556666"
	hash = "0123456789abcdef0123456789abcdef"
)

//go:embed testdata/cgroups.txt
var cgroupCases string

type cgroupCase struct {
	name, content string
	want          CGroup
}

func TestParseCGroup(t *testing.T) {
	cases := parseCGroupCases(t)
	require.GreaterOrEqual(t, len(cases), 70)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, ParseCGroup(c.content))
		})
	}
}

func parseCGroupCases(tb testing.TB) (cases []cgroupCase) {
	tb.Helper()
	expand := strings.NewReplacer("<A>", idA, "<B>", idB, "<U>", uidU, "<V>", uidV,
		"<U_>", strings.ReplaceAll(uidU, "-", "_"), "<H>", hash)
	_, text, _ := strings.Cut(expand.Replace(cgroupCases), "\n== ")
	for block := range strings.SplitSeq(text, "\n== ") {
		name, body, _ := strings.Cut(block, "\n")
		content, want, ok := strings.Cut("\n"+body, "\n--\n")
		require.True(tb, ok, name)
		c := cgroupCase{name: name, content: strings.TrimPrefix(content, "\n") + "\n"}
		for line := range strings.Lines(want) {
			if field, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				reflect.ValueOf(&c.want).Elem().FieldByName(field).SetString(value)
			}
		}
		cases = append(cases, c)
	}
	return cases
}

// Whatever the text, an id that is found is one, and is found in the text.
func FuzzCgroup(f *testing.F) {
	for _, c := range parseCGroupCases(f) {
		f.Add(c.content)
	}
	f.Fuzz(func(t *testing.T, content string) {
		c := ParseCGroup(content)
		for _, id := range []string{c.ContainerID, c.SlurmJob, c.SLUID, c.SlurmStep, c.Unit, c.UserID, c.ECSTask} {
			assert.Contains(t, content, id)
		}
		optional := func(s string, ok bool) { assert.True(t, s == "" || ok, "%q in %q", s, content) }
		optional(c.PodUID, isUUID(c.PodUID) || isHex(c.PodUID, 32))
		optional(c.SlurmJob, isDigits(c.SlurmJob))
		optional(c.SLUID, isSLUID(c.SLUID))
		optional(c.SlurmStep, isStep(c.SlurmStep))
		optional(c.UserID, isDigits(c.UserID))
		optional(c.Unit, isUnit(c.Unit))
		optional(c.Machine, isName(c.Machine))
		optional(c.ECSTask, isTask(c.ECSTask))
		switch {
		case c.ContainerID == "":
			assert.Empty(t, c.Runtime)
		case c.Runtime == "lxc", c.ECSTask != "" && c.Runtime == "":
			assert.True(t, isName(c.ContainerID), "%q", c.ContainerID)
		default:
			assert.True(t, isHex(c.ContainerID, 64), "%q", c.ContainerID)
		}
		assert.False(t, c.SlurmJob != "" && c.SLUID != "")
	})
}
