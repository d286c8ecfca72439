// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"errors"
	"maps"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// fakeGrid is a gridintensity extension whose feeds a test publishes.
type fakeGrid map[string]*grid.Feed

func (g fakeGrid) Start(context.Context, component.Host) error { return nil }
func (g fakeGrid) Shutdown(context.Context) error              { return nil }

func (g fakeGrid) Feed(zone string, signal grid.Signal) (*grid.Feed, error) {
	if f, ok := g[zone+string(signal)]; ok {
		return f, nil
	}
	return nil, errors.New("no provider covers it")
}

func (g fakeGrid) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("gridintensity"): g}
}

func said(zone, source string, quality grid.Quality, from, to time.Time, grams float64) grid.Value {
	return grid.Value{Start: from, End: to, Intensity: grid.Intensity{
		GramsPerKWh: grams, Quality: quality,
		Provenance: grid.Provenance{Zone: zone, Source: source, Boundary: grid.Lifecycle, Gas: grid.CO2e},
	}}
}

var (
	lifecycle = grid.Provenance{Boundary: grid.Lifecycle, Gas: grid.CO2e}
	always    = time.Unix(0, math.MinInt64)
)

func known(values ...grid.Value) *grid.Feed {
	return grid.NewFeed(lifecycle, grid.NewTimeline(values, 2, nil, always))
}

var live = map[string]any{"zone": "DE", "source": "gridintensity"}

func with(settings, more map[string]any) map[string]any {
	all := maps.Clone(settings)
	maps.Copy(all, more)
	return all
}

// grams are the last values of the streams of a metric, by zone, source and quality.
func grams(md pmetric.Metrics, name string) map[[3]string]float64 {
	last := map[[3]string]float64{}
	for _, m := range metricsNamed(md, name) {
		for _, dp := range m.Sum().DataPoints().All() {
			a := dp.Attributes().AsRaw()
			last[[3]string{a["grid.zone"].(string), a["carbon.source"].(string), a["carbon.data.quality"].(string)}] = dp.DoubleValue()
		}
	}
	return last
}

// golden.json: hour_split
func TestEnergyIsSplitAtTheHour(t *testing.T) {
	hour := time.Now().Add(time.Hour).Truncate(time.Hour)
	g := fakeGrid{"DE": known(
		said("DE", "a", grid.Measured, hour.Add(-time.Hour), hour, 300), said("DE", "a", grid.Estimated, hour, hour.Add(time.Hour), 500),
	)}
	from, to := hour.Add(-6*time.Second), hour.Add(4*time.Second)
	for name, temporality := range map[string]pmetric.AggregationTemporality{"delta": delta, "cumulative": cumulative} {
		t.Run(name, func(t *testing.T) {
			r := newRunOn(t, g, nopSettings(), live)
			md := r.send(energy("hw.energy", temporality, point{"GPU-1", from, to, 7000}))
			got := grams(md, "hw.emissions")
			assert.Len(t, got, 2)
			assert.InEpsilon(t, 4200*300/3.6e6, got[[3]string{"DE", "a", "measured"}], 1e-12)
			assert.InEpsilon(t, 2800*500/3.6e6, got[[3]string{"DE", "a", "estimated"}], 1e-12)
			if temporality == cumulative {
				points := pointsNamed(t, md, "hw.emissions")
				require.Len(t, points, 4, "each is told from its start")
				assert.True(t, points[0].time.Equal(from) && points[0].value == 0)
				assert.True(t, points[2].time.Equal(hour) && points[2].value == 0 && points[2].start.Equal(hour))
				assert.True(t, points[1].time.Equal(to) && points[3].time.Equal(to), "with one time")
			}
		})
	}
}

