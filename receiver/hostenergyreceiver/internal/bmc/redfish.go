// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package bmc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

// NewRedfish asks a Redfish service (DMTF DSP0266): EnvironmentMetrics of the chassis, PowerWatts, or, of older services, Power,
// PowerControl, PowerConsumedWatts. It takes a user with the privilege Login.
//
// The library gofish is not used: for these four resources it takes 4.2 MB of the binary.
func NewRedfish(cfg RedfishConfig, client *http.Client, interval time.Duration) *Meter {
	return newMeter(&redfish{config: cfg, http: client}, interval)
}

type redfish struct {
	config  RedfishConfig
	http    *http.Client
	token   string // of the session; empty if there is none
	session string // where it ends
	chassis string // whose power it is, once that is known
}

// Of the resources only what is needed is decoded: Redfish Data Model Specification, DSP0268.
type (
	link struct {
		To string `json:"@odata.id"`
	}
	root struct {
		Chassis link
		Links   struct{ Sessions link }
	}
	collection struct{ Members []link }
	chassis    struct {
		ID                 string `json:"Id"`
		EnvironmentMetrics link
		Power              link
	}
	environmentMetrics struct{ PowerWatts struct{ Reading float64 } }
	power              struct {
		PowerControl []struct{ PowerConsumedWatts float64 }
	}
)

const rootPath = "/redfish/v1/"

func (r *redfish) driver() sensor.Driver { return sensor.Redfish }

func (r *redfish) power(ctx context.Context) (float64, error) {
	if r.token == "" && r.config.Username != "" {
		if err := r.login(ctx); err != nil {
			return 0, fmt.Errorf("redfish: log in at %s: %w", r.config.Endpoint, err)
		}
	}
	watts, err := r.read(ctx)
	if err != nil {
		r.close(ctx)
		return 0, fmt.Errorf("redfish: %w", err)
	}
	return watts, nil
}

func (r *redfish) login(ctx context.Context) error {
	var service root
	if err := r.get(ctx, rootPath, &service); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"UserName": r.config.Username, "Password": string(r.config.Password)})
	if err != nil {
		return err
	}
	response, err := r.do(ctx, http.MethodPost, service.Links.Sessions.To, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if r.token = response.Header.Get("X-Auth-Token"); r.token == "" {
		return errors.New("there is no X-Auth-Token in the answer")
	}
	r.session = response.Header.Get("Location")
	return nil
}

func (r *redfish) read(ctx context.Context) (float64, error) {
	if r.chassis != "" {
		watts, _, err := r.powerOf(ctx, r.chassis)
		return watts, err
	}
	var service root
	if err := r.get(ctx, rootPath, &service); err != nil {
		return 0, err
	}
	var all collection
	if err := r.get(ctx, service.Chassis.To, &all); err != nil {
		return 0, err
	}
	err := errNoPower
	if r.config.Chassis != "" {
		err = fmt.Errorf("chassis: there is no %q", r.config.Chassis)
	}
	for _, member := range all.Members {
		watts, id, failed := r.powerOf(ctx, member.To)
		switch {
		case r.config.Chassis != "" && id != r.config.Chassis:
		case failed == nil:
			r.chassis = member.To
			return watts, nil
		case !errors.Is(failed, errNoPower) || r.config.Chassis != "":
			err = failed
		}
	}
	return 0, err
}

var errNoPower = errors.New("no chassis tells a power, by EnvironmentMetrics or by Power")

func (r *redfish) powerOf(ctx context.Context, path string) (watts float64, id string, err error) {
	var c chassis
	if err := r.get(ctx, path, &c); err != nil {
		return 0, "", err
	}
	if c.EnvironmentMetrics.To != "" {
		var metrics environmentMetrics
		if err := r.get(ctx, c.EnvironmentMetrics.To, &metrics); err != nil {
			return 0, c.ID, err
		}
		if watts := metrics.PowerWatts.Reading; watts > 0 {
			return watts, c.ID, nil
		}
	}
	if c.Power.To != "" {
		var p power
		if err := r.get(ctx, c.Power.To, &p); err != nil {
			return 0, c.ID, err
		}
		if len(p.PowerControl) > 0 && p.PowerControl[0].PowerConsumedWatts > 0 {
			return p.PowerControl[0].PowerConsumedWatts, c.ID, nil
		}
	}
	return 0, c.ID, errNoPower
}

func (r *redfish) get(ctx context.Context, path string, into any) error {
	const longest = 1 << 20
	response, err := r.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(io.LimitReader(response.Body, longest)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (r *redfish) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	where, err := url.JoinPath(r.config.Endpoint, path)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, where, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("OData-Version", "4.0")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		request.Header.Set("X-Auth-Token", r.token)
	}
	response, err := r.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		_ = response.Body.Close()
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	return response, nil
}

// close ends the session. A BMC has but a few, and keeps those that nobody ends for half an hour.
func (r *redfish) close(ctx context.Context) {
	if r.token == "" {
		return
	}
	if u, err := url.Parse(r.session); err == nil && u.Path != "" {
		if response, err := r.do(ctx, http.MethodDelete, u.Path, nil); err == nil {
			_ = response.Body.Close()
		}
	}
	r.token, r.session = "", ""
}
