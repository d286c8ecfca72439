// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package bmc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

// NewIPMI asks by DCMI: Get Power Reading, Data Center Manageability Interface 1.5, 6.6.1. In the machine that takes access
// to /dev/ipmi0, over the network a user with the privilege level User.
func NewIPMI(cfg IPMIConfig, interval time.Duration) *Meter {
	return newMeter(&ipmi{config: cfg}, interval)
}

type ipmi struct {
	config IPMIConfig
	client *client.Client // nil if not connected
}

func (i *ipmi) driver() sensor.Driver { return sensor.IPMI }

// what is empty: DCMI knows the machine only.
func (i *ipmi) what() string { return "" }

func (i *ipmi) power(ctx context.Context) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, i.config.Timeout)
	defer cancel()
	if i.client == nil {
		if err := i.connect(ctx); err != nil {
			return 0, err
		}
	}
	reading, err := i.client.GetDCMIPowerReading(ctx)
	switch {
	case err != nil:
		i.close(ctx)
		return 0, fmt.Errorf("IPMI: get the power reading (DCMI): %w", err)
	case !reading.PowerMeasurementActive:
		return 0, errors.New("IPMI: the BMC does not measure power now (DCMI power reading state)")
	}
	return float64(reading.CurrentPower), nil
}

func (i *ipmi) connect(ctx context.Context) error {
	where := i.config.Endpoint
	c, err := client.NewOpenClient()
	if where == "" {
		where = "/dev/ipmi0"
	} else {
		host, port, addressErr := i.config.address()
		if addressErr != nil {
			return addressErr
		}
		if c, err = client.NewClient(host, port, i.config.Username, string(i.config.Password)); err == nil {
			c.WithInterface(client.InterfaceLanplus).WithTimeout(i.config.Timeout).WithMaxPrivilegeLevel(types.PrivilegeLevelUser)
		}
	}
	if err == nil {
		err = c.Connect(ctx)
	}
	if err != nil {
		return fmt.Errorf("IPMI: connect to %s: %w", where, err)
	}
	i.client = c
	return nil
}

func (i *ipmi) close(ctx context.Context) {
	if i.client != nil {
		_ = i.client.Close(ctx)
		i.client = nil
	}
}
