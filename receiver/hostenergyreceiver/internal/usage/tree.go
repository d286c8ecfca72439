// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/selfreport"
	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

const (
	// maxDepth is more than systemd, Kubernetes and Slurm nest.
	maxDepth = 16
	// walking is how long a cgroup may go unnoticed that came when another one went: the number of folders is the same.
	walking = 10 * time.Second
)

// tree is the hierarchy of cgroups that CPU time is read from.
type tree struct {
	hierarchy
	resolver *workload.Resolver

	root    *node
	nodes   []*node // children before what is above them
	byPath  map[string]*node
	byFile  map[file]*node
	walked  time.Time
	limit   int // of nodes: those beyond count as what is above them
	changed bool
	foreign bool // the PIDs that the kernel tells this process are not those of proc
	content content
}

// file is one of a file system. That of a cgroup is the same in all cgroup namespaces.
type file struct{ device, inode uint64 }

// node is a cgroup.
type node struct {
	path     string // in the hierarchy, "/" for the root
	parent   *node
	children []*node
	folders  uint64 // number of folders in it, when it was last listed
	refused  int    // of these, as there were too many cgroups already
	file     file
	identity
	reader counter

	total  uint64 // µs, with all below it
	read   bool
	fresh  bool // it was read for the first time, and counts from its beginning
	grown  uint64
	debt   uint64 // what those below it had before it did
	own    uint64 // what is its own of the growth
	active bool   // it ever had any
	memory uint64 // bytes that are its own
	sized  memoryOf
}

func newTree(mount string, resolver *workload.Resolver, limit int) *tree {
	t := &tree{hierarchy: findHierarchy(mount), resolver: resolver, byPath: map[string]*node{}, byFile: map[file]*node{}, limit: limit}
	t.root = &node{path: "/"}
	t.root.reader.path = t.file("/", t.cpu)
	t.know(t.root)
	t.nodes = []*node{t.root}
	return t
}

// update reads all cgroups; busy is the CPU time of the machine, in µs. It finds new ones first: their folder shows it, or a
// walk now and then.
func (t *tree) update(now time.Time, busy uint64, withMemory bool) {
	if !t.exists() {
		return
	}
	first := t.walked.IsZero()
	all := first || now.Sub(t.walked) >= walking
	if all {
		t.walked = now
	}
	t.changed = false
	t.list(t.root, 0, all, first)
	if t.changed {
		t.order()
	}
	for _, n := range t.nodes { // those below first, so that what is above has at least theirs
		t.measure(n, now, busy, withMemory)
	}
	for _, n := range t.nodes {
		n.settle()
	}
	t.drop()
	for _, n := range t.nodes {
		t.identify(n, now)
	}
}

// list looks into a folder if the number of its folders has changed.
func (t *tree) list(n *node, depth int, all, first bool) {
	if n.leaf() || depth >= maxDepth {
		return
	}
	folders := links(t.file(n.path, ""))
	if all || folders != n.folders {
		late := first || folders == n.folders // what is new came some time ago
		n.folders, n.refused = folders, 0
		entries, err := os.ReadDir(t.file(n.path, ""))
		if err != nil {
			return
		}
		here := map[string]bool{}
		for _, e := range entries {
			if !e.IsDir() {
				continue
			}
			path := filepath.Join(n.path, e.Name())
			if here[path] = true; t.byPath[path] != nil {
				continue
			}
			if len(t.nodes) >= t.limit {
				n.refused++
				continue
			}
			t.adopt(n, path, late)
		}
		for _, child := range n.children {
			if !here[child.path] {
				child.end()
			}
		}
	}
	for _, child := range n.children {
		t.list(child, depth+1, all, first)
	}
}

// end says of a cgroup and all below it that they are gone: what they used last is that of what is above.
func (n *node) end() {
	n.gone = true
	for _, child := range n.children {
		child.end()
	}
}

// forget what a cgroup and those below it have grown by.
func (n *node) forget() {
	n.grown, n.own, n.debt = 0, 0, 0
	for _, child := range n.children {
		child.forget()
	}
}

