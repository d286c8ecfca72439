# Copyright The otelcol-carbon Authors
# SPDX-License-Identifier: Apache-2.0

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-builtin-rules

BINARY      := bin/otelcol-carbon
SOURCES     := $(wildcard $(shell git ls-files --cached --others --exclude-standard '*.go' '*.csv' | grep -v _test.go))
# What the tags leave out, and why, is in docs/distribution.md.
TAGS        := remove_all_sd,enable_kubernetes_sd,enable_dns_sd
BUILD_FLAGS := -trimpath -tags=$(TAGS) -ldflags="-s -w"
# The distribution's main has no tests, and with -race all of the binary to compile once more.
# Two run Prometheus' engine for most of their time, which takes eight times as long with -race.
RACED        = $$(go list ./... | grep -Ev '/distro/|/testbed/(observe|rollout)$$')
# What is packaged is built with cgo.
WITHOUT_CGO  = $$(go list ./... | grep -Ev '/distro/|/testbed/packages$$')
# go-nvml calls functions that NVIDIA has deprecated.
export CGO_CFLAGS := -O2 -g -Wno-deprecated-declarations

GOLANGCI_LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
ACTIONLINT    := go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.7
GOVULNCHECK   := go run golang.org/x/vuln/cmd/govulncheck@v1.1.4
ADDLICENSE    := go run github.com/google/addlicense@v1.1.1
BENCHSTAT     := go run golang.org/x/perf/cmd/benchstat@v0.0.0-20250813145418-2f7363a06fe1

.DEFAULT_GOAL := help
.PHONY: help build run test test-nocgo lint check-generated check generate vulncheck bench bench-sizing fuzz hwcheck clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(BINARY) ## show this machine's energy and CO2e (CARBON_ZONE=DE make run)
	@exec $(BINARY) --config distro/config/standalone.yaml

build: $(BINARY) ## build bin/otelcol-carbon

$(BINARY) $(BINARY)-nocgo: $(SOURCES) go.mod Makefile
	@mkdir -p $(@D)
	@go build -v $(BUILD_FLAGS) -o $@ ./distro/otelcol-carbon 2>&1 | distro/progress.sh 'building $@'

test: $(BINARY) ## run all tests: unit, property, race, end to end
	go test -race $(RACED)
	go test ./testbed/observe ./testbed/rollout

test-nocgo: export CGO_ENABLED := 0
test-nocgo: $(BINARY)-nocgo ## run all tests of a binary built without cgo, which leaves GPUs out
	go test $(WITHOUT_CGO)

vulncheck: ## look for known vulnerabilities that the binary reaches (needs vuln.go.dev)
	$(GOVULNCHECK) -tags=$(TAGS) ./distro/otelcol-carbon

bench: ## what our components cost, beside alternatives (BENCH_COUNT=6)
	@mkdir -p bin
	@go test -run '^$$' -bench . -count $(or $(BENCH_COUNT),6) ./processor/carbonintensityprocessor | tee bin/bench.txt
	@$(BENCHSTAT) -row /streams -col /processor bin/bench.txt
	@go test -run '^$$' -bench Node -benchtime 10x -count $(or $(BENCH_COUNT),6) ./receiver/nvmlenergyreceiver | tee bin/bench-node.txt
	@$(BENCHSTAT) -row /rate -col .name bin/bench-node.txt
	@go test -run '^$$' -bench 'Collection|Loose' -count $(or $(BENCH_COUNT),6) ./receiver/hostenergyreceiver/... | tee bin/bench-host.txt
	@$(BENCHSTAT) bin/bench-host.txt

bench-sizing: $(BINARY) ## what agents, gateways and storage cost for N nodes (BENCH_COUNT=1)
	go test -run '^$$' -bench Agent -benchtime 30x -count $(or $(BENCH_COUNT),1) ./testbed
	go test -run '^$$' -bench Gateway -benchtime 3000x -count $(or $(BENCH_COUNT),1) ./testbed
	go test -run '^$$' -bench 'Storage|Head' -benchtime 3x -count $(or $(BENCH_COUNT),1) ./testbed

fuzz: ## run each fuzz target for a while (FUZZ_TIME=10s)
	@git grep -o 'func Fuzz[A-Za-z0-9]*' -- '*_test.go' | sed 's|/[^/]*:func | |' | while read -r package target; do \
		echo "$$package $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(or $(FUZZ_TIME),10s) "./$$package"; done

hwcheck: bin/hwcheck ## measure how accurate this machine's GPU is, in 9 minutes (HWCHECK_FLAGS=-quick: 2)
	bin/hwcheck $(HWCHECK_FLAGS)

bin/hwcheck: $(SOURCES) $(shell git ls-files --cached --others --exclude-standard testbed/hwcheck) go.mod Makefile
	@mkdir -p $(@D)
	CGO_ENABLED=1 go build -trimpath -ldflags="-s -w" -o $@ ./testbed/hwcheck

lint: ## format and static checks
	$(GOLANGCI_LINT) run
	$(ACTIONLINT) -shellcheck= -pyflakes=

check: lint check-generated ## all checks that CI runs beside the tests
	$(ADDLICENSE) -check -ignore '**/testdata/**' $$(git ls-files '*.go' '*.c' '*.h' '*.sh' '*.yaml' Makefile .ci/run)

check-generated: generate
	@if ! git diff --exit-code --stat || [ -n "$$(git ls-files --others --exclude-standard)" ]; then \
		echo 'generated files are stale: run make generate and commit the result' >&2; exit 1; fi

generate: .schemas ## regenerate the distribution's main, the components' metrics code and docs
	go tool builder --config builder-config.yaml --skip-get-modules --skip-compilation
	go generate ./...

# mdatagen looks the schemas of foreign config types up here, and only then on the network.
.schemas: go.mod
	@rm -rf $@ && mkdir -p $@
	@version=$$(go list -m -f '{{.Version}}' go.opentelemetry.io/collector/filter); \
	install -D -m 644 $$(go list -f '{{.Dir}}' go.opentelemetry.io/collector/filter)/metadata.yaml $@/$$version/filter/metadata.yaml

clean: ## remove what was built
	rm -rf bin .schemas
