#!/bin/bash
# Copyright The otelcol-carbon Authors
# SPDX-License-Identifier: Apache-2.0

# Makes the files of a release out of its binaries, DIR/linux_{amd64,arm64}/otelcol-carbon: archives, packages, what they
# consist of, and checksums, in DIR/dist. From the repository's root, with SYFT and NFPM set:
#   release.sh DIR VERSION
set -euo pipefail

dir=$1
export VERSION=$2
dist=$dir/dist
mkdir -p "$dist"
GOBIN=$(realpath "$dir") go install "$NFPM"
for BINARY in "$dir"/linux_*/otelcol-carbon; do
	export BINARY
	arch=$(basename "$(dirname "$BINARY")")
	export GOARCH=${arch#linux_}
	name=otelcol-carbon_${VERSION}_linux_$GOARCH
	# The same binary gives the same archive.
	tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=a+rX,u+w,go-w -cf - \
		LICENSE NOTICE -C "$(dirname "$BINARY")" otelcol-carbon | gzip -n >"$dist/$name.tar.gz"
	for packager in deb rpm; do
		"$dir/nfpm" package --config deploy/packages/nfpm.yaml --packager "$packager" --target "$dist/$name.$packager"
	done
	"$SYFT" scan "file:$BINARY" --quiet --output "spdx-json=$dist/$name.spdx.json"
done
cd "$dist"
sha256sum -- * >checksums.txt
