// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package sensor finds the sensors of a machine that tell its energy, and reads them.
//
// An ID says what is measured, not how: package-0 is the same package by powercap, perf or hwmon. Each sensor counts
// from its own first reading, so a stream that goes on with another driver adds the new sensor's count to the old one's.
// What was used between the last reading of the one and the first of the other is in neither.
package sensor

import (
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

// Sensor accumulates the energy of one thing. It is not safe for concurrent use.
type Sensor interface {
	// Read takes a reading at a time, which has a monotonic clock.
	Read(now time.Time) (joule.Outcome, error)
	// Microjoules since the first reading. It never decreases.
	Microjoules() uint64
	// Interval is the longest time between two readings that loses nothing: a quarter of the shortest wrap for a
	// counter, the sampling time for a power sensor; 0 if any will do.
	Interval() time.Duration
}

// Source is a sensor and what it covers.
type Source struct {
	Sensor Sensor
	ID     string // hw.id, unique on the host: package-0, package-0/dram, psys
	Parent string // hw.id of what it is part of; empty if of nothing
	Name   string // hw.name, for people
	Scope  Scope
	Method Method
	Driver Driver
	// Memory says that the energy of the memory is in it, as on NVIDIA Grace.
	Memory bool
}

// Scope is what a sensor covers: a value of energy.scope, or Host.
type Scope string

// Those under hw.energy are Package, DRAM and Module; Core and Uncore are parts of a package; Host is everything.
const (
	Package Scope = "package"
	DRAM    Scope = "dram"
	Core    Scope = "core"
	Uncore  Scope = "uncore"
	Module  Scope = "module"
	Host    Scope = "host"
)

// Method is a value of energy.method.
type Method string

// How a sensor gets its energy.
const (
	Counter    Method = "counter"
	Integrated Method = "integrated"
	Model      Method = "model"
)

// Driver is what a sensor is read through.
type Driver string

// Drivers, of which several may show the same sensor.
const (
	Powercap  Driver = "powercap"
	Perf      Driver = "perf"
	HWMon     Driver = "hwmon"
	ACPI      Driver = "acpi"
	Battery   Driver = "battery"
	IPMI      Driver = "ipmi"
	Redfish   Driver = "redfish"
	Estimated Driver = "model"
)
