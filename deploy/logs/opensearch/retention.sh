#!/bin/bash
# Copyright The otelcol-carbon Authors
# SPDX-License-Identifier: Apache-2.0

# Makes the data streams that data-prepper.yaml writes to, and says for how long OpenSearch keeps each:
#   OPENSEARCH_AUTH=user:password retention.sh https://opensearch:9200
set -euo pipefail

url=$1
cd "$(dirname "$0")"
request() { curl --silent --show-error --fail-with-body "$@" ${OPENSEARCH_AUTH:+--user "$OPENSEARCH_AUTH"}; }
put() {
	request -X PUT "$url/$1" ${2:+-H 'Content-Type: application/json' -d "$2"}
	echo
}
there() { request -o /dev/null "$url/$1" 2>/dev/null; }

put _index_template/otelcol-carbon @template.json
# What is there stays as it is: a policy is only replaced by one that names its version.
for name in otelcol-carbon-logs otelcol-carbon-audit; do
	there "_plugins/_ism/policies/$name" || put "_plugins/_ism/policies/$name" "@$name.json"
	there "_data_stream/$name" || put "_data_stream/$name" # after the policy, which it finds by its name
done
