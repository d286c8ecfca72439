// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"math"
)

// estimate is what is assumed of the CPUs of a machine.
type estimate struct {
	curve
	// perCPU means that the curve is that of one logical CPU, else of all.
	perCPU bool
	// uncertainty is relative, one standard deviation.
	uncertainty float64
	// text says what was assumed, and why the uncertainty is what it is.
	text string
	// memory is in it.
	memory bool
}

// Relative standard uncertainties of what is not a kind of CPU. They are compared with measurements in the tests.
const (
	// uConfigured: the shape between idle and maximum fits within 4 %, the rest is for what runs.
	uConfigured = 0.10
	// uMeasured: the same CPU was measured in another server, and shorter runs differ as much.
	uMeasured = 0.25
	// uHidden is for CPUs that are not sold to others, and so not in a class's spread: those that AWS had made draw half
	// as much again for a thread.
	uHidden = 0.40
	// uVirtual is a judgement: neighbours on the host, their clocks, and how many virtual CPUs a thread is sold as.
	uVirtual = 0.20
	// uDefault: an average CPU instead of the one that it is.
	uDefault = 0.60
)

// Averages of Cloud Carbon Footprint for an AWS instance of unknown microarchitecture (Methodology, Appendix I, commit
// 1559c18, read 2026-11-22), in W per logical CPU, from SPECpower_ssj2008.
const (
	defaultIdle = 0.74
	defaultMax  = 3.50
)

func newEstimate(cfg Config, m Machine) estimate {
	e := assume(cfg, m)
	idle, most := cfg.IdlePowerPerCPU, cfg.MaxPowerPerCPU
	what, u, reason := "configured", uConfigured, "the shape between, and what runs"
	switch {
	case idle == 0 && most == 0:
		return e
	case idle == 0:
		idle = most * e.idle / e.max
	case most == 0:
		most = idle * e.max / e.idle
	}
	if cfg.IdlePowerPerCPU == 0 || cfg.MaxPowerPerCPU == 0 {
		// The ratio of the two is that of the table.
		what, u, reason = "one power configured, the other in proportion as of "+e.text, math.Hypot(u, e.uncertainty/2), "half of that of the table"
	}
	c := curve{idle, most, packageShape}
	return estimate{c, true, u, describe(what, c.times(float64(max(m.Threads, 1))), u, reason), e.memory}
}

// assume a curve for the CPU.
func assume(cfg Config, m Machine) estimate {
	t := cpus()
	if r, ok := t.named(cfg.CPU); cfg.CPU != "" && ok {
		return ofRow(r, cfg, m)
	}
	if r, ok := t.find(m); ok {
		return ofRow(r, cfg, m)
	}
	if class, known := classOf(m); known {
		if typical, ok := t.typical(class); ok {
			return ofClass(class, typical, cfg, m)
		}
	}
	c := curve{defaultIdle, defaultMax, packageShape}
	name := m.Model
	if name == "" {
		name = "unknown CPU"
	}
	what := fmt.Sprintf("%s, not in the table: the average of a cloud server for each of %d CPUs", name, m.Threads)
	return estimate{c, true, uDefault, describe(what, c.times(float64(max(m.Threads, 1))), uDefault, "the CPU may be any"), false}
}

func ofRow(r *row, cfg Config, m Machine) estimate {
	k := kindOf(r.class)
	u, reason := k.uncertainty, k.reason
	c := curve{r.tdp * k.idle, r.tdp * k.max, packageShape}
	if r.max > 0 {
		u, reason = uMeasured, "measured in another server; short runs differ as much"
		c = curve{r.tdp * r.idle, r.tdp * r.max, packageShape}
	}
	threads := r.threads
	if threads == 0 {
		threads = r.cores
	}
	what := fmt.Sprintf("%s, TDP %g W [%s]", r.name, r.tdp, r.source)
	return share(estimate{curve: c, uncertainty: u, memory: r.memory}, what, reason, float64(threads), cfg, m)
}

func ofClass(class string, t typical, cfg Config, m Machine) estimate {
	k := kindOf(class)
	// Nothing tells which CPU of the class it is.
	u := math.Hypot(k.uncertainty, math.Hypot(t.spread, uHidden))
	// A package with the median TDP and as many threads as make the median power for one.
	tdp, threads := t.perPackage, t.perPackage/t.perThread
	if !m.Virtual {
		threads = float64(max(m.Threads, 1)) / float64(m.Sockets)
		tdp = t.perThread * threads
	}
	c := curve{tdp * k.idle, tdp * k.max, packageShape}
	what := fmt.Sprintf("%s, not in the table: the median of class %s, %.3g W for a thread, TDP %.3g W", m.Model, class, t.perThread, tdp)
	reason := fmt.Sprintf("%.0f %% of the curve (%s), %.0f %% within the class, %.0f %% for not being in it", 100*k.uncertainty, k.reason, 100*t.spread, 100*uHidden)
	return share(estimate{curve: c, uncertainty: u}, what, reason, threads, cfg, m)
}

// share makes of the estimate for one package with so many threads that for the machine.
func share(e estimate, what, reason string, threads float64, cfg Config, m Machine) estimate {
	switch {
	case !m.Virtual:
		e.curve = e.times(float64(m.Sockets))
		e.text = describe(fmt.Sprintf("%d x %s", m.Sockets, what), e.curve, e.uncertainty, reason)
		return e
	case cfg.HostShare > 0:
		e.curve = e.times(cfg.HostShare)
		e.uncertainty = math.Hypot(e.uncertainty, uConfigured)
		what += fmt.Sprintf("; a virtual machine with %g packages of it (host_share)", cfg.HostShare)
		e.text = describe(what, e.curve, e.uncertainty, reason)
		return e
	}
	e.curve, e.perCPU = e.times(1/threads), true
	e.uncertainty = math.Hypot(e.uncertainty, uVirtual)
	what += fmt.Sprintf("; a virtual machine whose %d CPUs are taken for as many of %.0f threads", m.Threads, threads)
	e.text = describe(what, e.times(float64(m.Threads)), e.uncertainty, reason+fmt.Sprintf(", %.0f %% for being virtual", 100*uVirtual))
	return e
}

func describe(what string, c curve, uncertainty float64, reason string) string {
	return fmt.Sprintf("%s: %.3g W idle, %.3g W at full load, ±%.0f %% (%s)", what, c.idle, c.max, 100*uncertainty, reason)
}
