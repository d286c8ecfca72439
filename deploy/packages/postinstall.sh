#!/bin/sh
# Copyright The otelcol-carbon Authors
# SPDX-License-Identifier: Apache-2.0

set -e

systemd-sysusers otelcol-carbon.conf
# Some of what it names may not be there, which it tells by its exit status.
systemd-tmpfiles --create otelcol-carbon.conf || :

if [ -d /run/udev ]; then
	udevadm control --reload
	udevadm trigger --action=add --subsystem-match=powercap --subsystem-match=ipmi
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart otelcol-carbon.service # after an upgrade
fi