// When the source changes, grams begin to flow into another stream. Both are told, and none falls.
func TestProvenanceChanges(t *testing.T) {
	start := time.Now().Add(time.Hour).Truncate(time.Hour)
	g := fakeGrid{"DE": known(said("DE", "a", grid.Measured, start, start.Add(time.Hour), 300))}
	r := newRunOn(t, g, nopSettings(), live)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	send := func(minutes int, joules float64) map[[3]string]float64 {
		return grams(r.send(energy("hw.energy", cumulative, point{"GPU-1", start, at(minutes), joules})), "hw.emissions")
	}
	send(10, 3.6e6)
	g["DE"].Publish(grid.NewTimeline([]grid.Value{said("DE", "b", grid.Estimated, at(0), at(60), 500)}, 2, nil, always))
	got := send(20, 2*3.6e6)
	require.Len(t, got, 2)
	assert.InEpsilon(t, 300.0, got[[3]string{"DE", "a", "measured"}], 1e-12)
	assert.InEpsilon(t, 500.0, got[[3]string{"DE", "b", "estimated"}], 1e-12)
	got = send(30, 2*3.6e6)
	assert.Len(t, got, 2, "siblings are told as long as one lives")
}

func TestManyProvenancesOfOneStream(t *testing.T) {
	start := time.Now().Add(time.Hour).Truncate(time.Hour)
	var values []grid.Value
	for i := range maxSiblings + 1 {
		at := start.Add(time.Duration(i) * time.Minute)
		values = append(values, said("DE", string(rune('a'+i)), grid.Measured, at, at.Add(time.Minute), 3600))
	}
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	set := nopSettings()
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	r := newRunOn(t, fakeGrid{"DE": known(values...)}, set, live)
	end := start.Add((maxSiblings + 1) * time.Minute)
	got := grams(r.send(energy("hw.energy", cumulative, point{"GPU-1", start, end, 1000 * (maxSiblings + 1)})), "hw.emissions")
	assert.Len(t, got, maxSiblings)
	for of, value := range got {
		assert.InEpsilon(t, 1.0, value, 1e-9, "%v", of)
	}
	assert.InEpsilon(t, 1000.0, unconverted(t, telemetry)["class_limit"], 1e-9)
}

func unconverted(t *testing.T, telemetry *componenttest.Telemetry) map[string]float64 {
	t.Helper()
	got, err := telemetry.GetMetric("otelcol_carbonintensity.energy.unconverted")
	require.NoError(t, err)
	joules := map[string]float64{}
	for _, p := range got.Data.(metricdata.Sum[float64]).DataPoints {
		why, _ := p.Attributes.Value("reason")
		joules[why.AsString()] = p.Value
	}
	return joules
}

func TestEnergyWithoutAFactorIsCounted(t *testing.T) {
	start := time.Now().Add(time.Hour).Truncate(time.Hour)
	for name, temporality := range map[string]pmetric.AggregationTemporality{"delta": delta, "cumulative": cumulative} {
		t.Run(name, func(t *testing.T) {
			telemetry := componenttest.NewTelemetry()
			t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
			set := nopSettings()
			set.TelemetrySettings = telemetry.NewTelemetrySettings()
			r := newRunOn(t, fakeGrid{"DE": known(said("DE", "a", grid.Measured, start, start.Add(time.Hour), 0))}, set, live)
			got := grams(r.send(energy("hw.energy", temporality, point{"GPU-1", start, start, 0}, point{"GPU-1", start, start.Add(6 * time.Hour), 600})), "hw.emissions")
			assert.Equal(t, map[[3]string]float64{{"DE", "a", "measured"}: 0, {"DE", "a", "stale"}: 0}, got, "0 is an intensity")
			assert.InDelta(t, 300.0, unconverted(t, telemetry)["no_factor"], 1e-9, "beyond what is carried")
		})
	}
}

