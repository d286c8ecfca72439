// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityextension

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/provider"
	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
)

func TestNothingIsAskedBeforeSomebodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		run(t, storetest.Host(nil), nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Zero(t, a.asked())
	})
}

func TestLatestValueIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		a.takes = time.Second
		h := run(t, storetest.Host(nil), nil)
		feed := h.feed("DE")
		synctest.Wait()
		require.Equal(t, holds{}, now(feed), "not yet")
		require.False(t, feed.Timeline().Settled(time.Now().UnixNano()))
		time.Sleep(a.takes)
		synctest.Wait()
		assert.Equal(t, holds{"a", "measured", 100}, now(feed))
		assert.True(t, feed.Timeline().Settled(time.Now().UnixNano()))
		assert.Equal(t, 1, a.asked())
	})
}

// One request for a zone at a time, whoever wants it, and not more often than is configured.
func TestRequestsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		a.takes = 10 * time.Second
		h := run(t, storetest.Host(nil), nil)
		for range 3600 {
			h.feed("DE").Want(time.Now())
			h.feed("de").Timeline()
			time.Sleep(time.Second)
		}
		synctest.Wait()
		assert.InDelta(t, 12, a.asked(), 2)
		assert.Equal(t, 1, a.seen().most, "at a time")
	})
}

func TestTheNextProviderStandsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := script(t, "a"), script(t, "b")
		h := run(t, storetest.Host(nil), nil)
		feed := h.feed("DE")
		synctest.Wait()
		require.Zero(t, b.asked(), "while the first answers")
		a.fail(&provider.Error{Reason: provider.Unavailable})
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		assert.Equal(t, "b", now(feed).source)
		assert.Less(t, a.asked(), 30, "with patience")
		a.fail(nil)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		assert.Equal(t, "a", now(feed).source)
		before := b.asked()
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, before, b.asked(), "it is not needed any more")
		assert.Equal(t, 1, h.logs.FilterMessageSnippet("has no answer that can be used").Len(), "said once")
		assert.Equal(t, 1, h.logs.FilterMessageSnippet("answers again").Len())
	})
}

// A number that cannot be is not used, and counted.
func TestWhatCannotBeIsRejected(t *testing.T) {
	for want, spoil := range map[provider.Reason]func(*grid.Value){
		provider.Negative: func(v *grid.Value) { v.GramsPerKWh = -1 },
		provider.Absurd:   func(v *grid.Value) { v.GramsPerKWh = grid.MaxGramsPerKWh + 1 },
		"absurd ":         func(v *grid.Value) { v.GramsPerKWh = math.NaN() },
		"absurd  ":        func(v *grid.Value) { v.End = v.Start },
		"absurd   ":       func(v *grid.Value) { v.Start, v.End = v.Start.Add(time.Hour), v.End.Add(time.Hour) },
		"absurd    ": func(v *grid.Value) {
			v.Quality, v.Start, v.End = grid.Forecast, v.Start.Add(farthest+time.Hour), v.End.Add(farthest+time.Hour)
		},
		"absurd     ":   func(v *grid.Value) { v.Start, v.End = v.Start.AddDate(-300, 0, 0), v.End.AddDate(-300, 0, 0) },
		provider.TooOld: func(v *grid.Value) { v.Start, v.End = v.Start.Add(-4*time.Hour), v.End.Add(-4*time.Hour) },
	} {
		t.Run(string(want), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := script(t, "a")
				a.spoil = spoil
				h := run(t, storetest.Host(nil), nil)
				feed := h.feed("DE")
				synctest.Wait()
				assert.Equal(t, holds{}, now(feed))
				assert.Positive(t, h.rejected()[trim(want)], "%v", h.rejected())
				a.set(func() { a.spoil = nil })
				time.Sleep(time.Minute)
				synctest.Wait()
				assert.Equal(t, "a", now(feed).source)
			})
		})
	}
}

func TestZeroIsAnIntensity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		a.spoil = func(v *grid.Value) { v.GramsPerKWh = 0 }
		feed := run(t, storetest.Host(nil), nil).feed("DE")
		synctest.Wait()
		assert.Equal(t, holds{"a", "measured", 0}, now(feed))
	})
}

