// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const committed = "distro/otelcol-carbon/components.go"

// list is a components.go as the collector builder generates it, by lines.
type list []string

func readList(file string) (list, error) {
	text, err := os.ReadFile(file)
	return strings.Split(string(text), "\n"), err
}

// components returns the components' package names.
func (l list) components() (names []string) {
	factory := regexp.MustCompile(`^\t\t(\w+)\.NewFactory\(\),$`)
	for _, line := range l {
		if match := factory.FindStringSubmatch(line); match != nil {
			names = append(names, match[1])
		}
	}
	return names
}

// without returns the list without the lines that import or name one of the components.
func (l list) without(components []string) list {
	named := regexp.MustCompile(`^\t+(` + strings.Join(components, "|") + `)( "|\.NewFactory)`)
	return slices.DeleteFunc(slices.Clone(l), named.MatchString)
}

// groups splits the command's arguments; none of them stands for every component.
func (l list) groups(args []string) (groups [][]string, err error) {
	known := l.components()
	if len(args) == 0 {
		args = known
	}
	for _, arg := range args {
		group := strings.Split(arg, "+")
		for _, name := range group {
			if !slices.Contains(known, name) {
				return nil, fmt.Errorf("%q is not a component of the list, which has %s", name, strings.Join(known, ", "))
			}
		}
		groups = append(groups, group)
	}
	return groups, nil
}

// builder builds the distribution's main package with another list than the committed one.
type builder struct{ dir, tags string }

// build returns the packages in the binary, and its size in bytes when stripped.
func (b builder) build(ctx context.Context, l list) (packages []string, size int64, err error) {
	if err := b.overlay(l); err != nil {
		return nil, 0, err
	}
	names, err := b.run(ctx, "list", "-deps")
	if err != nil {
		return nil, 0, err
	}
	binary := filepath.Join(b.dir, "otelcol-carbon")
	if _, err := b.run(ctx, "build", "-p=1", "-trimpath", "-ldflags=-s -w", "-o="+binary); err != nil {
		return nil, 0, err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return nil, 0, err
	}
	return strings.Fields(names), info.Size(), nil
}

func (b builder) overlay(l list) error {
	replaced, err := filepath.Abs(committed)
	if err != nil {
		return err
	}
	replacement := filepath.Join(b.dir, "components.go")
	if err := os.WriteFile(replacement, []byte(strings.Join(l, "\n")), 0o600); err != nil {
		return err
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{replaced: replacement}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, "overlay.json"), text, 0o600)
}

// run runs a go command on the main package, with low priority: links are heavy.
func (b builder) run(ctx context.Context, verb string, args ...string) (string, error) {
	args = slices.Concat([]string{"go", verb, "-overlay=" + filepath.Join(b.dir, "overlay.json"), "-tags=" + b.tags}, args)
	command := exec.CommandContext(ctx, "nice", append(args, "./"+filepath.Dir(committed))...) //nolint:gosec // the tags are those of the person who runs this
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", verb, err)
	}
	return string(output), nil
}
