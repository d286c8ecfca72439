// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// environ is what a process was started with. It is the process's own statement: it adds to what the
// kernel proves and never replaces it.
type environ struct {
	vars map[string]string
	// resource is OTEL_RESOURCE_ATTRIBUTES, which may be long.
	resource string
}

const (
	maxClaims = 32  // attributes taken from OTEL_RESOURCE_ATTRIBUTES
	maxLength = 255 // bytes of an attribute's key and of its value
)

func parseEnviron(block string) environ {
	env := environ{vars: map[string]string{}}
	if len(block) == maxEnviron {
		block = block[:strings.LastIndexByte(block, 0)+1] // the last one may be cut
	}
	for pair := range strings.SplitSeq(block, "\x00") {
		name, value, _ := strings.Cut(pair, "=")
		switch {
		case name == "OTEL_RESOURCE_ATTRIBUTES":
			env.resource = value
		case known[name] && acceptable(value) && !strings.EqualFold(value, "none"): // torchrun's default
			env.vars[name] = value
		}
	}
	return env
}

// claim adds to attributes what the process says of itself, and returns how much of it was refused.
func (e environ) claim(attributes map[string]string) (rejected int) {
	claims, malformed := parseResource(e.resource)
	if malformed {
		rejected++
	}
	if name := e.vars["OTEL_SERVICE_NAME"]; name != "" {
		claims = slices.Insert(claims, 0, claimed{"service.name", name}) // goes before that of the list
	}
	added := 0
	for _, c := range claims {
		_, proven := attributes[c.key]
		switch {
		case c.key == "service.name" && proven, c.key == "service.instance.id":
			// Overridden; and one per process, which would split a run into its processes.
		case proven, reserved(c.key), !acceptable(c.key), !acceptable(c.value), added == maxClaims:
			rejected++
		default:
			attributes[c.key] = c.value
			added++
		}
	}
	e.run(attributes)
	return rejected
}

// run names the run, unless OTEL_RESOURCE_ATTRIBUTES did.
func (e environ) run(attributes map[string]string) {
	if attributes["workload.run.id"] != "" {
		return
	}
	system := slices.IndexFunc(runSystems, func(s runSystem) bool { return e.first(s.id) != "" })
	if system < 0 {
		system = slices.IndexFunc(runSystems, func(s runSystem) bool { return e.first(s.project) != "" })
	}
	if system < 0 {
		return
	}
	s := runSystems[system]
	set := func(key, value string) {
		if value != "" && attributes[key] == "" {
			attributes[key] = value
		}
	}
	set("workload.run.id", e.first(s.id))
	set("workload.run.project", e.first(s.project))
	set("workload.run.system", s.name)
}

func (e environ) first(variables []string) string {
	for _, name := range variables {
		if value := e.vars[name]; value != "" {
			return value
		}
	}
	return ""
}

type claimed struct{ key, value string }

// parseResource follows the specification of OpenTelemetry's SDKs: keys and values are percent-encoded,
// and one that cannot be decoded discards all of them.
func parseResource(list string) (claims []claimed, malformed bool) {
	for pair := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		key, keyErr := url.PathUnescape(strings.TrimSpace(key))
		value, valueErr := url.PathUnescape(strings.TrimSpace(value))
		if !ok || keyErr != nil || valueErr != nil || key == "" {
			return nil, true
		}
		if value != "" {
			claims = append(claims, claimed{key, value})
		}
	}
	return claims, false
}

// reserved are the keys that only the kernel and the collector may set: else a process could book its
// energy to another.
func reserved(key string) bool {
	switch key {
	case "workload.run.id", "workload.run.project", "workload.run.system":
		return false
	case "k8s.pod.uid", "user.id":
		return true
	}
	name, _, _ := strings.Cut(key, ".")
	return slices.Contains([]string{
		"host", "hw", "energy", "carbon", "grid", "workload", "process", "telemetry", "container",
		"aws", "slurm", "pbs", "lsf", "flux", "oar", "systemd", "libvirt",
	}, name)
}

// acceptable keeps out what OTLP cannot carry, and what nobody can read.
func acceptable(s string) bool {
	return s != "" && len(s) <= maxLength && utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}