// Energy of a time that will be known soon waits for it, but not for ever: then the year's average counts.
func TestEnergyWaitsForHistory(t *testing.T) {
	for name, tt := range map[string]struct {
		answered bool
		want     map[[3]string]float64
	}{
		"it comes":         {true, map[[3]string]float64{{"DE", "a", "measured"}: 400, {"DE", "a", "stale"}: 0.5}},
		"it does not come": {false, map[[3]string]float64{{"DE", "static", "static"}: 200.1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				year := grid.Fixed(200, "DE", grid.Lifecycle)
				feed := grid.NewFeed(lifecycle, grid.NewTimeline(nil, 2, &year, now))
				r := newRunOn(t, fakeGrid{"DE": feed}, nopSettings(), live)
				start, down := now.Add(-24*time.Hour), now.Add(-2*time.Hour)
				// A receiver tells what it told last before it went down, then what was used meanwhile.
				assert.Empty(t, grams(r.send(energy("hw.energy", cumulative, point{"GPU-1", start, down, 9}, point{"GPU-1", start, now, 9 + 3.6e6})), "hw.emissions"))
				require.True(t, feed.Wanted().Equal(down))
				if tt.answered {
					middle := down.Add(time.Hour)
					feed.Publish(grid.NewTimeline([]grid.Value{
						said("DE", "a", grid.Measured, down, middle, 300), said("DE", "a", grid.Measured, middle, now, 500),
					}, 2, &year, down))
				} else {
					time.Sleep(patience / 2)
					got := grams(r.send(energy("hw.energy", cumulative, point{"GPU-1", start, time.Now(), 9 + 3.6e6})), "hw.emissions")
					assert.Equal(t, map[[3]string]float64{{"DE", "static", "static"}: 0}, got, "what is used since does not wait")
				}
				time.Sleep(patience)
				got := grams(r.send(energy("hw.energy", cumulative, point{"GPU-1", start, time.Now(), 9 + 3.6e6 + 1800})), "hw.emissions")
				require.Len(t, got, len(tt.want))
				for of, want := range tt.want {
					assert.InDelta(t, want, got[of], 0.3, "%v", of)
				}
			})
		})
	}
}

func TestZoneOfAResource(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	set := nopSettings()
	set.Logger = zap.New(core)
	r := newRun(t, set, map[string]any{
		"zone": "DE", "pue": 1.5,
		"zone_from": []any{
			map[string]any{"attribute": "cloud.region"},
			map[string]any{"attribute": "k8s.node.name", "match": `node-(\w\w)-\d+`, "zone": "$1"},
		},
		"sites": map[string]any{"fr": map[string]any{"pue": 1.1}},
	})
	at := time.Now().Add(time.Hour)
	for name, tt := range map[string]struct {
		attributes map[string]string
		zone       string
		grams      float64 // of a kWh
	}{
		"nothing said":  {nil, "DE", 344.13992 * 1.5},
		"cloud region":  {map[string]string{"cloud.region": "us-east-1", "k8s.node.name": "node-fr-1"}, "US", 383.5492 * 1.5},
		"node name":     {map[string]string{"k8s.node.name": "node-fr-1"}, "FR", 44.179493 * 1.1},
		"no match":      {map[string]string{"k8s.node.name": "anything"}, "DE", 344.13992 * 1.5},
		"unknown":       {map[string]string{"cloud.region": "mars-1"}, "DE", 344.13992 * 1.5},
		"unknown again": {map[string]string{"cloud.region": "mars-1"}, "DE", 344.13992 * 1.5},
	} {
		t.Run(name, func(t *testing.T) {
			md := energy("hw.energy", delta, point{"GPU-1", at, at.Add(time.Second), 3.6e6})
			for k, v := range tt.attributes {
				md.ResourceMetrics().At(0).Resource().Attributes().PutStr(k, v)
			}
			got := grams(r.send(md), "hw.emissions")
			require.Len(t, got, 1)
			assert.InDelta(t, tt.grams, got[[3]string{tt.zone, "static", "static"}], 0.01, "%v", got)
		})
	}
	assert.Equal(t, 1, logs.FilterMessageSnippet("cannot be used").Len(), "said once")
}

