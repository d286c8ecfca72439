#!/bin/bash
# Copyright The otelcol-carbon Authors
# SPDX-License-Identifier: Apache-2.0

# Makes the data streams that ../gateway.yaml writes to, and says for how long each is kept (Elasticsearch 9.1 and later):
#   ELASTICSEARCH_API_KEY=... retention.sh https://elasticsearch:9200
# A lifecycle of the stream itself (_lifecycle) would not do: the built-in templates name a policy, which goes first.
set -euo pipefail

url=$1
cd "$(dirname "$0")"
put() {
	curl --silent --show-error --fail-with-body -X PUT "$url/$1" ${2:+-H 'Content-Type: application/json' -d "$2"} \
		-H "Authorization: ApiKey ${ELASTICSEARCH_API_KEY:-}"
	echo
}

# keep leaves a stream that is there as it is.
keep() {
	put "_ilm/policy/$2" "@$2.json"
	curl --silent --fail -o /dev/null -H "Authorization: ApiKey ${ELASTICSEARCH_API_KEY:-}" "$url/_data_stream/$1" || put "_data_stream/$1"
	put "_data_stream/$1/_settings" "{\"index.lifecycle.name\": \"$2\"}"
}

keep logs-otelcol_carbon.otel-default otelcol-carbon-logs
keep metrics-otelcol_carbon.audit.otel-default otelcol-carbon-audit
