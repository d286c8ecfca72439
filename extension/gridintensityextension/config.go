// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityextension

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/cache"
	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/provider"
	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// Config says whom to ask, and how often.
type Config struct {
	// Providers in the order of preference. One is asked while all before it fail.
	Providers []ProviderConfig `mapstructure:"providers"`
	// RefreshInterval is the time between two questions for the newest value of a zone.
	RefreshInterval time.Duration `mapstructure:"refresh_interval"`
	// History is how far back intervals are kept, and asked for when somebody has energy of then.
	History time.Duration `mapstructure:"history"`
	// MaxCarry is for how many intervals a value stands in for those that follow and are not known.
	MaxCarry int `mapstructure:"max_carry"`
	// MaxZones is how many zones are kept at most.
	MaxZones int `mapstructure:"max_zones"`
	// AllowMixing lists what may differ between the providers of a zone: boundary, gas.
	AllowMixing []string `mapstructure:"allow_mixing"`
	// Redis is shared by all collectors of a site. Optional.
	Redis *cache.RedisConfig `mapstructure:"redis"`
	// Storage is an extension that keeps values over a restart. Optional.
	Storage *component.ID `mapstructure:"storage"`
}

// ProviderConfig is one service.
type ProviderConfig struct {
	// Type is a key of provider.Types.
	Type string `mapstructure:"type"`
	// Name is the carbon.source of its values; the type if empty.
	Name string `mapstructure:"name"`

	Token    configopaque.String `mapstructure:"token"`
	Username string              `mapstructure:"username"`
	Password configopaque.String `mapstructure:"password"`
	// Boundary is chosen among those of the type.
	Boundary grid.Boundary `mapstructure:"boundary"`
	// Zones maps zones to the service's own ids, before what is built in.
	Zones map[string]string `mapstructure:"zones"`
	// RequestsPerMinute is the most that is sent; 0 is no limit.
	RequestsPerMinute int `mapstructure:"requests_per_minute"`
	// Options are what only this type has.
	Options map[string]string `mapstructure:"options"`

	// ClientConfig has all other keys. It takes unknown ones in silence, so they are looked for before.
	ClientConfig confighttp.ClientConfig `mapstructure:"-"`
	Rest         map[string]any          `mapstructure:",remain"`
}

const (
	mixBoundary = "boundary"
	mixGas      = "gas"
)

func createDefaultConfig() component.Config {
	return &Config{
		RefreshInterval: 5 * time.Minute,
		History:         48 * time.Hour,
		MaxCarry:        2,
		MaxZones:        100,
	}
}

// Unmarshal starts from the defaults of an HTTP client.
func (p *ProviderConfig) Unmarshal(conf *confmap.Conf) error {
	p.ClientConfig = confighttp.NewDefaultClientConfig()
	p.ClientConfig.Timeout = 30 * time.Second
	if err := conf.Unmarshal(p); err != nil {
		return err
	}
	for key := range p.Rest {
		if !slices.Contains(clientKeys, key) {
			return fmt.Errorf("%q is no key of a provider; it may have type, name, token, username, password, boundary, zones, requests_per_minute, options, or those of an HTTP client: %s",
				key, strings.Join(clientKeys, ", "))
		}
	}
	if err := confmap.NewFromStringMap(p.Rest).Unmarshal(&p.ClientConfig); err != nil {
		return err
	}
	kind := provider.Types[p.Type]
	if p.Name == "" {
		p.Name = p.Type
	}
	if p.ClientConfig.Endpoint == "" {
		p.ClientConfig.Endpoint = kind.Endpoint
	}
	if !conf.IsSet("requests_per_minute") {
		p.RequestsPerMinute = kind.RequestsPerMinute
	}
	if p.Boundary == "" {
		p.Boundary = kind.Boundary
	}
	return nil
}

var clientKeys = func() (keys []string) {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[confighttp.ClientConfig]()) {
		if key, _, _ := strings.Cut(field.Tag.Get("mapstructure"), ","); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}()

