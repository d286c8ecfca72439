// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/analysis"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/driver"
)

// inventory is T0: what there is, and what it answers.
func (c *check) inventory() error {
	out, err := newTable(c.out, "T0-inventory.csv", "what", "answer", "value")
	if err != nil {
		return err
	}
	c.report.Facts = c.device.Facts()
	c.report.Facts["root"] = strconv.FormatBool(isRoot())
	pids, _ := os.Readlink("/proc/self/ns/pid")
	c.report.Facts["initial_pid_namespace"] = strconv.FormatBool(pids == "pid:[4026531836]")
	for fact, value := range c.report.Facts {
		out.add("fact "+fact, "", value)
	}
	for _, field := range []uint32{driver.FieldCounter, driver.FieldAverage, driver.FieldInstant, driver.FieldEnergy} {
		for scope := range uint32(4) {
			f := []driver.Field{{ID: field, Scope: scope}}
			err := c.device.Fields(f)
			out.add(fmt.Sprintf("field %d scope %d", field, scope), answer(errors.Join(err, f[0].Err)), f[0].Value)
		}
	}
	for kind := range 10 {
		samples, err := c.device.Samples(kind, 0)
		out.add(fmt.Sprintf("samples of kind %d", kind), answer(err), len(samples))
		if kind == 0 {
			c.ring(samples, err)
		}
	}
	if _, err := c.device.Counter(); err != nil {
		c.report.Without("T0.counter", "energy counter", notSupported, err.Error())
	} else {
		c.report.Without("T0.counter", "energy counter", pass, "")
	}
	c.probeAs(out, "this user", nil)
	if isRoot() {
		const nobody = 65534
		c.probeAs(out, "nobody", &syscall.Credential{Uid: nobody, Gid: nobody})
	}
	return out.close()
}

// ring reports the driver's ring of power samples.
func (c *check) ring(samples []driver.Sample, err error) {
	if err != nil || len(samples) < 2 {
		c.report.Without("T0.samples", "ring of power samples", notSupported, answer(err))
		return
	}
	var stamps analysis.Series
	for _, s := range samples {
		stamps = append(stamps, analysis.Point{T: float64(s.At) / 1e6})
	}
	spacing := analysis.Summarize(analysis.Intervals(stamps))
	c.report.Figures["T0.samples_spacing_s"] = spacing
	age := float64(wallMicros())/1e6 - stamps[len(stamps)-1].T
	c.report.Judge("T0.samples", "ring of power samples: time it holds", info, stamps[len(stamps)-1].T-stamps[0].T, "s", "",
		fmt.Sprintf("%d samples, %s s apart, newest %s s old", len(samples), short(spacing.P50), short(age)))
}

// probeAs runs "hwcheck probe" as a user.
func (c *check) probeAs(out *table, who string, credential *syscall.Credential) {
	command := exec.Command(c.self, "probe", "-gpu", strconv.Itoa(c.index)) //nolint:gosec // it is this program
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	answers := map[string]string{}
	timer := time.AfterFunc(c.patience(), func() { _ = command.Process.Kill() })
	output, err := command.Output()
	timer.Stop()
	if err = errors.Join(err, json.Unmarshal(output, &answers)); err != nil {
		c.report.Without("T0.probe."+who, "calls as "+who, info, "cannot be tried: "+err.Error())
		return
	}
	denied := 0
	for what, result := range answers {
		out.add("as "+who+": "+what, result, "")
		if result == "NO_PERMISSION" {
			denied++
		}
	}
	c.report.Figures["T0.answers_as_"+who] = answers
	c.report.Judge("T0.probe."+who, "calls as "+who+": refused for lack of permission", info, float64(denied), "", "", fmt.Sprintf("of %d", len(answers)))
}

// runProbe is the command "hwcheck probe": what each call answers to this user, as JSON.
func runProbe(arguments []string) error {
	flags := flag.NewFlagSet("probe", flag.ExitOnError)
	index := flags.Int("gpu", 0, "index of the GPU")
	_ = flags.Parse(arguments) // exits on errors
	d, err := driver.Open()
	if err != nil {
		return err
	}
	device, err := d.Device(*index)
	if err != nil {
		return err
	}
	answers := map[string]string{}
	for _, call := range calls(device) {
		answers[call.name] = answer(call.make())
	}
	gpm, err := device.NewGPM()
	if err == nil {
		time.Sleep(150 * time.Millisecond)
		_, err = gpm.Next()
		gpm.Close()
	}
	answers["GPM"] = answer(err)
	return errors.Join(json.NewEncoder(os.Stdout).Encode(answers), d.Shutdown())
}

// answer is the name of a return value.
func answer(err error) string {
	var f *driver.Failure
	switch {
	case err == nil:
		return "SUCCESS"
	case errors.As(err, &f):
		return driver.ReturnName(f.Return)
	default:
		return err.Error()
	}
}
