// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package workload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestPodLogs(t *testing.T) {
	tr := newTree(t)
	logs := newPodLogs(tr.root + "/var/log")
	now := time.Unix(0, 0)
	logs.now = func() time.Time { return now }
	assert.Empty(t, logs.find(idA, uidU), "not a node of Kubernetes")

	tr.logs("ml", "train-0", "pytorch", idA, uidU, 0)
	tr.write("var/log/containers/unrelated.log", "")
	tr.write("var/log/containers/a_b-"+idB+".log", "")
	tr.write("var/log/pods/unrelated/x", "")
	assert.Empty(t, logs.find(idA, uidU), "a listing each second at most")

	now = now.Add(time.Second)
	assert.Equal(t, podNames{namespace: "ml", pod: "train-0", container: "pytorch", id: idA}, logs.find(idA, uidU))
	pod := podNames{namespace: "ml", pod: "train-0", uid: uidU}
	assert.Equal(t, pod, logs.find("", uidU))
	assert.Equal(t, pod, logs.find(idB, uidU), "a container within")
	assert.Empty(t, logs.find(idB, uidV))

	assert.Empty(t, newPodLogs("").find(idA, uidU))
}

func TestOwner(t *testing.T) {
	tr := newTree(t)
	h := Holder{Namespace: "ml", Pod: "train-0", Container: "pytorch"}
	names := map[string]string{"k8s.namespace.name": "ml", "k8s.pod.name": "train-0", "k8s.container.name": "pytorch"}
	unproven := tr.resolver().Owner(h)
	assert.Equal(t, &Workload{Kind: Container, Attributes: names}, unproven)
	assert.True(t, h.Owns(unproven))
	assert.False(t, Holder{Namespace: "ml", Pod: "train-1", Container: "pytorch"}.Owns(unproven))
	assert.False(t, Holder{}.Owns(&Workload{Kind: Container, Attributes: map[string]string{"container.id": idA}}), "no names")

	// The container was restarted: the newest log is of the one that runs.
	tr.logs("ml", "train-0", "pytorch", idA, uidU, 0)
	tr.logs("ml", "train-0", "pytorch", idB, uidU, 1)
	tr.logs("ml", "train-0", "sidecar", hash+hash, uidU, 0)
	old := time.Now().Add(-time.Hour)
	require.NoError(t, lutimes(tr.root+"/var/log/containers/train-0_ml_pytorch-"+idA+".log", old))
	r := tr.resolver()
	w := r.Owner(h)
	assert.Equal(t, idB, w.Attributes["container.id"])
	assert.Equal(t, uidU, w.Attributes["k8s.pod.uid"])
	assert.True(t, h.Owns(w))
	assert.Same(t, w, r.Owner(h))

	tr.process(42, fixture{cgroup: "0::/kubepods/pod" + uidU + "/" + idB})
	resolved, err := r.Resolve(42)
	require.NoError(t, err)
	assert.Same(t, w, resolved, "what runs in the container is its holder's")
}

// lutimes sets the times of a link itself, which os.Chtimes follows.
func lutimes(path string, at time.Time) error {
	tv := unix.NsecToTimeval(at.UnixNano())
	return unix.Lutimes(path, []unix.Timeval{tv, tv})
}
