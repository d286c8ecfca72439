// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"
)

// Whatever the files of whatever machine say, vanish and return, no total falls or is more than can be drawn, and of each
// driver each ID is there once.
func TestWhateverTheMachineSays(t *testing.T) {
	boxes, files := map[string]*box{}, map[string][]string{}
	for _, name := range machines(t) {
		boxes[name] = newBox(t, name)
		archive, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
		require.NoError(t, err)
		for _, file := range archive.Files {
			if strings.HasPrefix(file.Name, "sys/") {
				files[name] = append(files[name], boxes[name].path(file.Name))
			}
		}
	}
	texts := rapid.SampledFrom([]string{"", "0", "-1", "x", "package-0", "package-1", "dram", "Discharging", "Grace Power Socket 0", "amd_energy"})
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(machines(t)).Draw(t, "machine")
		b := boxes[name]
		b.events = map[opened]*fakeEvent{}
		m, said := b.Machine, map[string]string{}
		m.ReadFile = func(path string) ([]byte, error) {
			text, ok := said[path]
			switch {
			case !ok:
				return b.ReadFile(path)
			case text == "gone":
				return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT}
			case text == "denied":
				return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}
			}
			return []byte(text), nil
		}
		type followed struct {
			Source
			began  time.Time
			before uint64
		}
		all := map[[2]string]*followed{}
		now := time.Now()
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			sources, _ := Detect(m)
			seen := map[[2]string]bool{}
			for _, s := range sources {
				key := [2]string{s.ID, string(s.Driver)}
				require.False(t, seen[key], "%s twice", key)
				seen[key] = true
				if all[key] == nil {
					all[key] = &followed{Source: s, began: now}
				}
			}
			for key, s := range all {
				_, _ = s.Sensor.Read(now)
				require.GreaterOrEqual(t, s.Sensor.Microjoules(), s.before, key)
				s.before = s.Sensor.Microjoules()
				parts := 1
				if sum, ok := s.Sensor.(*sum); ok {
					parts = len(sum.parts)
				}
				most := s.Scope.maxPower() * microjoules * (1.5*now.Sub(s.began).Seconds() + 0.5)
				require.LessOrEqual(t, float64(s.before), float64(parts)*most+1, key)
				require.GreaterOrEqual(t, s.Sensor.Interval(), time.Duration(0))
			}
			now = now.Add(time.Duration(rapid.Int64Range(0, 1e11).Draw(t, "after")))
			for range rapid.IntRange(0, 5).Draw(t, "changes") {
				file := rapid.SampledFrom(append(files[name], b.path("sys/none"))).Draw(t, "file")
				switch rapid.IntRange(0, 5).Draw(t, "change") {
				case 0:
					said[file] = "gone"
				case 1:
					said[file] = "denied"
				case 2:
					delete(said, file)
				case 3:
					said[file] = texts.Draw(t, "text")
				default:
					said[file] = strconv.FormatUint(rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 1e11)).Draw(t, "number"), 10)
				}
			}
			for _, e := range b.events {
				e.count += rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 1e12)).Draw(t, "count")
			}
		}
	})
}