// A provider that wants to be left alone is, for all zones.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		h := run(t, storetest.Host(nil), nil)
		a.fail(&provider.Error{Reason: provider.Throttled, RetryAfter: 30 * time.Minute})
		h.feed("DE")
		synctest.Wait()
		h.feed("FR")
		time.Sleep(29 * time.Minute)
		synctest.Wait()
		assert.Equal(t, 1, a.asked())
		assert.Equal(t, map[string]int64{"a": 0}, h.healthy())
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		assert.Greater(t, a.asked(), 1)
	})
}

// A provider that has failed, and is not needed any more, is forgotten.
func TestAFailureIsNotRememberedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := script(t, "a"), script(t, "b")
		a.fail(&provider.Error{Reason: provider.Unavailable})
		b.fail(&provider.Error{Reason: provider.Unavailable})
		feed := run(t, storetest.Host(nil), nil).feed("DE")
		synctest.Wait()
		a.fail(nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		changes, last := 0, feed.Timeline()
		for range 3600 {
			time.Sleep(time.Second)
			if now := feed.Timeline(); now != last {
				changes, last = changes+1, now
			}
		}
		assert.InDelta(t, 12, changes, 2)
	})
}

// Who publishes late does not know the present, but the past.
func TestHistoryOfALateProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		a.spoil = func(v *grid.Value) {
			if time.Since(v.End) < 4*time.Hour {
				v.Start, v.End = v.Start.Add(-5*time.Hour), v.End.Add(-5*time.Hour)
			}
		}
		feed := run(t, storetest.Host(nil), nil).feed("DE")
		from := time.Now().Add(-10 * time.Hour)
		feed.Want(from)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, holds{}, now(feed))
		assert.Equal(t, holds{"a", "measured", 50}, at(feed, from.Add(time.Hour)))
		assert.True(t, feed.Timeline().Settled(from.UnixNano()))
	})
}

// What is old is said to be so once.
func TestOldNewsAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		a.spoil = func(v *grid.Value) { v.Start, v.End = v.Start.Add(-4*time.Hour), v.End.Add(-4*time.Hour) }
		h := run(t, storetest.Host(nil), nil)
		feed := h.feed("DE")
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		assert.Equal(t, 1, h.logs.Len(), "%v", h.logs.All())
		assert.Equal(t, holds{"a", "measured", 100}, at(feed, time.Now().Add(-270*time.Minute)), "of its own time it is true")
	})
}

// What a service lets an address ask is for all zones together.
func TestRequestsPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		h := run(t, storetest.Host(nil), func(c *Config) { c.Providers[0].RequestsPerMinute = 2 })
		for _, zone := range []string{"DE", "FR", "PL", "IT", "ES", "NL", "BE", "AT", "CH", "CZ"} {
			h.feed(zone)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		burst := a.asked()
		assert.InDelta(t, 3, burst, 1, "a burst, but for what it does not offer")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		assert.InDelta(t, burst+4, a.asked(), 1)
	})
}

// A provider that fails for all zones is tried by one request now and then.
func TestCircuitOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		a.fail(&provider.Error{Reason: provider.Unavailable})
		h := run(t, storetest.Host(nil), nil)
		for _, zone := range []string{"DE", "FR", "PL", "IT", "ES", "NL", "BE", "AT", "CH", "CZ"} {
			h.feed(zone)
			synctest.Wait() // those under way when it opens are not called back
		}
		asked := a.asked()
		assert.Less(t, asked, 10, "not for each zone")
		time.Sleep(pause - time.Second)
		synctest.Wait()
		assert.Equal(t, asked, a.asked())
		assert.Equal(t, map[string]int64{"a": 0}, h.healthy())
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Less(t, a.asked(), asked+61)
		a.fail(nil)
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		assert.Equal(t, "a", now(h.feed("CZ")).source)
	})
}

// A zone that the provider does not know says nothing about other zones.
func TestUnknownZoneOpensNoCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		a.unknown = "XX"
		h := run(t, storetest.Host(nil), nil)
		h.feed("XX")
		time.Sleep(time.Hour)
		feed := h.feed("DE")
		synctest.Wait()
		assert.Equal(t, "a", now(feed).source)
		assert.Positive(t, h.rejected()["not_found"])
	})
}

func TestHistoryIsAskedForWhenItIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		h := run(t, storetest.Host(nil), nil)
		feed := h.feed("DE")
		synctest.Wait()
		require.Zero(t, a.seen().histories)
		from := time.Now().Add(-10 * time.Hour)
		require.False(t, feed.Timeline().Settled(from.UnixNano()))
		feed.Want(from)
		synctest.Wait()
		require.Equal(t, 1, a.seen().histories)
		assert.True(t, feed.Timeline().Settled(from.UnixNano()))
		assert.Equal(t, holds{"a", "measured", 50}, at(feed, from.Add(time.Hour)))
		a.set(func() { a.past = 40 }) // restated
		time.Sleep(restate + 10*time.Minute)
		synctest.Wait()
		assert.Equal(t, 2, a.seen().histories)
		assert.Equal(t, holds{"a", "measured", 40}, at(feed, from.Add(2*time.Hour)))

		feed.Want(time.Now().Add(-30 * 24 * time.Hour))
		synctest.Wait()
		assert.InDelta(t, (48*time.Hour + spare).Seconds(), a.seen().asks.Seconds(), 3601, "not more than is kept")
		assert.True(t, feed.Timeline().Settled(time.Now().Add(-30*24*time.Hour).UnixNano()), "there is no more")
	})
}

// Energy that begins to be used when the zone is asked for needs no history.
func TestNoHistoryOfAnInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		feed := run(t, storetest.Host(nil), nil).feed("DE")
		synctest.Wait()
		before := time.Now().Add(-time.Second)
		feed.Want(before)
		synctest.Wait()
		assert.Zero(t, a.seen().histories)
		assert.True(t, feed.Timeline().Settled(before.UnixNano()))
	})
}

func TestForecastStandsInForWhatIsNotKnownYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		a.foretells = true
		feed := run(t, storetest.Host(nil), nil).feed("DE")
		synctest.Wait()
		assert.Equal(t, holds{"a", "forecast", 70}, at(feed, time.Now().Add(3*time.Hour)))
	})
}

// What was known outlives a restart, also one while no provider answers. Redis does the same for a site.
func TestValuesSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		m := &storetest.Memory{}
		keep := func(c *Config) { c.Storage = &storetest.ID }
		first := run(t, storetest.Host(m), keep)
		first.feed("DE")
		synctest.Wait()
		require.NoError(t, first.Shutdown(t.Context()))
		a.fail(&provider.Error{Reason: provider.Unavailable})
		time.Sleep(70 * time.Minute)
		second := run(t, storetest.Host(m), keep)
		feed := second.feed("DE")
		synctest.Wait()
		assert.Equal(t, holds{"a", "stale", 100}, now(feed))
		assert.Zero(t, m.Open()-1)
	})
}

func TestZonesAreBounded(t *testing.T) {
	script(t, "a")
	h := run(t, storetest.Host(nil), func(c *Config) { c.MaxZones = 1 })
	h.feed("DE")
	_, err := h.Feed("FR", grid.Average)
	require.EqualError(t, err, `zone "FR": there are max_zones: 1 already`)
	h.feed("DE")
}

func TestLossesAreSaid(t *testing.T) {
	script(t, "a")
	kind := provider.Types["a"]
	kind.Losses = true
	provider.Types["a"] = kind
	h := run(t, storetest.Host(nil), nil)
	assert.Equal(t, []string{"a"}, h.feed("DE").WithLosses)
}

func TestHistoryIsSaid(t *testing.T) {
	script(t, "a")
	h := run(t, storetest.Host(nil), func(c *Config) { c.History = 5 * time.Hour })
	assert.Equal(t, 5*time.Hour, h.feed("DE").History)
}

// Who waits all of history for what is settled still finds it, also after a restart.
func TestHistoryIsThereToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script(t, "a")
		begin := time.Now().Add(50 * time.Minute)
		waiting := run(t, storetest.Host(nil), nil).feed("DE")
		waiting.Want(begin)
		time.Sleep(50*time.Minute + 48*time.Hour + 30*time.Minute)
		again := run(t, storetest.Host(nil), nil).feed("DE")
		again.Want(begin)
		synctest.Wait()
		assert.Equal(t, grid.Measured, at(waiting, begin).quality)
		assert.Equal(t, grid.Measured, at(again, begin).quality)
	})
}

