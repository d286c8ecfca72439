// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

const namespace = "otelcol-carbon"

// kubernetesStub is the part of the Kubernetes API that a rollout needs.
type kubernetesStub struct {
	t      *testing.T
	server *httptest.Server

	mu          sync.Mutex
	nodes       map[string]*core.Node
	daemonSets  map[string]*apps.DaemonSet
	deployments map[string]*apps.Deployment
	writes      []string // of the form PATCH nodes/n1 {...}
	asked       map[string]bool
	// before is called before a request is served, with its number among the writes; an error is the answer.
	before func(write int) error
	// after is called when a write has been done.
	after func(write int)
}

// newKubernetes has the objects of the manifests that are made from the chart.
func newKubernetes(t *testing.T) *kubernetesStub {
	t.Helper()
	k := &kubernetesStub{
		t: t, nodes: map[string]*core.Node{}, daemonSets: map[string]*apps.DaemonSet{}, deployments: map[string]*apps.Deployment{},
		asked: map[string]bool{},
	}
	for _, name := range []string{"agent", "agent-canary", "gateway", "gateway-canary"} {
		text, err := os.ReadFile("../../deploy/kubernetes/manifests/" + name + ".yaml")
		require.NoError(t, err)
		for _, document := range regexp.MustCompile(`(?m)^---$`).Split(string(text), -1) {
			var head meta.TypeMeta
			require.NoError(t, yaml.Unmarshal([]byte(document), &head))
			switch head.Kind {
			case "DaemonSet":
				var d apps.DaemonSet
				require.NoError(t, yaml.UnmarshalStrict([]byte(document), &d))
				d.Generation = 1
				k.daemonSets[d.Name] = &d
			case "Deployment":
				var d apps.Deployment
				require.NoError(t, yaml.UnmarshalStrict([]byte(document), &d))
				d.Generation = 1
				k.deployments[d.Name] = &d
			}
		}
	}
	k.server = httptest.NewServer(k)
	t.Cleanup(k.server.Close)
	return k
}

func (k *kubernetesStub) client() kubernetes.Interface {
	client, err := kubernetes.NewForConfig(&rest.Config{Host: k.server.URL, QPS: -1})
	require.NoError(k.t, err)
	return client
}

func (k *kubernetesStub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	object, err := k.serve(r)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		var status *apierrors.StatusError
		if !errors.As(err, &status) {
			status = apierrors.NewInternalError(err)
		}
		status.ErrStatus.TypeMeta = meta.TypeMeta{Kind: "Status", APIVersion: "v1"}
		w.WriteHeader(int(status.ErrStatus.Code))
		object = &status.ErrStatus
	}
	_ = json.NewEncoder(w).Encode(object)
}

func (k *kubernetesStub) serve(r *http.Request) (runtime.Object, error) {
	write := len(k.writes)
	if r.Method != http.MethodGet {
		write++
	}
	if k.before != nil {
		if err := k.before(write); err != nil {
			return nil, err
		}
	}
	path := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/apis/apps/v1/namespaces/"+namespace+"/")
	kind, name, _ := strings.Cut(path, "/")
	switch verb := map[string]string{http.MethodGet: "get", http.MethodPatch: "patch"}[r.Method]; {
	case name == "":
		k.asked["list "+kind] = true
	case kind == "nodes":
		k.asked[verb+" nodes"] = true
	default:
		k.asked[verb+" "+path] = true
	}
	if r.Method == http.MethodGet && path == "nodes" {
		list := &core.NodeList{TypeMeta: meta.TypeMeta{Kind: "NodeList", APIVersion: "v1"}}
		for _, name := range slices.Sorted(maps.Keys(k.nodes)) {
			list.Items = append(list.Items, *k.nodes[name])
		}
		return list, nil
	}
	var patch []byte
	switch {
	case r.Method == http.MethodPatch && r.Header.Get("Content-Type") == "application/strategic-merge-patch+json":
		var err error
		if patch, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		k.writes = append(k.writes, fmt.Sprintf("%s %s", path, patch))
		if k.after != nil {
			defer k.after(write)
		}
	case r.Method != http.MethodGet:
		return nil, apierrors.NewMethodNotSupported(schema.GroupResource{Resource: kind}, r.Method)
	}
	switch kind {
	case "nodes":
		return change(k.nodes, name, patch, func(n *core.Node) (*meta.ObjectMeta, any) { return &n.ObjectMeta, n.Spec })
	case "daemonsets":
		return change(k.daemonSets, name, patch, func(d *apps.DaemonSet) (*meta.ObjectMeta, any) { return &d.ObjectMeta, d.Spec })
	case "deployments":
		return change(k.deployments, name, patch, func(d *apps.Deployment) (*meta.ObjectMeta, any) { return &d.ObjectMeta, d.Spec })
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: path}, name)
}

// edit changes objects as others do.
func (k *kubernetesStub) edit(how func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	how()
}

// change patches an object, if there is a patch, and counts changes of what its controller must look at.
func change[T any, P interface {
	*T
	runtime.Object
}](all map[string]P, name string, patch []byte, parts func(P) (*meta.ObjectMeta, any)) (runtime.Object, error) {
	old, ok := all[name]
	if !ok {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: fmt.Sprintf("%T", old)}, name)
	}
	if patch == nil {
		return old, nil
	}
	text, err := json.Marshal(old)
	if err != nil {
		return nil, err
	}
	if text, err = strategicpatch.StrategicMergePatch(text, patch, *old); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	changed := P(new(T))
	if err := yaml.UnmarshalStrict(text, changed); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	m, spec := parts(changed)
	if _, before := parts(old); !equality.Semantic.DeepEqual(before, spec) {
		m.Generation++
	}
	all[name] = changed
	return changed, nil
}
