#!/bin/sh
# Copyright The otelcol-carbon Authors
# SPDX-License-Identifier: Apache-2.0

set -e

# The user stays, so that no other one gets its number and its files.
if [ "$1" = purge ]; then
	rm -rf /var/lib/otelcol-carbon
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