// What is lost on the way is emitted as well, but not twice.
func TestLoss(t *testing.T) {
	hour := time.Now().Add(time.Hour).Truncate(time.Hour)
	feed := known(said("GB", "other", grid.Measured, hour, hour.Add(time.Hour), 300), said("GB", "neso", grid.Measured, hour.Add(time.Hour), hour.Add(2*time.Hour), 300))
	feed.WithLosses = []string{"neso"}
	g := fakeGrid{"GB": feed, "DE": feed}
	for name, tt := range map[string]struct {
		settings map[string]any
		want     float64
	}{
		"none":           {map[string]any{}, 300},
		"everywhere":     {map[string]any{"loss": 0.25}, 400},
		"of a site":      {map[string]any{"sites": map[string]any{"GB": map[string]any{"loss": 0.25}}}, 400},
		"none of a site": {map[string]any{"loss": 0.1, "sites": map[string]any{"GB": map[string]any{"loss": 0}}}, 300},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRunOn(t, g, nopSettings(), with(map[string]any{"zone": "GB", "source": "gridintensity"}, tt.settings))
			got := grams(r.send(energy("hw.energy", delta, point{"GPU-1", hour, hour.Add(2 * time.Hour), 7.2e6})), "hw.emissions")
			assert.InEpsilon(t, tt.want, got[[3]string{"GB", "other", "measured"}], 1e-9)
			assert.InEpsilon(t, 300.0, got[[3]string{"GB", "neso", "measured"}], 1e-9)
		})
	}
	require.ErrorContains(t, validated(map[string]any{"zone": "DE", "loss": 4.4}), "loss: 4.4: must be from 0 to 0.5, as in 0.044 for 4.4 %")
}

// golden.json: gap. What is not known is not 0, and not the value before it.
func TestGapInTheGrid(t *testing.T) {
	ten := time.Now().Add(time.Hour).Truncate(time.Hour)
	year := grid.Fixed(344, "DE", grid.Lifecycle)
	feed := grid.NewFeed(lifecycle, grid.NewTimeline([]grid.Value{said("DE", "a", grid.Measured, ten, ten.Add(30*time.Minute), 200)}, 0, &year, always))
	got := grams(newRunOn(t, fakeGrid{"DE": feed}, nopSettings(), live).send(energy("hw.energy", delta, point{"GPU-1", ten, ten.Add(time.Hour), 360_000})), "hw.emissions")
	assert.InEpsilon(t, 10.0, got[[3]string{"DE", "a", "measured"}], 1e-9)
	assert.InEpsilon(t, 180_000*344/3.6e6, got[[3]string{"DE", "static", "static"}], 1e-9)
}

// Quantities that must not be added have names of their own.
func TestMarginalAndMarketBased(t *testing.T) {
	at := time.Now().Add(time.Hour).Truncate(time.Hour)
	g := fakeGrid{
		"DE":         known(said("DE", "a", grid.Measured, at, at.Add(time.Hour), 300)),
		"DEmarginal": known(said("DE", "m", grid.Measured, at, at.Add(time.Hour), 700)),
	}
	r := newRunOn(t, g, nopSettings(), with(live, map[string]any{
		"marginal": true, "sites": map[string]any{"DE": map[string]any{"market_based": 20, "pue": 1.5}},
	}))
	md := r.send(energy("workload.energy", cumulative, point{"GPU-1", at, at.Add(time.Minute), 3.6e6}))
	assert.Equal(t, map[[3]string]float64{{"DE", "a", "measured"}: 450}, grams(md, "workload.emissions"))
	assert.Equal(t, map[[3]string]float64{{"DE", "m", "measured"}: 1050}, grams(md, "workload.emissions.marginal"))
	assert.Equal(t, map[[3]string]float64{{"DE", "contract", "static"}: 30}, grams(md, "workload.emissions.market_based"))
}

