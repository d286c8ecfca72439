// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package redistest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// program is redis-server and what it needs to run.
type program struct {
	path        string
	environment []string
}

// find takes redis-server from PATH, else out of Debian's package. That is kept in the user's cache
// folder, and nothing of it is installed.
var find = sync.OnceValues(locate)

func locate() (program, error) {
	if path, err := exec.LookPath("redis-server"); err == nil {
		return program{path: path}, nil
	}
	cache, err := os.UserCacheDir()
	if err == nil {
		folder := filepath.Join(cache, "otelcol-carbon", "redis-server")
		if err = fetch(folder); err == nil {
			return unpacked(folder)
		}
	}
	return program{}, fmt.Errorf("install redis-server: it is not in PATH, and Debian's package cannot be had: %w", err)
}

const binary = "usr/bin/redis-server" // in the package

// unpacked is the program in a folder, with the libraries that came with it.
func unpacked(folder string) (program, error) {
	libraries, err := filepath.Glob(filepath.Join(folder, "usr", "lib", "*-linux-gnu*"))
	return program{
		path:        filepath.Join(folder, binary),
		environment: []string{"LD_LIBRARY_PATH=" + strings.Join(libraries, ":")},
	}, err
}

// fetch unpacks the package and those of its libraries into a folder, if it is not there. Several tests
// may do so at a time: the first one to be done wins.
func fetch(folder string) error {
	if _, err := os.Stat(filepath.Join(folder, binary)); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o750); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(folder), "fetching-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	if err := download(temporary); err != nil {
		if os.Geteuid() != 0 {
			return err
		}
		// A fresh container has no lists of packages.
		if _, failed := command(temporary, "apt-get", "update", "-q"); failed != nil {
			return errors.Join(err, failed)
		}
		if err := download(temporary); err != nil {
			return err
		}
	}
	packages, err := filepath.Glob(filepath.Join(temporary, "*.deb"))
	if err != nil {
		return err
	}
	contents := filepath.Join(temporary, "contents")
	for _, p := range packages {
		if _, err := command(temporary, "dpkg-deb", "-x", p, contents); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(contents, binary)); err != nil {
		return err
	}
	if err := os.Rename(contents, folder); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// download gets the packages: in Debian, redis-server is a link to a program in redis-tools, whose
// libraries are needed but for the C library, which has to be the system's.
func download(folder string) error {
	const server, tools = "redis-server", "redis-tools"
	depends, err := command(folder, "apt-cache", "depends", tools)
	if err != nil {
		return err
	}
	arguments := []string{"download", "-q", server, tools}
	for line := range strings.Lines(depends) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: lib"); ok && name != "c6" {
			arguments = append(arguments, "lib"+name)
		}
	}
	_, err = command(folder, "apt-get", arguments...)
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
