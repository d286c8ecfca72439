// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package bmc

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

// NewRedfish asks a Redfish service (DMTF DSP0266): EnvironmentMetrics of the chassis, PowerWatts, or, of older services, Power,
// PowerControl, PowerConsumedWatts. It takes a user with the privilege Login. The chassis is the one that computer systems
// are in, not the board of a GPU: services list both.
//
// The library gofish is not used: for these six resources it takes 4.2 MB of the binary.
func NewRedfish(cfg RedfishConfig, client *http.Client, interval time.Duration) *Meter {
	return newMeter(&redfish{config: cfg, http: client}, interval)
}

type redfish struct {
	config  RedfishConfig
	http    *http.Client
	token   string // of the session; empty if there is none
	session string // where it ends
	chosen  link   // the chassis whose power it is, once that is known
	id      string // of it
}

// Of the resources only what is needed is decoded: Redfish Data Model Specification, DSP0268.
type (
	link struct {
		To string `json:"@odata.id"`
	}
	root struct {
		Systems, Chassis link
		Links            struct{ Sessions link }
	}
	collection struct{ Members []link }
	system     struct{ Links struct{ Chassis []link } }
	chassis    struct {
		at                        link
		ID                        string `json:"Id"`
		EnvironmentMetrics, Power link
		Links                     struct{ ContainedBy link }
	}
	environmentMetrics struct{ PowerWatts struct{ Reading float64 } }
	power              struct {
		PowerControl []struct{ PowerConsumedWatts float64 }
	}
)

const rootPath = "/redfish/v1/"

func (r *redfish) driver() sensor.Driver { return sensor.Redfish }

func (r *redfish) what() string {
	if r.chosen.To == "" {
		return ""
	}
	return "chassis " + r.id
}

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
	if r.chosen.To != "" {
		c, err := r.look(ctx, r.chosen)
		if errors.Is(err, errNotFound) { // it is called otherwise now
			r.chosen, r.id = link{}, ""
		}
		if err != nil {
			return 0, err
		}
		return r.powerOf(ctx, c)
	}
	var service root
	if err := r.get(ctx, rootPath, &service); err != nil {
		return 0, err
	}
	ways := []func(context.Context, root) ([]chassis, error){r.ofSystems, r.outermost}
	if r.config.Chassis != "" {
		ways = []func(context.Context, root) ([]chassis, error){r.configured}
	}
	for _, candidates := range ways {
		found, err := candidates(ctx, service)
		if err != nil {
			return 0, err
		}
		if watts, err := r.choose(ctx, found); !errors.Is(err, errNoPower) {
			return watts, err
		}
	}
	return 0, errNoPower
}

var errNoPower = errors.New("no chassis tells a power, by EnvironmentMetrics or by Power")

// configured is the one that the configuration names, whatever is wrong with others.
func (r *redfish) configured(ctx context.Context, service root) ([]chassis, error) {
	all, err := r.all(ctx, service)
	for _, c := range all {
		if c.ID == r.config.Chassis {
			return []chassis{c}, nil
		}
	}
	return nil, cmp.Or(err, fmt.Errorf("chassis: there is no %q", r.config.Chassis))
}

// ofSystems are those that computer systems are in. A board of GPUs may be a system of its own.
func (r *redfish) ofSystems(ctx context.Context, service root) (found []chassis, err error) {
	var systems collection
	if err := r.follow(ctx, service.Systems, &systems); err != nil {
		return nil, err
	}
	for _, member := range systems.Members {
		var s system
		if err := r.follow(ctx, member, &s); err != nil {
			return nil, err
		}
		for _, in := range s.Links.Chassis {
			switch c, err := r.look(ctx, in); {
			case err == nil:
				found = append(found, c)
			case !errors.Is(err, errNotFound):
				return nil, err
			}
		}
	}
	return found, nil
}

// outermost are those that are no part of another.
func (r *redfish) outermost(ctx context.Context, service root) ([]chassis, error) {
	all, err := r.all(ctx, service)
	return slices.DeleteFunc(all, func(c chassis) bool { return c.Links.ContainedBy.To != "" }), err
}

// all of the service. Those that do not answer are left out, and in the error.
func (r *redfish) all(ctx context.Context, service root) (found []chassis, err error) {
	var list collection
	if err := r.get(ctx, service.Chassis.To, &list); err != nil {
		return nil, err
	}
	for _, member := range list.Members {
		c, failed := r.look(ctx, member)
		if failed != nil {
			err = cmp.Or(err, failed)
			continue
		}
		found = append(found, c)
	}
	return found, err
}

func (r *redfish) look(ctx context.Context, at link) (chassis, error) {
	c := chassis{at: at}
	return c, r.get(ctx, at.To, &c)
}

// choose the one that tells the most: no part draws more than the whole. While one of them does not answer it is not
// known which that is.
func (r *redfish) choose(ctx context.Context, candidates []chassis) (most float64, err error) {
	var chosen chassis
	for _, c := range candidates {
		watts, err := r.powerOf(ctx, c)
		if err != nil && !errors.Is(err, errNoPower) {
			return 0, err
		}
		if watts > most {
			most, chosen = watts, c
		}
	}
	if most == 0 {
		return 0, errNoPower
	}
	r.chosen, r.id = chosen.at, chosen.ID
	return most, nil
}

// powerOf a chassis, from either resource: what is linked may not be there, or out of order.
func (r *redfish) powerOf(ctx context.Context, c chassis) (watts float64, err error) {
	var metrics environmentMetrics
	failed := r.follow(ctx, c.EnvironmentMetrics, &metrics)
	if watts := metrics.PowerWatts.Reading; failed == nil && watts > 0 {
		return watts, nil
	}
	var p power
	err = r.follow(ctx, c.Power, &p)
	if err == nil && len(p.PowerControl) > 0 && p.PowerControl[0].PowerConsumedWatts > 0 {
		return p.PowerControl[0].PowerConsumedWatts, nil
	}
	if err = errors.Join(failed, err); err == nil {
		err = errNoPower
	}
	return 0, err
}

// follow gets what is linked. What is not there is left as it is.
func (r *redfish) follow(ctx context.Context, to link, into any) error {
	if to.To == "" {
		return nil
	}
	err := r.get(ctx, to.To, into)
	if errors.Is(err, errNotFound) {
		return nil
	}
	return err
}

var errNotFound = errors.New("404 Not Found")

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
	switch {
	case response.StatusCode == http.StatusNotFound:
		err = errNotFound
	case response.StatusCode >= http.StatusMultipleChoices:
		err = errors.New(response.Status)
	default:
		return response, nil
	}
	_ = response.Body.Close()
	return nil, fmt.Errorf("%s: %w", path, err)
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
