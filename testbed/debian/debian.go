// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package debian finds programs that tests run, as redis-server or rpm, and gets those that are missing out of Debian's
// packages. They are unpacked into the user's cache folder: nothing is installed, and no privilege is needed.
package debian

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Program is a program and what it needs to run.
type Program struct {
	Path string
	// Folder is where its package is unpacked, "" if it is installed.
	Folder string
}

// Environment is NAME=value of what it needs, beside that of the system.
func (p Program) Environment() []string {
	if p.Folder == "" {
		return nil
	}
	var libraries []string
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "lib/*-linux-gnu*/systemd"} {
		found, _ := filepath.Glob(filepath.Join(p.Folder, pattern)) // fails for bad patterns only
		libraries = append(libraries, found...)
	}
	return []string{"LD_LIBRARY_PATH=" + strings.Join(libraries, ":")}
}

// Find takes a program from PATH, else out of Debian's package that is named so, or of the packages given.
func Find(name string, packages ...string) (Program, error) {
	if path, err := exec.LookPath(name); err == nil {
		return Program{Path: path}, nil
	}
	if len(packages) == 0 {
		packages = []string{name}
	}
	cache, err := os.UserCacheDir()
	if err == nil {
		folder := filepath.Join(cache, "otelcol-carbon", packages[0])
		var path string
		if path, err = fetch(folder, name, packages); err == nil {
			return Program{Path: path, Folder: folder}, nil
		}
	}
	return Program{}, fmt.Errorf("install %s: it is not in PATH, and Debian's package %s cannot be had: %w", name, packages[0], err)
}

// fetch unpacks packages and those of their libraries into a folder, if that is not there. Several tests may do so at a
// time: the first one to be done wins.
func fetch(folder, name string, packages []string) (string, error) {
	if path, err := inside(folder, name); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o750); err != nil {
		return "", err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(folder), "fetching-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temporary)
	if err := download(temporary, packages); err != nil {
		if os.Geteuid() != 0 {
			return "", err
		}
		// A fresh container has no lists of packages.
		if _, failed := command(temporary, "apt-get", "update", "-q"); failed != nil {
			return "", errors.Join(err, failed)
		}
		if err := download(temporary, packages); err != nil {
			return "", err
		}
	}
	archives, err := filepath.Glob(filepath.Join(temporary, "*.deb"))
	if err != nil {
		return "", err
	}
	contents := filepath.Join(temporary, "contents")
	for _, archive := range archives {
		if _, err := command(temporary, "dpkg-deb", "-x", archive, contents); err != nil {
			return "", err
		}
	}
	if _, err := inside(contents, name); err != nil {
		return "", err
	}
	if err := os.Rename(contents, folder); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return inside(folder, name)
}

// inside is where a program is in an unpacked package.
func inside(folder, name string) (string, error) {
	for _, bin := range []string{"usr/bin", "bin", "usr/sbin", "sbin"} {
		path := filepath.Join(folder, bin, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s has no %s", folder, name)
}

// download gets packages and all libraries that they need, but the C library, which has to be the system's.
func download(folder string, packages []string) error {
	depends, err := command(folder, "apt-cache", append([]string{
		"depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances", "--no-pre-depends",
	}, packages...)...)
	if err != nil {
		return err
	}
	wanted := append([]string{"download", "-q"}, packages...)
	for line := range strings.Lines(depends) {
		if name := strings.TrimSpace(line); strings.HasPrefix(line, "lib") && name != "libc6" {
			wanted = append(wanted, name)
		}
	}
	_, err = command(folder, "apt-get", wanted...)
	return err
}

func command(folder, name string, arguments ...string) (string, error) {
	c := exec.Command(name, arguments...)
	c.Dir = folder
	c.Env = append(os.Environ(), "LC_ALL=C")
	text, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", c, err, text)
	}
	return string(text), err
}
