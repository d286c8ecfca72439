// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package bmc

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"
	"testing"
	"time"

	ipmibmc "github.com/bougou/go-ipmi/pkg/bmc"
	"github.com/bougou/go-ipmi/pkg/clock"
	"github.com/bougou/go-ipmi/pkg/hal/mock"
	"github.com/bougou/go-ipmi/pkg/handlers"
	"github.com/bougou/go-ipmi/pkg/server"
	"github.com/bougou/go-ipmi/pkg/transport/udp"
	"github.com/bougou/go-ipmi/pkg/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

const secret = "5ecret-of-the-bmc"

// controller is a BMC on loopback that speaks RMCP+, and whose power a test sets.
type controller struct {
	address  string
	watts    atomic.Int64
	inactive atomic.Bool
	refuses  atomic.Bool
	stop     func()
}

func newController(t *testing.T, address string) *controller {
	t.Helper()
	c := &controller{}
	b := ipmibmc.New(ipmibmc.DeviceInfo{DeviceID: 32, IPMIVersion: 0x20}, [16]byte{1}, mock.New(), ipmibmc.WithClock(clock.Real))
	user, err := b.Users.Add(2, "carbon")
	require.NoError(t, err)
	user.SetPassword([]byte(secret))
	user.Enabled = true
	user.ChannelAccess[1] = ipmibmc.UserChannelAccess{MaxPrivilege: ipmibmc.PrivilegeLevelUser, Enabled: true}
	registry := handlers.NewRegistry()
	handlers.RegisterAllHandlers(registry)
	registry.RegisterFunc(types.CommandGetDCMIPowerReading, c.reading)
	conn, err := udp.Listen(address)
	require.NoError(t, err)
	c.address = conn.LocalAddr().String()
	s := server.NewServer(b, conn, server.WithHandlerRegistry(registry))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(context.WithoutCancel(t.Context()))
	}()
	stopped := atomic.Bool{}
	c.stop = func() {
		if stopped.CompareAndSwap(false, true) {
			_ = s.Close()
			_ = conn.Close()
			<-done
		}
	}
	t.Cleanup(c.stop)
	return c
}

// reading is the answer to Get Power Reading as DCMI 1.5, table 6-16, has it.
func (c *controller) reading(_ context.Context, _ *handlers.HandlerContext, request []byte) ([]byte, types.CompletionCode, error) {
	if c.refuses.Load() {
		return nil, types.CodeUnspecifiedError, nil
	}
	if len(request) < 4 || request[0] != 0xdc || request[1] != 1 {
		return nil, types.CodeRequestDataFieldInvalid, nil
	}
	watts := uint16(c.watts.Load())
	answer := []byte{0xdc}
	for _, w := range []uint16{watts, watts / 2, 2 * watts, watts + 7} { // now, minimum, maximum, average
		answer = binary.LittleEndian.AppendUint16(answer, w)
	}
	answer = binary.LittleEndian.AppendUint32(answer, 1_750_000_000)
	answer = binary.LittleEndian.AppendUint32(answer, 60_000)
	state := byte(1 << 6)
	if c.inactive.Load() {
		state = 0
	}
	return append(answer, state), types.CodeOK, nil
}

func (c *controller) meter(t *testing.T, password string) *Meter {
	t.Helper()
	cfg := IPMIConfig{Endpoint: c.address, Username: "carbon", Password: configopaque.String(password), Timeout: 2 * time.Second}
	m := NewIPMI(cfg, time.Second)
	t.Cleanup(func() { m.Shutdown(context.WithoutCancel(t.Context())) })
	return m
}

func TestIPMI(t *testing.T) {
	c := newController(t, "127.0.0.1:0")
	c.watts.Store(350)
	m := c.meter(t, secret)
	assert.Equal(t, sensor.IPMI, m.Source().Driver)
	_, err := m.Read(time.Now())
	require.ErrorIs(t, err, ErrWaiting)

	began := time.Now()
	require.NoError(t, m.ask(t.Context()))
	outcome, err := m.Read(time.Now())
	require.NoError(t, err)
	assert.Equal(t, joule.First, outcome)
	for time.Since(began) < 300*time.Millisecond {
		require.NoError(t, m.ask(t.Context()))
	}
	outcome, err = m.Read(time.Now())
	require.NoError(t, err)
	assert.Equal(t, joule.Counted, outcome)
	assert.InDelta(t, 350*time.Since(began).Seconds(), float64(m.Microjoules())/1e6, 350*0.1)

	for name, tc := range map[string]struct {
		trouble func(on bool)
		want    string
	}{
		"not measured": {c.inactive.Store, "does not measure power now"},
		"0 W": {func(on bool) {
			c.watts.Store(350)
			if on {
				c.watts.Store(0)
			}
		}, "0 W, which is no power"},
		"refused": {c.refuses.Store, "get the power reading (DCMI)"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.trouble(true)
			before := m.Microjoules()
			require.ErrorContains(t, m.ask(t.Context()), tc.want)
			_, err := m.Read(time.Now())
			require.ErrorContains(t, err, tc.want)
			assert.Equal(t, before, m.Microjoules())
			tc.trouble(false)
			require.NoError(t, m.ask(t.Context()))
			_, err = m.Read(time.Now())
			require.NoError(t, err)
		})
	}
}

// A BMC that is rebooted is asked again, in a new session.
func TestIPMIAfterAReboot(t *testing.T) {
	c := newController(t, "127.0.0.1:0")
	c.watts.Store(100)
	m := c.meter(t, secret)
	m.service.(*ipmi).config.Timeout = 500 * time.Millisecond
	require.NoError(t, m.ask(t.Context()))
	c.stop()
	require.Error(t, m.ask(t.Context()))
	again := newController(t, c.address)
	again.watts.Store(100)
	require.NoError(t, m.ask(t.Context()))
}

func TestIPMIRefusesAWrongPassword(t *testing.T) {
	c := newController(t, "127.0.0.1:0")
	m := c.meter(t, secret+"?")
	err := m.ask(t.Context())
	require.ErrorContains(t, err, "connect to "+c.address)
	assert.NotContains(t, err.Error(), secret)
}

func TestIPMIIsNotThere(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	m := NewIPMI(IPMIConfig{Endpoint: l.LocalAddr().String(), Username: "u", Timeout: 200 * time.Millisecond}, time.Second)
	began := time.Now()
	require.Error(t, m.ask(t.Context()))
	assert.Less(t, time.Since(began), 10*time.Second)

	m = NewIPMI(IPMIConfig{Timeout: 200 * time.Millisecond}, time.Second)
	require.ErrorContains(t, m.ask(t.Context()), "/dev/ipmi0")
}
