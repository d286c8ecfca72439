// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// What is promised: 90 days of operation, and seven years of audit records with two leap days.
var retention = map[string]struct {
	days int
	// closed is after how many days at most an index is closed: from then on its days are counted.
	closed int
}{"logs": {90, 7}, "audit": {2557, 30}}

func days(n int) string { return strconv.Itoa(n) + "d" }

func TestRetentionInElasticsearch(t *testing.T) {
	t.Parallel()
	server := newRecorder(t)
	for range 2 { // the second time the streams are there
		server.script(t, "elasticsearch/retention.sh")
	}
	streams := map[string]string{"logs": "logs-otelcol_carbon.otel-default", "audit": "metrics-otelcol_carbon.audit.otel-default"}
	for name, promised := range retention {
		var policy struct {
			Policy struct {
				Meta   map[string]string `json:"_meta"`
				Phases struct {
					Hot    phase `json:"hot"`
					Delete phase `json:"delete"`
				} `json:"phases"`
			} `json:"policy"`
		}
		server.decode(t, "PUT /_ilm/policy/otelcol-carbon-"+name, &policy)
		phases := policy.Policy.Phases
		assert.Equal(t, phase{"0ms", map[string]map[string]string{"rollover": {"max_age": days(promised.closed), "max_primary_shard_size": "50gb"}}}, phases.Hot)
		assert.Equal(t, phase{days(promised.days), map[string]map[string]string{"delete": {}}}, phases.Delete)

		stream := "/_data_stream/" + streams[name]
		assert.Equal(t, []string{"GET " + stream, "PUT " + stream, "PUT " + stream + "/_settings", "GET " + stream, "PUT " + stream + "/_settings"}, server.about(stream))
		var settings struct {
			Lifecycle string `json:"index.lifecycle.name"`
		}
		server.decode(t, "PUT "+stream+"/_settings", &settings)
		assert.Equal(t, "otelcol-carbon-"+name, settings.Lifecycle)
	}
}

// phase of a policy: from which age on, and what is done.
type phase struct {
	MinAge  string                       `json:"min_age"`
	Actions map[string]map[string]string `json:"actions"`
}

func TestRetentionInOpenSearch(t *testing.T) {
	t.Parallel()
	server := newRecorder(t)
	for range 2 {
		server.script(t, "opensearch/retention.sh")
	}
	type transition struct {
		State string            `json:"state_name"`
		When  map[string]string `json:"conditions"`
	}
	type state struct {
		Name        string                         `json:"name"`
		Actions     []map[string]map[string]string `json:"actions"`
		Transitions []transition                   `json:"transitions"`
	}
	type template struct {
		Indices  []string `json:"index_patterns"`
		Priority int      `json:"priority"`
	}
	var streams []string
	for name, promised := range retention {
		stream := "otelcol-carbon-" + name
		streams = append(streams, stream)
		var policy struct {
			Policy struct {
				Description string     `json:"description"`
				First       string     `json:"default_state"`
				States      []state    `json:"states"`
				Templates   []template `json:"ism_template"`
			} `json:"policy"`
		}
		server.decode(t, "PUT /_plugins/_ism/policies/"+stream, &policy)
		p := policy.Policy
		assert.Equal(t, "kept", p.First)
		assert.Equal(t, []state{
			{
				"kept",
				[]map[string]map[string]string{{"rollover": {"min_index_age": days(promised.closed), "min_primary_shard_size": "50gb"}}},
				[]transition{{"expired", map[string]string{"min_rollover_age": days(promised.days)}}},
			},
			{"expired", []map[string]map[string]string{{"delete": {}}}, []transition{}},
		}, p.States)
		assert.Equal(t, []template{{[]string{stream}, 100}}, p.Templates)

		policyPath, streamPath := "/_plugins/_ism/policies/"+stream, "/_data_stream/"+stream
		assert.Equal(t, []string{"GET " + policyPath, "PUT " + policyPath, "GET " + policyPath}, server.about(policyPath))
		assert.Equal(t, []string{"GET " + streamPath, "PUT " + streamPath, "GET " + streamPath}, server.about(streamPath))
		assert.Less(t, slices.Index(server.requests, "PUT "+policyPath), slices.Index(server.requests, "PUT "+streamPath), "a policy takes what comes after it")
	}
	var made struct {
		template   `json:",inline"`
		DataStream *struct{} `json:"data_stream"`
		Template   struct {
			Settings struct {
				Index map[string]int `json:"index"`
			} `json:"settings"`
		} `json:"template"`
	}
	server.decode(t, "PUT /_index_template/otelcol-carbon", &made)
	assert.ElementsMatch(t, streams, made.Indices)
	assert.NotNil(t, made.DataStream)
}

func TestRetentionInKafka(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(logsFolder + "kafka-topics.yaml")
	require.NoError(t, err)
	found := map[string]int{}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var topic struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Metadata   struct {
				Name   string            `json:"name"`
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
			Spec struct {
				Partitions int            `json:"partitions"`
				Replicas   int            `json:"replicas"`
				Config     map[string]int `json:"config"`
			} `json:"spec"`
		}
		require.NoError(t, yaml.UnmarshalStrict([]byte(document), &topic))
		assert.Equal(t, "KafkaTopic", topic.Kind)
		assert.Less(t, topic.Spec.Config["min.insync.replicas"], topic.Spec.Replicas)
		const day = 24 * 3600 * 1000
		found[strings.TrimPrefix(topic.Metadata.Name, "otelcol-carbon-")] = topic.Spec.Config["retention.ms"] / day
		assert.Zero(t, topic.Spec.Config["retention.ms"]%day)
	}
	assert.Equal(t, map[string]int{"logs": retention["logs"].days, "audit": retention["audit"].days}, found)
}

// recorder is a server that has what was put there, and remembers who asked for what.
type recorder struct {
	*httptest.Server

	mu       sync.Mutex
	requests []string
	bodies   map[string]string
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{bodies: map[string]string{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, err := io.ReadAll(request.Body)
	if err != nil || (len(body) > 0 && request.Header.Get("Content-Type") != "application/json") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	key := request.Method + " " + request.URL.Path
	r.requests = append(r.requests, key)
	if _, ok := r.bodies["PUT "+request.URL.Path]; request.Method == http.MethodGet && !ok {
		w.WriteHeader(http.StatusNotFound)
	}
	r.bodies[key] = string(body)
}

func (r *recorder) script(t *testing.T, name string) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), logsFolder+name, r.URL).CombinedOutput()
	require.NoError(t, err, "%s", output)
}

// about lists the requests for a path and what is below it.
func (r *recorder) about(path string) (some []string) {
	for _, request := range r.requests {
		if _, asked, _ := strings.Cut(request, " "); asked == path || strings.HasPrefix(asked, path+"/") {
			some = append(some, request)
		}
	}
	return some
}

// decode reads the body of the last such request, in which there must be nothing unknown.
func (r *recorder) decode(t *testing.T, request string, into any) {
	t.Helper()
	require.Contains(t, r.bodies, request)
	decoder := json.NewDecoder(strings.NewReader(r.bodies[request]))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(into), request)
}
