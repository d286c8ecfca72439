// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the dashboards anew")

const dashboardFolder = "../../deploy/grafana/dashboards"

// dashboard is what is special about one of Grafana's: all else is the same for each.
type dashboard struct {
	uid, title, about string
	variables         []variable
	panels            []panel
}

// variable is chosen at the top of the dashboard: values of a label of a metric.
type variable struct{ name, label, metric string }

// panel shows queries. Panels fill lines of 24 columns from the left.
type panel struct {
	kind    string // timeseries, stat or table
	title   string
	unit    string // Grafana's id of a unit
	width   int
	about   string
	red     red
	queries []query
}

// red is where a panel's values are bad: from the threshold of an alert on, or below a value.
type red struct {
	alert string
	from  float64
	below bool
}

type query struct{ legend, expr string }

var dashboards = []dashboard{fleetDashboard, gpuDashboard, workloadDashboard, dataDashboard, collectorDashboard}

func TestDashboardsAreFresh(t *testing.T) {
	t.Parallel()
	for _, d := range dashboards {
		path := filepath.Join(dashboardFolder, d.uid+".json")
		var want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		require.NoError(t, encoder.Encode(d.grafana()))
		if *update {
			require.NoError(t, os.WriteFile(path, want.Bytes(), 0o600))
		}
		have, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, want.String(), string(have), "run go generate ./testbed/observe")
	}
	files, err := filepath.Glob(dashboardFolder + "/*.json")
	require.NoError(t, err)
	assert.Len(t, files, len(dashboards))
}

// object of JSON.
type object = map[string]any

var datasource = object{"type": "prometheus", "uid": "${datasource}"}

// grafana is the dashboard in Grafana's JSON model.
func (d dashboard) grafana() object {
	variables := []object{{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}}
	for _, v := range d.variables {
		variables = append(variables, object{
			"name": v.name, "label": v.name, "type": "query", "datasource": datasource,
			"query":   object{"query": fmt.Sprintf("label_values(%s, %s)", v.metric, v.label), "refId": "A"},
			"refresh": 2, "multi": true, "includeAll": true, "allValue": ".*", // also those without the label
			"current": object{"text": "All", "value": "$__all"},
		})
	}
	return object{
		"uid": d.uid, "title": d.title, "description": d.about, "tags": []string{"carbon"},
		"schemaVersion": 39, "editable": true, "refresh": "30s", "time": object{"from": "now-6h", "to": "now"},
		"templating": object{"list": variables}, "panels": d.layout(),
		"links": []object{{"type": "dashboards", "title": "Carbon", "tags": []string{"carbon"}, "asDropdown": true, "keepTime": true}},
	}
}

func (d dashboard) layout() (panels []object) {
	const columns, statHeight, height = 24, 4, 8
	var x, y, line int
	for i, p := range d.panels {
		h := height
		if p.kind == "stat" {
			h = statHeight
		}
		if x+p.width > columns {
			x, y, line = 0, y+line, 0
		}
		panels = append(panels, p.grafana(i+1, object{"x": x, "y": y, "w": p.width, "h": h}))
		x, line = x+p.width, max(line, h)
	}
	return panels
}

func (p panel) grafana(id int, position object) object {
	var targets []object
	for i, q := range p.queries {
		target := object{"refId": string(rune('A' + i)), "datasource": datasource, "expr": q.expr, "legendFormat": q.legend}
		if p.kind != "timeseries" {
			target["instant"] = true
		}
		if p.kind == "table" {
			target["format"] = "table"
		}
		targets = append(targets, target)
	}
	defaults := object{"unit": p.unit, "thresholds": object{"mode": "absolute", "steps": p.red.steps()}}
	result := object{
		"id": id, "type": p.kind, "title": p.title, "description": p.about, "gridPos": position,
		"datasource": datasource, "targets": targets, "options": object{},
		"fieldConfig": object{"defaults": defaults, "overrides": []any{}},
	}
	switch p.kind {
	case "stat":
		defaults["color"] = object{"mode": "thresholds"}
	case "table":
		result["transformations"] = []object{{"id": "organize", "options": object{"excludeByName": object{"Time": true}}}}
	case "timeseries":
		custom := object{"axisSoftMin": 0}
		if p.red != (red{}) {
			custom["thresholdsStyle"] = object{"mode": "line"}
		}
		defaults["custom"] = custom
		result["options"] = object{"tooltip": object{"mode": "multi", "sort": "desc"}}
	}
	return result
}

// steps are said even if nothing is bad: Grafana would take 80 of everything for it.
func (r red) steps() []object {
	switch {
	case r == red{}:
		return []object{{"color": "green", "value": nil}}
	case r.below:
		return []object{{"color": "red", "value": nil}, {"color": "green", "value": r.from}}
	}
	return []object{{"color": "green", "value": nil}, {"color": "red", "value": r.from}}
}

func (r red) is(v float64) bool { return r != (red{}) && r.below == (v < r.from) }

// Where a panel turns red, an alert begins.
func TestRedIsWhereAlertsAre(t *testing.T) {
	t.Parallel()
	thresholds := map[string][]float64{}
	for _, rule := range allRules(t) {
		parser.Inspect(parse(t, rule.Expr), func(node parser.Node, _ []parser.Node) error {
			if comparison, ok := node.(*parser.BinaryExpr); ok && comparison.Op.IsComparisonOperator() {
				if number, ok := comparison.RHS.(*parser.NumberLiteral); ok {
					thresholds[rule.Alert] = append(thresholds[rule.Alert], number.Val)
				}
			}
			return nil
		})
	}
	found := 0
	for _, d := range dashboards {
		for _, p := range d.panels {
			if p.red.alert != "" {
				found++
				assert.Contains(t, thresholds[p.red.alert], p.red.from, "%s: %s", d.title, p.title)
			}
		}
	}
	assert.NotZero(t, found)
}
