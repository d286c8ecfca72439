// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"slices"
	"strconv"
	"strings"
)

func all(s string, accepted func(byte) bool) bool {
	for i := range len(s) {
		if !accepted(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLowerHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' }

func isAlphanumeric(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func isDigits(s string) bool { return s != "" && len(s) <= 20 && all(s, isDigit) }

func isHex(s string, length int) bool { return len(s) == length && all(s, isLowerHex) }

// isUUID accepts 8-4-4-4-12 lower-case hexadecimal digits.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (s[i] == '-') || !dash && !isLowerHex(s[i]) {
			return false
		}
	}
	return true
}

func isUnit(s string) bool {
	name, service := strings.CutSuffix(s, ".service")
	name, scope := strings.CutSuffix(name, ".scope")
	return (service || scope) && len(s) < 256 && isName(name)
}

// isName accepts what systemd accepts in the name of a unit.
func isName(s string) bool {
	return s != "" && len(s) < 256 && all(s, func(c byte) bool {
		return isAlphanumeric(c) || strings.IndexByte(`:-_.\@+`, c) >= 0
	})
}

func isTask(s string) bool { return isHex(s, 32) || isUUID(s) }

func isStep(s string) bool {
	number, component, het := strings.Cut(s, "+")
	return slices.Contains([]string{"batch", "extern", "interactive"}, s) ||
		isDigits(number) && (!het || isDigits(component))
}

// isSLUID accepts an s and 13 digits of a base-32 number.
func isSLUID(s string) bool { return len(s) == 14 && s[0] == 's' && all(s[1:], isAlphanumeric) }

func between(s, prefix, suffix string) (string, bool) {
	s, begins := strings.CutPrefix(s, prefix)
	s, ends := strings.CutSuffix(s, suffix)
	return s, begins && ends
}

// unescapeUnit undoes systemd-escape: \x2d stands for a dash.
func unescapeUnit(s string) string {
	var plain strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && len(s) >= i+4 {
			if c, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				plain.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		plain.WriteByte(s[i])
	}
	return plain.String()
}
