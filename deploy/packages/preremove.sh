#!/bin/sh
# Copyright The otelcol-carbon Authors
# SPDX-License-Identifier: Apache-2.0

set -e

# dpkg says "remove" or "upgrade", rpm how many versions will be left.
case "$1" in remove | 0) ;; *) exit 0 ;; esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now otelcol-carbon.service
fi
