// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// loader is a load process, seen from the check.
type loader struct {
	ready ready
	pid   uint32

	patience time.Duration
	command  *exec.Cmd
	orders   io.WriteCloser
	answers  *json.Decoder
}

// patience with a load process, or with the driver, beyond the time that was asked for: a first compilation
// of the kernels takes seconds.
func (c *check) patience() time.Duration {
	return time.Duration(max(c.seconds(30), 5) * float64(time.Second))
}

// startLoad waits until the load is ready.
func (c *check) startLoad() (*loader, error) {
	if c.noLoad {
		return nil, fmt.Errorf("%w: switched off by -no-load", errNoLoad)
	}
	command := exec.Command(c.self, "load", "-serve", "-uuid", c.uuid) //nolint:gosec // it is this program
	orders, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	l := &loader{pid: uint32(command.Process.Pid), patience: c.patience(), command: command, orders: orders, answers: json.NewDecoder(bufio.NewReader(out))}
	if err := l.receive(&l.ready, l.patience); err != nil {
		l.stop()
		return nil, fmt.Errorf("%w: %w", errNoLoad, err)
	}
	if l.ready.Error != "" {
		l.stop()
		return nil, fmt.Errorf("%w: %s", errNoLoad, l.ready.Error)
	}
	return l, nil
}

var errNoLoad = errors.New("no load on the GPU")

// run gives an order and waits for the end.
func (l *loader) run(o order) (done, error) {
	var d done
	if err := json.NewEncoder(l.orders).Encode(o); err != nil {
		return d, err
	}
	if err := l.receive(&d, l.patience+time.Duration(o.For*float64(time.Second))); err != nil {
		return d, err
	}
	if d.Error != "" {
		return d, errors.New(d.Error)
	}
	return d, nil
}

// receive kills a load that does not answer: that ends the wait.
func (l *loader) receive(answer any, longest time.Duration) error {
	timer := time.AfterFunc(longest, func() { _ = l.command.Process.Kill() })
	defer timer.Stop()
	if err := l.answers.Decode(answer); err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	return nil
}

func (l *loader) stop() {
	_ = l.orders.Close()
	timer := time.AfterFunc(5*time.Second, func() { _ = l.command.Process.Kill() })
	defer timer.Stop()
	_ = l.command.Wait()
}
