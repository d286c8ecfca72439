// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package consoleexporter

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/feed"
	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/metadatatest"
)

var update = flag.Bool("update", false, "write the golden files")

// newPlain returns a console that prints plain lines into a buffer.
func newPlain(t *testing.T, out *bytes.Buffer) (*console, *observer.ObservedLogs, *componenttest.Telemetry) {
	t.Helper()
	core, logs := observer.New(zap.WarnLevel)
	telemetry := componenttest.NewTelemetry()
	set := exportertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	set.Logger = zap.New(core)
	set.BuildInfo.Command = "otelcol-carbon"
	cfg := createDefaultConfig().(*Config)
	cfg.MaxStreams = 8
	c, err := newConsole(set, cfg, os.Stdout)
	require.NoError(t, err)
	c.out = &plain{out: out, title: "otelcol-carbon"}
	return c, logs, telemetry
}

func TestPlainOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		c, logs, _ := newPlain(t, &out)
		require.NoError(t, c.start(t.Context(), nil))
		scene := feed.Workstation(time.Now())
		for range 3 {
			time.Sleep(900 * time.Millisecond)
			require.NoError(t, c.consume(t.Context(), scene.At(time.Now())))
		}
		synctest.Wait()
		require.NoError(t, c.shutdown(t.Context()))
		require.NoError(t, c.shutdown(t.Context()), "a second time is no error")
		assert.Empty(t, logs.All())
		if *update {
			require.NoError(t, os.WriteFile("testdata/plain.txt", out.Bytes(), 0o600))
		}
		golden, err := os.ReadFile("testdata/plain.txt")
		require.NoError(t, err)
		assert.Equal(t, string(golden), out.String())
	})
}

func TestNothingIsPrintedWithoutNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		c, _, _ := newPlain(t, &out)
		require.NoError(t, c.start(t.Context(), nil))
		require.NoError(t, c.consume(t.Context(), feed.Workstation(time.Now()).At(time.Now())))
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, 5, strings.Count(out.String(), "\n"))
		require.NoError(t, c.shutdown(t.Context()))
	})
}

func TestSkippedPointsAreCountedAndSaidOnce(t *testing.T) {
	var out bytes.Buffer
	c, logs, telemetry := newPlain(t, &out)
	bad := feed.Point{Metric: "hw.energy", At: time.Now(), Value: 1, Unit: "kWh"}
	for range 3 {
		require.NoError(t, c.consume(t.Context(), feed.Batch(bad)))
	}
	assert.Len(t, logs.All(), 1)
	metadatatest.AssertEqualConsolePointsSkipped(t, telemetry, []metricdata.DataPoint[int64]{{
		Attributes: attribute.NewSet(attribute.String("reason", "unit")), Value: 3,
	}}, metricdatatest.IgnoreTimestamp())
	require.NoError(t, telemetry.Shutdown(context.Background()))
}

func TestConsumeFromManySides(t *testing.T) {
	var out bytes.Buffer
	c, _, _ := newPlain(t, &out)
	c.every = time.Millisecond
	require.NoError(t, c.start(t.Context(), nil))
	now := time.Now()
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			for i := range 100 {
				p := feed.Point{Metric: "hw.energy", Resource: feed.Host(name), Start: now, At: now.Add(time.Duration(i+1) * time.Second), Value: float64(i + 1)}
				assert.NoError(t, c.consume(t.Context(), feed.Batch(p)))
			}
		})
	}
	wg.Wait()
	require.NoError(t, c.shutdown(t.Context()))
	assert.InDelta(t, 400, c.snapshot().Total.Joules, 1e-9)
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestOutputThatFailsIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, logs, _ := newPlain(t, nil)
		c.out = &plain{out: broken{}}
		require.NoError(t, c.start(t.Context(), nil))
		time.Sleep(5 * time.Second)
		require.NoError(t, c.shutdown(t.Context()))
		require.Len(t, logs.All(), 1)
		assert.Equal(t, "cannot write to standard output", logs.All()[0].Message)
	})
}

func TestShutdownWithoutStart(t *testing.T) {
	c, _, _ := newPlain(t, &bytes.Buffer{})
	require.NoError(t, c.shutdown(t.Context()))
}

func TestShutdownDoesNotWaitForeverForItsOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := newPlain(t, nil)
		release := make(chan struct{})
		c.out = &plain{out: blocked{release}}
		require.NoError(t, c.start(t.Context(), nil))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.shutdown(ctx), context.DeadlineExceeded)
		close(release)
		<-c.stopped
	})
}

type blocked struct{ release chan struct{} }

func (b blocked) Write(p []byte) (int, error) {
	<-b.release
	return len(p), nil
}