func TestTwoNamesOfOneZone(t *testing.T) {
	script(t, "a")
	h := run(t, storetest.Host(nil), func(c *Config) { c.Providers[0].Zones = map[string]string{"Germany": "DE"} })
	assert.Same(t, h.feed("DE"), h.feed("Germany"))
	assert.NotSame(t, h.feed("DE"), h.feed("FR"))
}

func TestChainsDoNotMix(t *testing.T) {
	a, b := script(t, "a"), script(t, "b")
	b.provenance.Boundary, b.provenance.Gas = grid.Direct, grid.CO2
	marginal := script(t, "m")
	marginal.provenance.Signal = grid.Marginal
	_ = a
	h := run(t, storetest.Host(nil), nil)
	_, err := h.Feed("DE", grid.Average)
	require.EqualError(t, err, `zone "DE": a counts lifecycle and b counts direct: their numbers must not be mixed; choose others, or set allow_mixing: [boundary]`)
	h = run(t, storetest.Host(nil), func(c *Config) { c.AllowMixing = []string{"boundary", "gas"} })
	h.feed("DE")
	feed, err := h.Feed("DE", grid.Marginal)
	require.NoError(t, err)
	require.NotSame(t, h.feed("DE"), feed, "average and marginal never share a chain")
}

func TestStaticIsTheLastResort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		a.fail(&provider.Error{Reason: provider.Unavailable})
		static := func(c *Config) {
			c.Providers = append(c.Providers, ProviderConfig{Type: "static", Name: "static", Boundary: grid.Lifecycle})
		}
		h := run(t, storetest.Host(nil), static)
		feed := h.feed("DE")
		synctest.Wait()
		assert.Equal(t, holds{"static", "static", 344.13992}, now(feed))
		a.fail(nil)
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		assert.Equal(t, "a", now(feed).source)
	})
}

func TestZoneThatNobodyCovers(t *testing.T) {
	a := script(t, "a")
	a.unmapped = "ZZ"
	h := run(t, storetest.Host(nil), nil)
	_, err := h.Feed("ZZ", grid.Average)
	require.ErrorContains(t, err, `zone "ZZ": no provider covers it; there are a (any); name it under zones of a provider, or add one`)
	h = run(t, storetest.Host(nil), func(c *Config) { c.Providers[0].Zones = map[string]string{"zz": "DE"} })
	h.feed("ZZ")
}

func TestShutdownWithoutStart(t *testing.T) {
	script(t, "a")
	e := newHarness(t, nil)
	require.NoError(t, e.Shutdown(context.Background()))
}

func TestStorageIsNamed(t *testing.T) {
	script(t, "a")
	other := component.MustNewID("other")
	h := newHarness(t, func(c *Config) { c.Storage = &other })
	require.ErrorContains(t, h.Start(t.Context(), componenttest.NewNopHost()), `storage: there is no extension "other"`)
	require.NoError(t, h.Shutdown(t.Context()))
}

// What fails of a provider is said once, also when the rest of what it is asked for works, or fails otherwise.
func TestEachQuestionIsLoggedForItself(t *testing.T) {
	for name, late := range map[string]time.Duration{"the present is known": 0, "the present is not known": 12 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := script(t, "a")
				a.spoil = func(v *grid.Value) { v.Start, v.End = v.Start.Add(-late), v.End.Add(-late) }
				a.historyErr = &provider.Error{Reason: provider.Missing}
				h := run(t, storetest.Host(nil), nil)
				h.feed("DE").Want(time.Now().Add(-20 * time.Hour))
				time.Sleep(3 * time.Hour)
				synctest.Wait()
				logs := h.logs.FilterMessageSnippet("has no answer that can be used")
				assert.Equal(t, 1, logs.FilterField(zap.String("asked.for", "history")).Len(), "%v", h.logs.All())
				assert.Equal(t, h.logs.Len(), logs.Len(), "nothing else")
				before := h.logs.Len()
				a.set(func() { a.historyErr = nil })
				time.Sleep(time.Hour)
				synctest.Wait()
				assert.Equal(t, before+1, h.logs.Len())
				assert.Equal(t, 1, h.logs.FilterMessageSnippet("answers again").FilterField(zap.String("asked.for", "history")).Len())
			})
		})
	}
}

