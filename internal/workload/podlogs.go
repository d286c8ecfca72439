// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// podLogs finds names in what the kubelet calls log files: for each container a link
// containers/<pod>_<namespace>_<container>-<id>.log, for each pod a folder pods/<namespace>_<pod>_<uid>.
// No name of Kubernetes contains an underscore. This is the kubelet's own statement, on the node, readable
// without the API, and it has the UID, which PodResources lacks.
type podLogs struct {
	root string
	now  func() time.Time

	mu         sync.Mutex
	read       time.Time
	containers map[string]podNames
	pods       map[string]podNames
}

type podNames struct{ namespace, pod, container, uid, id string }

// maxLogs is far above the pods of a node, 110 by default, and their dead containers.
const maxLogs = 20000

func newPodLogs(root string) *podLogs { return &podLogs{root: root, now: time.Now} }

// find gives the container's name only if the container itself is listed. One that runs inside, as with
// docker in docker, belongs to the pod.
func (p *podLogs) find(containerID, podUID string) podNames {
	p.mu.Lock()
	defer p.mu.Unlock()
	names, ok := p.containers[containerID]
	if !ok && p.refresh() {
		names, ok = p.containers[containerID]
	}
	if !ok {
		names = p.pods[podUID]
	}
	return names
}

// current finds the container that runs under these names: of those that ran there one after the other the
// one whose log is newest.
func (p *podLogs) current(namespace, pod, container string) (podNames, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh()
	var found podNames
	var newest time.Time
	for id, names := range p.containers {
		if names.namespace != namespace || names.pod != pod || names.container != container {
			continue
		}
		link := filepath.Join(p.root, "containers", pod+"_"+namespace+"_"+container+"-"+id+".log")
		if info, err := os.Lstat(link); err == nil && info.ModTime().After(newest) {
			newest, found = info.ModTime(), names
			target, _ := os.Readlink(link) // /var/log/pods/<namespace>_<pod>_<uid>/<container>/<restarts>.log
			if of, ok := parsePodFolder(filepath.Base(filepath.Dir(filepath.Dir(target)))); ok {
				found.uid = of.uid
			}
		}
	}
	return found, found.id != ""
}

// refresh reads the folders again, at most once a second: a burst of new processes has one listing.
func (p *podLogs) refresh() bool {
	now := p.now()
	if p.root == "" || !p.read.IsZero() && now.Sub(p.read) < time.Second {
		return false
	}
	p.read = now
	p.containers, p.pods = map[string]podNames{}, map[string]podNames{}
	for _, name := range list(filepath.Join(p.root, "containers")) {
		if names, ok := parseContainerLog(name); ok {
			p.containers[names.id] = names
		}
	}
	for _, name := range list(filepath.Join(p.root, "pods")) {
		if names, ok := parsePodFolder(name); ok {
			p.pods[names.uid] = names
		}
	}
	return true
}

func parseContainerLog(name string) (podNames, bool) {
	name, log := strings.CutSuffix(name, ".log")
	dash := strings.LastIndexByte(name, '-')
	if !log || dash < 0 || !isHex(name[dash+1:], 64) {
		return podNames{}, false
	}
	parts := strings.Split(name[:dash], "_")
	if len(parts) != 3 || !isObject(parts[0]) || !isObject(parts[1]) || !isObject(parts[2]) {
		return podNames{}, false
	}
	return podNames{pod: parts[0], namespace: parts[1], container: parts[2], id: name[dash+1:]}, true
}

func parsePodFolder(name string) (podNames, bool) {
	parts := strings.Split(name, "_")
	if len(parts) != 3 || !isObject(parts[0]) || !isObject(parts[1]) || !isUUID(parts[2]) && !isHex(parts[2], 32) {
		return podNames{}, false
	}
	return podNames{namespace: parts[0], pod: parts[1], uid: parts[2]}, true
}

// isObject accepts the names of Kubernetes' objects.
func isObject(s string) bool {
	return s != "" && len(s) < 254 && all(s, func(c byte) bool {
		return isAlphanumeric(c) || c == '-' || c == '.'
	})
}

func list(folder string) []string {
	f, err := os.Open(folder)
	if err != nil {
		return nil // not a node of Kubernetes
	}
	defer f.Close()
	names, _ := f.Readdirnames(maxLogs)
	return names
}