// adopt follows a cgroup. What one used before it was found late was told as that of what is above it.
func (t *tree) adopt(parent *node, path string, late bool) {
	n := &node{path: path, parent: parent, read: !late}
	n.reader.path = t.file(path, t.cpu)
	n.sized.reader.path = t.memoryFile(path)
	n.identity = identity{cgroup: workload.ParseCGroup("0::" + path)}
	parent.children = append(parent.children, n)
	t.know(n)
	t.nodes = append(t.nodes, n)
	t.changed = true
}

func (t *tree) know(n *node) {
	t.byPath[n.path] = n
	if n.file = fileOf(t.file(n.path, "")); n.file != (file{}) {
		t.byFile[n.file] = n
	}
}

// order puts those below before what is above them.
func (t *tree) order() {
	t.nodes = t.nodes[:0]
	var visit func(n *node)
	visit = func(n *node) {
		for _, child := range n.children {
			visit(child)
		}
		t.nodes = append(t.nodes, n)
	}
	visit(t.root)
}

func (t *tree) measure(n *node, now time.Time, busy uint64, withMemory bool) {
	n.fresh = n.read && n.total == 0
	n.grown = 0
	if n.gone {
		n.sized.bytes = 0
		return
	}
	total, err := busy, error(nil)
	if n != t.root || !t.total {
		total, err = n.reader.read(&t.content, t.parse)
	}
	switch {
	case err != nil: // ENODEV if it was removed while its file is open
		n.gone = true
		return
	case n.read && total >= n.total:
		n.grown = total - n.total
	case n.read: // another cgroup of the same name
		n.grown = total
	}
	n.total, n.read = total, true
	if withMemory {
		n.sized.update(now, &t.content, t.size)
	}
}

// settle finds what is a cgroup's own. Growth that was read below and not yet above is remembered.
func (n *node) settle() {
	below, sized := n.debt, uint64(0)
	for _, child := range n.children {
		below += child.grown
		sized += child.sized.bytes
	}
	for _, child := range n.children {
		if below > n.grown && child.fresh { // it is older than it seemed: some of it was told before
			below -= child.grown
			child.forget()
		}
	}
	n.own = n.grown - min(n.grown, below)
	n.debt = below - min(n.grown, below)
	n.memory = n.sized.bytes - min(n.sized.bytes, sized)
}

// drop forgets cgroups that are gone, with all below them.
func (t *tree) drop() {
	if !slices.ContainsFunc(t.nodes, func(n *node) bool { return n.gone }) {
		return
	}
	for _, n := range t.nodes {
		n.children = slices.DeleteFunc(n.children, func(c *node) bool { return c.gone })
	}
	kept := map[*node]bool{}
	var visit func(n *node)
	visit = func(n *node) {
		kept[n] = true
		for _, c := range n.children {
			visit(c)
		}
	}
	visit(t.root)
	for _, n := range t.nodes {
		if !kept[n] {
			n.reader.close()
			n.sized.reader.close()
			delete(t.byPath, n.path)
			if t.byFile[n.file] == n {
				delete(t.byFile, n.file)
			}
		}
	}
	t.nodes = slices.DeleteFunc(t.nodes, func(n *node) bool { return !kept[n] })
}

// first is the first of some folders that is a cgroup's; nil if none is. Without cgroups all is in the root.
func (t *tree) first(folders iter.Seq[string]) *node {
	if !t.exists() {
		return t.root
	}
	for folder := range folders {
		if n := t.byFile[fileOf(folder)]; n != nil {
			return n
		}
	}
	return nil
}

// refused is how many cgroups are beyond the limit.
func (t *tree) refused() (sum int) {
	for _, n := range t.nodes {
		sum += n.refused
	}
	return sum
}

func (t *tree) close() {
	for _, n := range t.nodes {
		n.reader.close()
		n.sized.reader.close()
	}
}

func (t *tree) row() selfreport.Row {
	row := selfreport.Row{What: "cgroups", State: selfreport.Used, Detail: t.text}
	if !t.exists() {
		row.State, row.Detail = selfreport.Absent, "no hierarchy of cgroups counts CPU time: it is split by process"
		row.Remedy = "in a container mount the host's / read-only and set root_path"
	}
	return row
}