// Validate names each key that cannot be, its value, and what could.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Providers) == 0 {
		errs = append(errs, fmt.Errorf("providers: empty: name at least one of %s", known()))
	}
	names := map[string]bool{}
	for i := range c.Providers {
		p := &c.Providers[i]
		if names[p.Name] {
			errs = append(errs, fmt.Errorf("providers::%d::name: %q is taken: give each provider a name of its own", i, p.Name))
		}
		names[p.Name] = true
	}
	for key, value := range map[string]time.Duration{"refresh_interval": c.RefreshInterval, "history": c.History} {
		if value < time.Minute || value > 30*24*time.Hour {
			errs = append(errs, fmt.Errorf("%s: %v: must be from 1m to 720h", key, value))
		}
	}
	if c.MaxCarry < 0 {
		errs = append(errs, fmt.Errorf("max_carry: %d: must be 0 or more", c.MaxCarry))
	}
	if c.MaxZones < 1 {
		errs = append(errs, fmt.Errorf("max_zones: %d: must be at least 1", c.MaxZones))
	}
	for i, what := range c.AllowMixing {
		if what != mixBoundary && what != mixGas {
			errs = append(errs, fmt.Errorf("allow_mixing::%d: %q: must be %s or %s", i, what, mixBoundary, mixGas))
		}
	}
	return errors.Join(errs...)
}

// Validate is called for each provider with its place in the list.
func (p *ProviderConfig) Validate() error {
	kind, ok := provider.Types[p.Type]
	if !ok {
		return fmt.Errorf("type: %q: must be one of %s", p.Type, known())
	}
	var errs []error
	for credential, value := range map[provider.Credential]string{
		provider.Token: string(p.Token), provider.Username: p.Username, provider.Password: string(p.Password),
	} {
		needed := slices.Contains(kind.Credentials, credential)
		switch {
		case needed && value == "" && !p.ClientConfig.Auth.HasValue():
			errs = append(errs, fmt.Errorf("%s: not set: %s needs it; take it from the environment, as in ${env:NAME}", credential, p.Type))
		case !needed && value != "":
			errs = append(errs, fmt.Errorf("%s: %s does not use one", credential, p.Type))
		}
	}
	if p.Boundary != kind.Boundary && !slices.Contains(kind.Boundaries, p.Boundary) {
		errs = append(errs, fmt.Errorf("boundary: %q: %s has %s", p.Boundary, p.Type, join(append(slices.Clone(kind.Boundaries), kind.Boundary))))
	}
	if target, err := url.Parse(p.ClientConfig.Endpoint); kind.Endpoint != "" && (err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https") {
		errs = append(errs, fmt.Errorf("endpoint: %q: must be a URL such as %s", p.ClientConfig.Endpoint, kind.Endpoint))
	}
	for _, key := range slices.Sorted(maps.Keys(p.Options)) {
		if !slices.Contains(kind.Options, key) {
			errs = append(errs, fmt.Errorf("options: %q is not known; %s takes %s", key, p.Type, cmp.Or(strings.Join(kind.Options, ", "), "none")))
		}
	}
	if kind.Step == 0 { // a table: its zones are known here
		for _, zone := range slices.Sorted(maps.Keys(p.Zones)) {
			if _, err := grid.Static(p.Zones[zone], p.Boundary); err != nil {
				errs = append(errs, fmt.Errorf("zones::%s: %w", zone, err))
			}
		}
	}
	if p.RequestsPerMinute < 0 {
		errs = append(errs, fmt.Errorf("requests_per_minute: %d: must be 0 (no limit) or more", p.RequestsPerMinute))
	}
	return errors.Join(errs...)
}

func known() string { return strings.Join(slices.Sorted(maps.Keys(provider.Types)), ", ") }

func join(boundaries []grid.Boundary) string {
	var texts []string
	for _, b := range boundaries {
		if b != "" && !slices.Contains(texts, string(b)) {
			texts = append(texts, string(b))
		}
	}
	return strings.Join(texts, " or ")
}
