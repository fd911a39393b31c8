#!/bin/sh
# Installs the pinned oha, the load generator of `make bench`, as .tools/bin/oha. Cargo compiles it, which takes a few
# minutes. It changes nothing outside .tools/. For a new version, change the number here: `make` installs it, because
# this file is newer than the program.

set -eu
cd "$(dirname "$0")/../.."

version=1.16.0

mkdir -p .tools/bin
staging=$(mktemp -d .tools/install.XXXXXX)
trap 'rm -rf "$staging"' EXIT
trap 'exit 1' HUP INT TERM

echo "compiling oha $version into .tools/" >&2
# Cargo verifies the sources by the registry's hashes, and the release's lock file pins its dependencies. (The load
# needs no TLS, but this version does not compile without it.)
cargo install --quiet --locked --root "$staging" --version "$version" oha

# Moved in one step, so that an interrupted install leaves no partial file.
mv -f "$staging/bin/oha" .tools/bin/oha
