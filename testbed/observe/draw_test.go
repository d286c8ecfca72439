// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package observe

import (
	"flag"
	"fmt"
	"html/template"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/stretchr/testify/require"
)

// The pictures in docs/dashboards.md are of these pages, as a browser shows them:
//
//	go test -count=1 -run=TestEachQueryHasSeries ./testbed/observe -draw=DIR
var draw = flag.String("draw", "", "watch for a minute, and write each dashboard as a page to this folder")

// picture is a panel as the page shows it. Positions are in columns and lines of Grafana's.
type picture struct {
	Title, About, Kind, Highest string
	X, Y, W, H                  int
	Series                      []drawn
}

type drawn struct {
	Name, Last, Points string
	Hue                int
	Bad                bool
}

const (
	plotWidth, plotHeight = 600, 170
	mostSeries            = 8
)

// page is a dashboard without Grafana.
var page = template.Must(template.New("page").Parse(`<!doctype html><meta charset="utf-8"><title>{{.Title}}</title><style>
body{background:#111217;color:#d5d5dc;font:13px sans-serif;margin:12px}h1{font-size:18px;margin:0 0 2px}p{margin:0 0 10px;color:#9a9aa5}
main{display:grid;grid-template-columns:repeat(24,1fr);grid-auto-rows:30px;gap:8px}
section{background:#181b1f;border:1px solid #2c3235;border-radius:3px;padding:6px 8px;overflow:hidden;display:flex;flex-direction:column;min-width:0}
h2{font-size:13px;font-weight:600;margin:0}small{color:#8e8e99;font-size:11px}
.stat{display:flex;gap:22px;flex:1;align-items:center;justify-content:center;flex-wrap:wrap}.stat b{font-size:26px;color:#73bf69;display:block}.stat .bad{color:#f2495c}.stat div{text-align:center}
svg{flex:1;min-height:0;width:100%}table{border-collapse:collapse;width:100%;margin-top:4px}td{border-top:1px solid #2c3235;padding:2px 4px}td:last-child{text-align:right}
footer{font-size:11px;display:flex;flex-wrap:wrap;gap:0 12px;max-height:30px;overflow:hidden}i{display:inline-block;width:10px;height:3px;margin:0 4px 3px 0}
</style><h1>{{.Title}}</h1><p>{{.About}}</p><main>{{range .Panels}}
<section style="grid-area:{{.Y}}/{{.X}}/span {{.H}}/span {{.W}}"><h2>{{.Title}}</h2><small>{{.About}}</small>
{{if eq .Kind "stat"}}<div class="stat">{{range .Series}}<div><b{{if .Bad}} class="bad"{{end}}>{{.Last}}</b>{{.Name}}</div>{{end}}</div>
{{else if eq .Kind "table"}}<table>{{range .Series}}<tr><td>{{.Name}}</td><td>{{.Last}}</td></tr>{{end}}</table>
{{else}}<svg viewBox="0 -6 600 182" preserveAspectRatio="none"><path d="M0 0H600M0 85H600M0 170H600" stroke="#2c3235"/>{{range .Series}}<polyline points="{{.Points}}" fill="none" stroke="hsl({{.Hue}},70%,60%)" stroke-width="1.6" vector-effect="non-scaling-stroke"/>{{end}}</svg>
<footer><span>top {{.Highest}}</span>{{range .Series}}<span><i style="background:hsl({{.Hue}},70%,60%)"></i>{{.Name}} {{.Last}}</span>{{end}}</footer>{{end}}</section>{{end}}</main>`))

// drawDashboards watches for a minute, then writes the pages.
func (s *server) drawDashboards(folder string) {
	s.t.Helper()
	begin := time.Now()
	for time.Since(begin) < time.Minute {
		s.evaluate()
		time.Sleep(time.Second)
	}
	for _, d := range dashboards {
		var panels []picture
		for i, position := range d.layout() {
			at := position["gridPos"].(object)
			p := s.picture(d.panels[i], begin)
			p.X, p.Y, p.W, p.H = at["x"].(int)+1, at["y"].(int)+1, at["w"].(int), at["h"].(int)
			panels = append(panels, p)
		}
		f, err := os.Create(filepath.Join(folder, d.uid+".html"))
		require.NoError(s.t, err)
		require.NoError(s.t, page.Execute(f, object{"Title": d.title, "About": d.about, "Panels": panels}))
		require.NoError(s.t, f.Close())
	}
}

func (s *server) picture(p panel, begin time.Time) picture {
	result := picture{Title: p.title, About: p.about, Kind: p.kind}
	end, lowest, highest := time.Now(), 0.0, 0.0
	var all []promql.Series
	var names []string
	for _, q := range p.queries {
		for _, series := range s.over(q.expr, begin, end) {
			all, names = append(all, series), append(names, legend(q.legend, series.Metric))
			for _, point := range series.Floats {
				lowest, highest = min(lowest, point.F), max(highest, point.F)
			}
		}
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	last := func(i int) float64 { return all[i].Floats[len(all[i].Floats)-1].F }
	slices.SortStableFunc(order, func(a, b int) int { return int(math.Copysign(1, last(b)-last(a))) })
	for n, i := range order[:min(len(order), mostSeries)] {
		var points strings.Builder
		for _, point := range all[i].Floats {
			x := float64(point.T-begin.UnixMilli()) / float64(end.Sub(begin).Milliseconds()) * plotWidth
			fmt.Fprintf(&points, "%.0f,%.1f ", x, plotHeight*(1-(point.F-lowest)/max(highest-lowest, math.SmallestNonzeroFloat64)))
		}
		result.Series = append(result.Series, drawn{Name: names[i], Last: inUnit(p.unit, last(i)), Points: points.String(), Hue: n * 137 % 360, Bad: p.red.is(last(i))})
	}
	result.Highest = inUnit(p.unit, highest)
	return result
}

func (s *server) over(expr string, begin, end time.Time) promql.Matrix {
	query, err := s.engine.NewRangeQuery(s.t.Context(), s.storage, nil, grafanaVariables.Replace(expr), begin, end, time.Second)
	require.NoError(s.t, err)
	defer query.Close()
	matrix, err := query.Exec(s.t.Context()).Matrix()
	require.NoError(s.t, err, expr)
	// The engine has the memory of a query back when it is closed.
	result := make(promql.Matrix, len(matrix))
	for i, series := range matrix {
		result[i] = promql.Series{Metric: series.Metric, Floats: slices.Clone(series.Floats)}
	}
	return slices.DeleteFunc(result, func(series promql.Series) bool { return len(series.Floats) == 0 })
}

var labelInLegend = regexp.MustCompile(`\{\{(\w+)\}\}`)

func legend(format string, of labels.Labels) string {
	if format == "" {
		return strings.Trim(of.DropReserved(func(string) bool { return false }).String(), "{}")
	}
	return labelInLegend.ReplaceAllStringFunc(format, func(name string) string { return of.Get(strings.Trim(name, "{}")) })
}

// inUnit is a value as Grafana would write it.
func inUnit(unit string, v float64) string {
	switch unit {
	case "percentunit":
		return fmt.Sprintf("%.3g %%", 100*v)
	case "bytes":
		return fmt.Sprintf("%.3g MiB", v/(1<<20))
	case "s":
		if math.Abs(v) >= 3600 {
			return fmt.Sprintf("%.1f h", v/3600)
		}
		return fmt.Sprintf("%.3g s", v)
	}
	return fmt.Sprintf("%.4g%s", v, map[string]string{"watt": " W", "massg": " g", "joule": " J"}[unit])
}