// Who publishes late has nothing yet of a time that has just begun. That is not asked for, and no failure.
func TestHistoryThatIsNotPublishedYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		late := 2 * time.Hour
		a.spoil = func(v *grid.Value) {
			if v.GramsPerKWh == 100 { // the newest
				v.Start, v.End = v.Start.Add(-late), v.End.Add(-late)
			}
		}
		a.historyErr = &provider.Error{Reason: provider.NotFound, Detail: "no rows of DE: it is no balancing authority"}
		h := run(t, storetest.Host(nil), nil)
		begin := time.Now()
		feed := h.feed("DE")
		feed.Want(begin)
		time.Sleep(late - time.Minute)
		synctest.Wait()
		assert.Zero(t, a.seen().histories)
		assert.Zero(t, h.logs.Len(), "%v", h.logs.All())
		assert.Zero(t, h.rejected()[provider.NotFound])
		a.set(func() { a.historyErr = nil })
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		assert.Positive(t, a.seen().histories)
		assert.Equal(t, holds{"a", "measured", 50}, at(feed, begin.Add(time.Minute)))
	})
}

// static takes its own zones as all providers do, and a part of a country for the country.
func TestStaticOfAZone(t *testing.T) {
	const britain = 210.89114
	for name, tc := range map[string]struct {
		zone  string
		zones map[string]string
		want  float64
	}{
		"named":                 {"rack 7", map[string]string{"rack 7": "GB"}, britain},
		"the country of others": {"GB-13", nil, britain},
		"named before that":     {"GB-13", map[string]string{"gb-13": "WORLD"}, 473.0065},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, func(c *Config) {
				c.AllowMixing = []string{"boundary", "gas"}
				c.Providers = []ProviderConfig{
					{Type: "static", Name: "static", Boundary: grid.Lifecycle, Zones: tc.zones},
					{Type: "neso", Name: "neso", Boundary: grid.Direct},
				}
			})
			t.Cleanup(func() { require.NoError(t, h.Shutdown(context.Background())) })
			z, err := h.newZone(tc.zone, grid.Average)
			require.NoError(t, err)
			assert.Equal(t, holds{"static", "static", tc.want}, now(z.feed))
			assert.Zero(t, h.logs.Len(), "%v", h.logs.All())
		})
	}
}

// A chain whose last resort does not cover the zone says so, once.
func TestStaticThatIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script(t, "a")
		h := run(t, storetest.Host(nil), func(c *Config) {
			c.Providers = append(c.Providers, ProviderConfig{Type: "static", Name: "static", Boundary: grid.Lifecycle})
		})
		for range 3 {
			h.feed("rack 7")
			time.Sleep(time.Hour)
			synctest.Wait()
		}
		require.Equal(t, 1, h.logs.Len(), "%v", h.logs.All())
		assert.Contains(t, h.logs.All()[0].Message, "no yearly average stands in")
		assert.Equal(t, "rack 7", h.logs.All()[0].ContextMap()["grid.zone"])
		h.feed("DE")
		assert.Equal(t, 1, h.logs.Len())
	})
}

// A country that is none is refused at the start, unless somebody says what it is.
func TestMistypedCountry(t *testing.T) {
	em := ProviderConfig{Type: "electricitymaps", Name: "electricitymaps", Boundary: grid.Lifecycle}
	mapped := em
	mapped.Zones = map[string]string{"XQ": "DE"}
	static := ProviderConfig{Type: "static", Name: "static", Boundary: grid.Lifecycle}
	eia := ProviderConfig{Type: "eia", Name: "eia", Boundary: grid.Lifecycle}
	file := ProviderConfig{Type: "file", Name: "file", Boundary: grid.Lifecycle}
	for name, tc := range map[string]struct {
		providers []ProviderConfig
		known     bool
	}{
		"nobody":     {[]ProviderConfig{em, eia, static}, false},
		"its zones":  {[]ProviderConfig{mapped, static}, true},
		"the file's": {[]ProviderConfig{em, file, static}, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, func(c *Config) { c.Providers = tc.providers })
			t.Cleanup(func() { require.NoError(t, h.Shutdown(context.Background())) })
			_, err := h.newZone("XQ", grid.Average)
			if tc.known {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, `zone "XQ": no provider covers it; there are electricitymaps (a country, such as DE,`)
			require.ErrorContains(t, err, `name it under zones of a provider, or add one`)
		})
	}
}
