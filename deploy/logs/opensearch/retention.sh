#!/bin/bash
# Copyright The otelcol-carbon Authors
# SPDX-License-Identifier: Apache-2.0

# Says for how long OpenSearch keeps the indices that Data Prepper writes:
#   OPENSEARCH_AUTH=user:password retention.sh https://opensearch:9200
set -euo pipefail

url=$1
cd "$(dirname "$0")"
for policy in logs audit; do
	curl --silent --show-error --fail-with-body -X PUT "$url/_plugins/_ism/policies/otelcol-carbon-$policy" \
		${OPENSEARCH_AUTH:+--user "$OPENSEARCH_AUTH"} -H 'Content-Type: application/json' -d "@$policy.json"
	echo
done
