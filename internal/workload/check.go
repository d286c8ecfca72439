// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/otelcol-carbon/otelcol-carbon/internal/selfreport"
)

// initialPIDNamespace is the host's: PROC_PID_INIT_INO, 0xEFFFFFFC, in Linux' include/linux/proc_ns.h.
const initialPIDNamespace = "pid:[4026531836]"

// include/uapi/linux/capability.h. The file is its user's alone, and ptrace decides what is in it: it takes both.
const (
	capDACOverride   = 1 // which docker grants
	capDACReadSearch = 2
	capSysPtrace     = 19
)

// Check looks for what keeps the collector from naming workloads: what is missing, what follows, and what to do. None
// if nothing is missing. It is for the start, to be logged once.
func (r *Resolver) Check() (rows []selfreport.Row) {
	lack := func(what, detail, remedy string) {
		rows = append(rows, selfreport.Row{What: what, State: selfreport.Refused, Detail: detail, Remedy: remedy})
	}
	own := r.proc.root + "/self"
	namespace, err := os.Readlink(own + "/ns/pid")
	switch {
	case err != nil:
		lack("processes", r.proc.root+" is no proc file system of this machine ("+err.Error()+"): energy is attributed to no process",
			"mount the host's /proc there")
		return rows
	case namespace != initialPIDNamespace:
		lack("processes of other containers", "the collector is not in the host's PID namespace ("+namespace+
			"): the driver hides the processes of others, and their energy stays unattributed or goes to the owner of the whole GPU",
			"set hostPID: true in Kubernetes, --pid=host with docker; mounting the host's /proc is not enough")
	}
	if _, err := r.proc.stat(r.proc.file(1, "stat")); err != nil {
		lack("processes of other users", "they are hidden (hidepid of "+r.proc.root+"): their energy stays unattributed",
			"run as root, or add the collector's user to the group of the mount option gid=")
	}
	if !r.readsEnviron(own) {
		lack("environment of processes", "that of other users cannot be read: OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME, "+
			"and the ids of batch jobs and training runs are known of the collector's own user at most",
			"add CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH (securityContext.capabilities with uid 0 in Kubernetes, --cap-add with docker,"+
				" AmbientCapabilities= in systemd), and if they are there, allow ptrace read in the AppArmor or SELinux profile")
	}
	if _, err := os.ReadDir(filepath.Join(r.pods.root, "pods")); r.pods.root != "" && err != nil && !errors.Is(err, fs.ErrNotExist) {
		lack("names of pods", "the kubelet's logs cannot be listed ("+err.Error()+"): workloads have k8s.pod.uid and no names of pods",
			"run as root, or let the k8s_attributes processor add the names by k8s.pod.uid")
	}
	return rows
}

// SeesAll reports whether all processes of the machine can be seen: those of other PID namespaces are hidden.
func (r *Resolver) SeesAll() bool {
	namespace, err := os.Readlink(r.proc.root + "/self/ns/pid")
	return err == nil && namespace == initialPIDNamespace
}

// readsEnviron tries PID 1, and asks for the capabilities: a collector run by root without them reads that of
// root's own processes only.
func (r *Resolver) readsEnviron(own string) bool {
	f, err := os.Open(r.proc.file(1, "environ"))
	if err != nil {
		return false
	}
	_ = f.Close()
	status, err := os.ReadFile(own + "/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "CapEff:"); ok {
			effective, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
			const files = 1<<capDACOverride | 1<<capDACReadSearch
			return err == nil && effective&(1<<capSysPtrace) != 0 && effective&files != 0
		}
	}
	return false
}
