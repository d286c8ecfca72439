// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package packages tests what runs the collector outside Kubernetes: deb and rpm, systemd unit, image, compose file, Slurm
// scripts and the release workflow. Packages are installed in a root of their own by dpkg and rpm.
package packages
