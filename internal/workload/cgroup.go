// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"iter"
	"strings"
)

// CGroup is what the path of a process's control group proves about it. A field is empty where the path
// says nothing.
type CGroup struct {
	ContainerID string // 64 hexadecimal digits; an ECS id on Fargate, a name with LXC
	Runtime     string // container.runtime.name: containerd, cri-o, docker, podman, lxc
	PodUID      string // with dashes; 32 hexadecimal digits for a static pod, whose UID in the API is another
	ECSTask     string

	SlurmJob  string // the number of the job
	SLUID     string // the job's id in paths of Slurm 26.05 and later, which have no number
	SlurmStep string // a number, batch, extern, interactive

	Unit    string // a service or scope of systemd
	UserID  string // the user whose systemd manages the unit
	Machine string // a virtual machine of libvirt
}

// ParseCGroup reads the content of /proc/PID/cgroup: one line in v2, one per hierarchy in v1, both in
// hybrid mode. In paths, segments count and not prefixes: with a private cgroup namespace paths begin with
// "/..". The last segment that names a container wins, since containers nest.
func ParseCGroup(content string) CGroup {
	var merged CGroup
	for path := range paths(content) {
		merged.fill(parsePath(path))
	}
	if merged.SlurmJob != "" || merged.SLUID != "" {
		merged.Unit, merged.UserID = "", "" // in v1 the hierarchy of systemd names slurmd
	}
	return merged
}

// fill takes what another hierarchy says. Fields that belong together stay together.
func (c *CGroup) fill(other CGroup) {
	switch {
	case c.contained():
	case other.contained():
		c.ContainerID, c.Runtime, c.PodUID, c.ECSTask = other.ContainerID, other.Runtime, other.PodUID, other.ECSTask
		c.Unit, c.UserID = other.Unit, other.UserID
	case c.Unit == "":
		c.Unit, c.UserID = other.Unit, other.UserID
	}
	if c.SlurmJob == "" && c.SLUID == "" {
		c.SlurmJob, c.SLUID, c.SlurmStep = other.SlurmJob, other.SLUID, other.SlurmStep
	}
	if c.Machine == "" {
		c.Machine = other.Machine
	}
}

func (c *CGroup) contained() bool { return c.ContainerID != "" || c.PodUID != "" || c.ECSTask != "" }

// paths yields the path of the unified hierarchy, then that of systemd, then the others.
func paths(content string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for rank := range 3 {
			for line := range strings.Lines(content) {
				fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
				if len(fields) == 3 && hierarchyRank(fields[0], fields[1]) == rank &&
					!yield(strings.TrimSuffix(fields[2], " (deleted)")) {
					return
				}
			}
		}
	}
}

func hierarchyRank(id, controllers string) int {
	switch {
	case id == "0" && controllers == "":
		return 0
	case controllers == "name=systemd":
		return 1
	}
	return 2
}

func parsePath(path string) CGroup {
	p := pathParser{segments: strings.Split(path, "/")}
	for p.at = range p.segments {
		p.segment(p.segments[p.at])
	}
	return p.found
}

type pathParser struct {
	segments []string
	at       int
	slurm    bool
	user     string
	found    CGroup
}

// segment tries what a segment may be, the surest first.
func (p *pathParser) segment(s string) {
	switch {
	case s == "" || s == ".." || strings.Contains(s, "conmon"):
		// conmon supervises a container of CRI-O or podman and is not in it.
	case strings.ContainsRune(s, ':'):
		p.mixed(s)
	case p.pod(s), p.task(s), p.container(s), p.job(s), p.machine(s):
	default:
		p.unit(s)
	}
}

// mixed is the form of containerd whose own cgroup driver differs from the kubelet's: slice:prefix:id.
func (p *pathParser) mixed(s string) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 || !isHex(parts[2], 64) {
		return
	}
	p.pod(parts[0])
	switch parts[1] {
	case "cri-containerd", "nerdctl":
		p.setContainer(parts[2], "containerd")
	case "crio":
		p.setContainer(parts[2], "cri-o")
	case "docker":
		p.setContainer(parts[2], "docker")
	case "libpod":
		p.setContainer(parts[2], "podman")
	}
}

func (p *pathParser) pod(s string) bool {
	name, slice := strings.CutSuffix(s, ".slice")
	if slice {
		i := strings.LastIndex(name, "-pod")
		if i < 0 || !strings.Contains(name[:i], "kubepods") {
			return false
		}
		name = name[i+1:]
	}
	uid, ok := strings.CutPrefix(name, "pod")
	uid = strings.ReplaceAll(uid, "_", "-")
	if !ok || !isUUID(uid) && !isHex(uid, 32) {
		return false
	}
	p.found.PodUID = uid
	p.found.ContainerID, p.found.Runtime, p.found.ECSTask = "", "", "" // of a node that is itself a container
	return true
}

