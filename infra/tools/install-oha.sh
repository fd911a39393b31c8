#!/bin/sh
# Puts the pinned oha, which makes the load of `make bench`, at .tools/bin/oha: compiled by cargo, which takes some minutes. Nothing outside
# .tools/ is touched. A new version means a new number here; `make` then installs it, because this file is newer than the program.

set -eu
cd "$(dirname "$0")/../.."

version=1.16.0

mkdir -p .tools/bin
staging=$(mktemp -d .tools/install.XXXXXX)
trap 'rm -rf "$staging"' EXIT
trap 'exit 1' HUP INT TERM

echo "compiling oha $version into .tools/" >&2
# Cargo verifies the sources by the registry's hashes, and the lock file of the release names those of what they depend on. (Without TLS,
# which is not needed here, this version does not compile.)
cargo install --quiet --locked --root "$staging" --version "$version" oha

# Moved in one step, so that an interrupted install leaves nothing half done.
mv -f "$staging/bin/oha" .tools/bin/oha
