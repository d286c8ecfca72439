// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/confmap"
)

// RedisConfig is a Redis server, or what speaks its protocol, that the collectors of a site share.
type RedisConfig struct {
	// Endpoint is host:port.
	Endpoint string `mapstructure:"endpoint"`
	// Username is of Redis' access control lists; empty is Redis' default user.
	Username string              `mapstructure:"username"`
	Password configopaque.String `mapstructure:"password"`
	// DB is the number of the database.
	DB int `mapstructure:"db"`
	// Namespace is before the name of each key, for servers that others use as well.
	Namespace string `mapstructure:"namespace"`
	// TLS is spoken if the key is there.
	TLS configoptional.Optional[configtls.ClientConfig] `mapstructure:"tls"`
	// Timeout is how long an answer is waited for.
	Timeout time.Duration `mapstructure:"timeout"`
}

// Unmarshal starts from the defaults.
func (c *RedisConfig) Unmarshal(conf *confmap.Conf) error {
	c.Namespace = "otelcol-carbon"
	c.TLS = configoptional.Default(configtls.NewDefaultClientConfig())
	c.Timeout = 250 * time.Millisecond
	return conf.Unmarshal(c)
}

const (
	shortestTimeout = 10 * time.Millisecond
	longestTimeout  = 5 * time.Second
)

// namespace has no character that needs an escape, so that a pattern of an access control list can name it.
var namespace = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Validate names each key that cannot be, its value, and what could.
func (c *RedisConfig) Validate() error {
	var errs []error
	host, port, err := net.SplitHostPort(c.Endpoint)
	if n, notNumber := strconv.ParseUint(port, 10, 16); err != nil || host == "" || notNumber != nil || n == 0 {
		errs = append(errs, fmt.Errorf("endpoint: %q: must be host:port, such as redis.example.org:6379", c.Endpoint))
	}
	if c.Username != "" && c.Password == "" {
		errs = append(errs, fmt.Errorf("password: not set: the username %q needs one; take it from the environment, as in ${env:NAME}", c.Username))
	}
	if c.DB < 0 {
		errs = append(errs, fmt.Errorf("db: %d: must be 0 or more", c.DB))
	}
	if !namespace.MatchString(c.Namespace) {
		errs = append(errs, fmt.Errorf("namespace: %q: must be 1 to 64 letters, digits, dots, dashes or underscores", c.Namespace))
	}
	if c.Timeout < shortestTimeout || c.Timeout > longestTimeout {
		errs = append(errs, fmt.Errorf("timeout: %v: must be from %v to %v", c.Timeout, shortestTimeout, longestTimeout))
	}
	return errors.Join(errs...)
}
