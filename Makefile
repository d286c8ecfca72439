# Copyright The otelcol-carbon Authors
# SPDX-License-Identifier: Apache-2.0

BINARY   := bin/otelcol-carbon
GO_FILES := $(shell git ls-files --cached --others --exclude-standard '*.go' '*.csv')
GOFLAGS  += -trimpath

export CGO_CFLAGS := -O2 -g -Wno-deprecated-declarations
# mdatagen and the collector need plain lazy binding: a hardened -z now would look up every NVML
# symbol at start and die on a machine without a driver.

include build-tags.mk

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: generate
SCHEMA_MODULES := go.opentelemetry.io/collector/filter go.opentelemetry.io/collector/scraper
generate: .schemas ## regenerate the distribution's main, metrics code and component docs
	go tool builder --config builder-config.yaml --skip-get-modules --skip-compilation
	go generate ./...

# mdatagen reads the schemas of foreign config types from here instead of from the network.
.schemas: go.mod
	@rm -rf $@
	@set -e; for package in filter scraper/scraperhelper scraper/scraperhelper/internal/controller; do \
		version=$$(go list -m -f '{{.Version}}' go.opentelemetry.io/collector/$${package%/internal/*}); \
		mkdir -p $@/$$version/$$package; \
		cp $$(go list -f '{{.Dir}}' go.opentelemetry.io/collector/$$package)/metadata.yaml $@/$$version/$$package/; \
		chmod -R u+w $@; \
	done
