// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"fmt"
)

// reader reads a file of sysfs wherever it is: the numbers in the paths change when a driver is loaded again.
type reader struct {
	machine Machine
	at      location
	// find looks for it anew.
	find func() (location, error)
}

// location is a file, and those beside it that say what it tells of.
type location struct {
	value string
	marks []mark
}

type mark struct{ path, content string }

func (r *reader) read() (uint64, error) {
	value, err := r.at.read(r.machine)
	if err == nil {
		return value, nil
	}
	at, lost := r.find()
	if lost != nil || at.value == r.at.value {
		return 0, err
	}
	r.at = at
	return at.read(r.machine)
}

func (l location) read(m Machine) (uint64, error) {
	for _, mark := range l.marks {
		content, err := m.text(mark.path)
		if err != nil {
			return 0, err
		}
		if content != mark.content {
			return 0, fmt.Errorf("%s: it is of %s now, no more of %s", mark.path, content, mark.content)
		}
	}
	return m.number(l.value)
}