// task is /ecs/<task>/<container>, or a slice that holds containers of docker.
func (p *pathParser) task(s string) bool {
	if name, ok := strings.CutPrefix(s, "ecstasks-"); ok {
		if name, ok = strings.CutSuffix(name, ".slice"); ok && isTask(name) {
			p.found.ECSTask = name
			return true
		}
	}
	if p.parent() == "ecs" && isTask(s) {
		p.found.ECSTask = s
		return true
	}
	// Fargate: <task>-<number>
	if task := p.found.ECSTask; task != "" && p.parent() == task {
		if number, ok := strings.CutPrefix(s, task+"-"); ok && isDigits(number) {
			p.setContainer(s, "")
			return true
		}
	}
	return false
}

// runtimes are the prefixes of a container's own segment, the longer of two alike first.
var runtimes = []struct{ prefix, name string }{
	{"cri-containerd-", "containerd"},
	{"nerdctl-", "containerd"},
	{"crio-", "cri-o"},
	{"docker-", "docker"},
	{"libpod-payload-", "podman"},
	{"libpod-", "podman"},
}

func (p *pathParser) container(s string) bool {
	name := strings.TrimSuffix(s, ".scope")
	if isHex(name, 64) {
		runtime := ""
		if parent := p.parent(); parent == "docker" || p.found.ECSTask != "" && parent == p.found.ECSTask {
			runtime = "docker"
		}
		p.setContainer(name, runtime)
		return true
	}
	for _, r := range runtimes {
		if id, ok := strings.CutPrefix(name, r.prefix); ok && isHex(id, 64) {
			unit, user := p.found.Unit, p.found.UserID
			p.setContainer(id, r.name)
			if r.prefix == "libpod-payload-" && strings.HasSuffix(p.parent(), ".service") {
				p.found.Unit, p.found.UserID = unit, user // quadlet: the unit is the container
			}
			return true
		}
	}
	return p.lxc(s)
}

func (p *pathParser) lxc(s string) bool {
	name, ok := strings.CutPrefix(s, "lxc.payload.")
	if !ok && (p.parent() == "lxc" || p.parent() == "lxc.payload") {
		name, ok = s, true
	}
	if !ok || !isName(name) || name == "ns" { // Proxmox: lxc/<name>/ns
		return false
	}
	p.setContainer(name, "lxc")
	return true
}

func (p *pathParser) setContainer(id, runtime string) {
	p.found.ContainerID, p.found.Runtime = id, runtime
	p.found.Unit, p.found.UserID = "", ""
}

func (p *pathParser) job(s string) bool {
	switch {
	case s == "slurmstepd.scope" || strings.HasSuffix(s, "_slurmstepd.scope"):
		p.slurm = true
		return false // a unit as well, that of slurmstepd itself
	case s == "slurm" || strings.HasPrefix(s, "slurm_"):
		p.slurm = true
		return true
	}
	if step, ok := strings.CutPrefix(s, "step_"); ok {
		if (p.found.SlurmJob != "" || p.found.SLUID != "") && p.found.SlurmStep == "" && isStep(step) {
			p.found.SlurmStep = step
		}
		return true
	}
	known := p.slurm || p.at+1 < len(p.segments) && strings.HasPrefix(p.segments[p.at+1], "step_")
	if !known {
		return false
	}
	if id, ok := strings.CutPrefix(s, "job_"); ok && isDigits(id) {
		p.found.SlurmJob, p.found.SLUID, p.found.SlurmStep = id, "", ""
		return true
	}
	if isSLUID(s) {
		p.found.SlurmJob, p.found.SLUID, p.found.SlurmStep = "", s, ""
		return true
	}
	return false
}

func (p *pathParser) machine(s string) bool {
	if name, ok := strings.CutSuffix(s, ".libvirt-qemu"); ok && isName(name) {
		p.found.Machine = name
		return true
	}
	name, ok := strings.CutPrefix(s, `machine-qemu\x2d`)
	if !ok {
		return false
	}
	name, ok = strings.CutSuffix(name, ".scope")
	number, name, dash := strings.Cut(unescapeUnit(name), "-")
	if ok && dash && isDigits(number) && isName(name) {
		p.found.Machine = name
	}
	return false // a unit as well
}

func (p *pathParser) unit(s string) {
	if user, ok := between(s, "user@", ".service"); ok && isDigits(user) {
		p.user = user
	} else if user, ok := between(s, "user-", ".slice"); ok && isDigits(user) {
		p.user = user
	}
	if p.found.contained() || !isUnit(s) {
		return // units inside a container are its own affair
	}
	p.found.Unit, p.found.UserID = s, p.user
}

// parent is the segment before this one.
func (p *pathParser) parent() string {
	if p.at == 0 {
		return ""
	}
	return p.segments[p.at-1]
}
