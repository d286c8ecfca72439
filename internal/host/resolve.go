// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"go.uber.org/zap"
)

// process is what the collector sees of its own surroundings.
type process struct {
	root     string
	getenv   func(string) string
	hostname func() (string, error)
	warned   sync.Once // there is one machine, however many receivers ask
}

var thisProcess = &process{root: "/", getenv: os.Getenv, hostname: os.Hostname}

func (p *process) resolve(c Config, logger *zap.Logger) Identity {
	foreign := !c.mounted() && p.contained()

	id := strings.TrimSpace(c.HostID) // ${file:/etc/machine-id} ends in a newline
	if id == "" && !foreign {
		id = machineID(c.under(p.root))
	}
	var unknown []string
	if id == "" {
		id = p.bootID()
		unknown = append(unknown, "host.id is the kernel's boot id, which changes at each reboot")
	}

	name := c.HostName
	if name == "" && !foreign {
		name = firstLine(filepath.Join(c.under(p.root), "etc/hostname"))
	}
	if name == "" && !p.contained() {
		name, _ = p.hostname()
	}
	if name == "" {
		unknown = append(unknown, "host.name is left out")
	}

	if len(unknown) > 0 {
		p.warned.Do(func() {
			logger.Warn("the machine cannot be named for certain: "+strings.Join(unknown, ", ")+
				"; mount the host's / and set root_path, or set host_id and host_name (in Kubernetes host_name: ${env:NODE_NAME})",
				zap.String("host.id", id))
		})
	}
	return Identity{ID: id, Name: name}
}

// under is the machine's root as the process sees it.
func (c Config) under(root string) string {
	if c.mounted() {
		return c.Path()
	}
	return root
}

// contained reports whether /etc and the host name are likely those of a container. A false alarm
// costs the user one line of configuration; a miss would merge all machines that run one image.
func (p *process) contained() bool {
	for _, mark := range []string{".dockerenv", "run/.containerenv", "run/systemd/container"} {
		if _, err := os.Stat(filepath.Join(p.root, mark)); err == nil {
			return true
		}
	}
	for _, variable := range []string{"KUBERNETES_SERVICE_HOST", "container"} {
		if p.getenv(variable) != "" {
			return true
		}
	}
	// The first PID namespace of a kernel has a fixed number: PROC_PID_INIT_INO, 0xEFFFFFFC, in
	// include/linux/proc_ns.h. This finds containers that leave no mark, such as containerd's own.
	namespace, err := os.Readlink(filepath.Join(p.root, "proc/self/ns/pid"))
	return err == nil && namespace != "pid:[4026531836]"
}

// machineID is what machine-id(5) describes: 32 hex digits, or "uninitialized" during the first boot.
func machineID(root string) string {
	for _, file := range []string{"etc/machine-id", "var/lib/dbus/machine-id"} {
		id := firstLine(filepath.Join(root, file))
		if raw, err := hex.DecodeString(id); err == nil && len(raw) == 16 && strings.Trim(id, "0") != "" {
			return id
		}
	}
	return ""
}

// bootID is the same for every process of the machine, in whatever container, until it reboots.
func (p *process) bootID() string {
	return firstLine(filepath.Join(p.root, "proc/sys/kernel/random/boot_id"))
}

func firstLine(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(content), "\n")
	return strings.TrimSpace(line)
}
