// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package embodied

import (
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config says what devices took to make.
type Config struct {
	// Lifetime is how long a device is expected to be used, for those that do not say.
	Lifetime time.Duration `mapstructure:"lifetime"`
	// Devices come before those of the embedded table; the first that matches counts.
	Devices []Device `mapstructure:"devices"`
}

// Device is a kind of hardware.
type Device struct {
	// Match is compared with hw.name, in any case; * stands for any text.
	Match string `mapstructure:"match"`
	// KG is the CO2e of making one, in kg.
	KG float64 `mapstructure:"kg"`
	// Lifetime is that of Config if it is 0.
	Lifetime time.Duration `mapstructure:"lifetime"`
}

// DefaultLifetime is five years, between the three that GPUs and the six that servers are given.
const DefaultLifetime = 43800 * time.Hour

const (
	maxKG       = 1e6 // of a rack, and some
	minLifetime = 24 * time.Hour
)

// Default is the embedded table alone.
func Default() Config { return Config{Lifetime: DefaultLifetime} }

// Validate names each key that cannot be, its value, and what could.
func (c *Config) Validate() error {
	var errs []error
	if c.Lifetime < minLifetime {
		errs = append(errs, fmt.Errorf("lifetime: %v: must be at least %v", c.Lifetime, minLifetime))
	}
	for i, d := range c.Devices {
		if d.Match == "" {
			errs = append(errs, fmt.Errorf(`devices::%d::match: not set: name the device as in hw.name, such as "NVIDIA H100*"`, i))
		}
		if !(d.KG > 0 && d.KG <= maxKG) {
			errs = append(errs, fmt.Errorf("devices::%d::kg: %v: must be above 0 and at most %v kg of CO2e", i, d.KG, maxKG))
		}
		if d.Lifetime != 0 && d.Lifetime < minLifetime {
			errs = append(errs, fmt.Errorf("devices::%d::lifetime: %v: must be at least %v, or left out", i, d.Lifetime, minLifetime))
		}
	}
	return errors.Join(errs...)
}

// kind is a Device that is ready to match.
type kind struct {
	name *regexp.Regexp
	Device
}

func (c *Config) kinds() []kind {
	var kinds []kind
	for _, devices := range [][]Device{c.Devices, table()} {
		for _, d := range devices {
			if d.Lifetime == 0 {
				d.Lifetime = c.Lifetime
			}
			pattern := "(?is)^" + strings.ReplaceAll(regexp.QuoteMeta(d.Match), `\*`, ".*") + "$"
			kinds = append(kinds, kind{regexp.MustCompile(pattern), d})
		}
	}
	return kinds
}

//go:embed devices.csv
var devices string

// table is part of the program: one that cannot be read is a defect of the build, found by the tests.
var table = sync.OnceValue(func() (table []Device) {
	r := csv.NewReader(strings.NewReader(devices))
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		panic(err)
	}
	for _, row := range rows[1:] {
		kg, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			panic(err)
		}
		table = append(table, Device{Match: row[0], KG: kg})
	}
	return table
})
