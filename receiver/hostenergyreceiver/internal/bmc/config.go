// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package bmc

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
)

// Config says how to ask the machine's BMC: one of the two ways, as they tell the same.
type Config struct {
	IPMI    configoptional.Optional[IPMIConfig]    `mapstructure:"ipmi"`
	Redfish configoptional.Optional[RedfishConfig] `mapstructure:"redfish"`
	// Interval is the time between two questions.
	Interval time.Duration `mapstructure:"interval"`
}

// IPMIConfig is of DCMI, by the kernel's driver or over the network.
type IPMIConfig struct {
	// Endpoint is host:port of the BMC; empty is /dev/ipmi0 of this machine.
	Endpoint string              `mapstructure:"endpoint"`
	Username string              `mapstructure:"username"`
	Password configopaque.String `mapstructure:"password"`
	// Timeout of one question.
	Timeout time.Duration `mapstructure:"timeout"`
}

// RedfishConfig is of a Redfish service.
type RedfishConfig struct {
	confighttp.ClientConfig `mapstructure:",squash"`

	Username string              `mapstructure:"username"`
	Password configopaque.String `mapstructure:"password"`
	// Chassis is the Id of the one whose power is the machine's; empty is the one that draws most of those that computer systems
	// are in, or, where these tell no power, of those that are no part of another.
	Chassis string `mapstructure:"chassis"`
}

// DefaultConfig asks nobody.
func DefaultConfig() Config {
	client := confighttp.NewDefaultClientConfig()
	client.Timeout = 10 * time.Second
	return Config{
		IPMI:     configoptional.Default(IPMIConfig{Timeout: 5 * time.Second}),
		Redfish:  configoptional.Default(RedfishConfig{ClientConfig: client}),
		Interval: 10 * time.Second,
	}
}

// Validate names each key that cannot be, its value, and what could.
func (c *Config) Validate() error {
	var errs []error
	if c.IPMI.HasValue() && c.Redfish.HasValue() {
		errs = append(errs, errors.New("ipmi and redfish: both are the power of the same machine: take one out"))
	}
	if c.Interval < time.Second || c.Interval > 5*time.Minute {
		errs = append(errs, fmt.Errorf("interval: %v: must be from 1s to 5m0s", c.Interval))
	}
	return errors.Join(errs...)
}

// Validate names each key that cannot be, its value, and what could.
func (c *IPMIConfig) Validate() error {
	var errs []error
	if _, _, err := c.address(); c.Endpoint != "" && err != nil {
		errs = append(errs, fmt.Errorf("endpoint: %q: must be host:port, as in 192.0.2.7:623, or empty for /dev/ipmi0", c.Endpoint))
	}
	if c.Endpoint != "" && c.Username == "" {
		errs = append(errs, errors.New("username: not set: a BMC is not asked over the network without one"))
	}
	if c.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout: %v: must be above 0s", c.Timeout))
	}
	return errors.Join(errs...)
}

func (c *IPMIConfig) address() (host string, port int, err error) {
	host, text, err := net.SplitHostPort(c.Endpoint)
	if err != nil {
		return "", 0, err
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err == nil && (host == "" || number == 0) {
		err = errors.New("there is no host or no port")
	}
	return host, int(number), err
}

// Validate names each key that cannot be, its value, and what could.
func (c *RedfishConfig) Validate() error {
	if c.Endpoint == "" {
		return errors.New("endpoint: not set: name the service, as in https://192.0.2.7")
	}
	return nil
}
