#!/usr/bin/env bash
# Copyright The otelcol-carbon Authors
# SPDX-License-Identifier: Apache-2.0

# Shows on one line how far `go build -v` on standard input has come; errors pass through.
set -eu
title=$1 downloads=0 packages=0 shown=-1
show() {
	[ -t 2 ] || { [ $((SECONDS / 15)) -ne "$shown" ] || return 0; shown=$((SECONDS / 15)); }
	printf "${1}%s: %d modules downloaded, %d packages compiled, %d s${2}" "$title" "$downloads" "$packages" "$SECONDS" >&2
}
[ -t 2 ] && before='\r' after='\033[K' || { before='' after='\n'; }
while IFS= read -r line; do
	case $line in
	'go: downloading '*) downloads=$((downloads + 1)) ;;
	*[!a-zA-Z0-9._/~-]*) printf '%b%s\n' "$([ -t 2 ] && echo '\r\033[K')" "$line" >&2; continue ;;
	*) packages=$((packages + 1)) ;;
	esac
	show "$before" "$after"
done
[ -t 2 ] && printf '\r\033[K' >&2
echo "$title: $packages packages compiled in $SECONDS s" >&2