func TestSourceIsChecked(t *testing.T) {
	stack := grid.NewFeed(grid.Provenance{Boundary: grid.Direct, Gas: grid.CO2e}, grid.Always(grid.Fixed(1, "FR", grid.Direct)))
	short := known()
	short.History = 48 * time.Hour
	for name, tt := range map[string]struct {
		host     component.Host
		settings map[string]any
		want     string
	}{
		"no extension": {componenttest.NewNopHost(), live, `source: "gridintensity" is no gridintensity extension that is listed under service::extensions`},
		"no zone":      {fakeGrid{}, live, "no provider covers it"},
		"no marginal":  {fakeGrid{"DE": known()}, with(live, map[string]any{"marginal": true}), "marginal: no provider covers it"},
		"waiting for what the source forgets": {
			fakeGrid{"DE": short},
			with(live, map[string]any{"settle_delay": "72h"}),
			`settle_delay: 72h0m0s: must be at most the history of "gridintensity", which is 48h0m0s`,
		},
		"revising what the source forgets": {
			fakeGrid{"DE": short},
			with(live, map[string]any{"revisions": map[string]any{"keep": "49h"}}),
			`revisions::keep: 49h0m0s: must be at most the history of "gridintensity", which is 48h0m0s`,
		},
		"mixing": {
			fakeGrid{"DE": known(), "FR": stack},
			with(live, map[string]any{"sites": map[string]any{"FR": map[string]any{"pue": 1.1}}}),
			`zone "FR" counts direct emissions and others lifecycle: choose one, or set allow_mixing: [boundary]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := createDefaultConfig()
			require.NoError(t, confmap.NewFromStringMap(tt.settings).Unmarshal(cfg))
			require.NoError(t, confmap.Validate(cfg))
			p, err := NewFactory().CreateMetrics(t.Context(), nopSettings(), cfg, consumertest.NewNop())
			require.NoError(t, err)
			require.ErrorContains(t, p.Start(t.Context(), tt.host), tt.want)
			require.NoError(t, p.Shutdown(t.Context()))
		})
	}
}

// However a counter is read, and whatever the grid did: the grams are the energy of each time by the
// intensity of that time, and no stream falls.
func TestGramsAreTheIntegral(t *testing.T) {
	begin := time.Now().Add(time.Hour).Truncate(time.Hour)
	rapid.Check(t, func(rt *rapid.T) {
		var values []grid.Value
		at, want := begin, 0.0
		for range rapid.IntRange(1, 20).Draw(rt, "intervals") {
			length := time.Duration(rapid.IntRange(1, 120).Draw(rt, "minutes")) * time.Minute
			v := said("DE", rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "source"), grid.Measured, at, at.Add(length), rapid.Float64Range(0, 1000).Draw(rt, "grams"))
			values, at = append(values, v), v.End
			want += 300 * length.Seconds() * v.GramsPerKWh / 3.6e6
		}
		r := newRunOn(t, fakeGrid{"DE": known(values...)}, nopSettings(), live)
		r.send(energy("hw.energy", cumulative, point{"GPU-1", begin, begin, 0}))
		last := map[[3]string]float64{}
		for now := begin; now.Before(at); {
			now = now.Add(time.Duration(rapid.IntRange(100, 3*3600_000).Draw(rt, "ms")) * time.Millisecond)
			if now.After(at) {
				now = at
			}
			got := grams(r.send(energy("hw.energy", cumulative, point{"GPU-1", begin, now, 300 * now.Sub(begin).Seconds()})), "hw.emissions")
			for of, value := range last {
				require.GreaterOrEqual(rt, got[of], value)
			}
			last = got
		}
		total := 0.0
		for _, value := range last {
			total += value
		}
		require.InDelta(rt, want, total, 1e-9*math.Max(1, want))
	})
}
