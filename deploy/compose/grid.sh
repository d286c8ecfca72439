#!/bin/sh
# Copyright The otelcol-carbon Authors
# SPDX-License-Identifier: Apache-2.0

# Writes the intensity of a scripted grid with much sun to a file: of the last two days and of the next one, each hour anew.
#   grid.sh FILE [once]
set -eu

# day is g/kWh of each hour, UTC.
day='310 305 300 298 302 320 340 330 290 240 190 160 140 135 150 185 240 310 370 400 395 370 345 325'

iso() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }

write() {
	now=$(date +%s)
	hour=$((now / 3600 * 3600 - 48 * 3600))
	echo start,end,g_per_kwh
	while [ "$hour" -lt $((now + 24 * 3600)) ]; do
		field=$((hour / 3600 % 24 + 1))
		echo "$(iso "$hour"),$(iso $((hour + 3600))),$(echo "$day" | cut -d ' ' -f "$field")"
		hour=$((hour + 3600))
	done
}

while :; do
	write >"$1.new"
	mv "$1.new" "$1"
	[ "${2-}" != once ] || exit 0
	sleep 3600
done
