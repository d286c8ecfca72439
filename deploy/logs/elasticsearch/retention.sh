#!/bin/bash
# Copyright The otelcol-carbon Authors
# SPDX-License-Identifier: Apache-2.0

# Makes the data streams that ../gateway.yaml writes to, and says for how long each is kept (Elasticsearch 8.14 and later):
#   ELASTICSEARCH_API_KEY=... retention.sh https://elasticsearch:9200
set -euo pipefail

url=$1
put() {
	curl --silent --show-error --fail-with-body -X PUT "$url/_data_stream/$1" ${2:+-H 'Content-Type: application/json' -d "$2"} \
		-H "Authorization: ApiKey ${ELASTICSEARCH_API_KEY:-}"
	echo
}

# keep leaves a stream that is there as it is.
keep() {
	curl --silent --fail -o /dev/null -H "Authorization: ApiKey ${ELASTICSEARCH_API_KEY:-}" "$url/_data_stream/$1" || put "$1"
	put "$1/_lifecycle" "{\"data_retention\": \"$2\"}"
}

keep logs-otelcol_carbon.otel-default 90d            # operation
keep metrics-otelcol_carbon.audit.otel-default 2557d # audit: 7 years, with two leap days
