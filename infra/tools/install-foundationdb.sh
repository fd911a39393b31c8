#!/bin/sh
# Installs FoundationDB's server, command line and client library for the tests, pinned, from the official release,
# into .tools/foundationdb/. It supports Linux on x86-64; elsewhere it names the packages. It changes nothing outside
# .tools/.

set -eu
cd "$(dirname "$0")/../.."

# The same version as the images in infra/docker and infra/fdb. The hashes come from the Rust bindings' own pins
# (foundationdb-rs/overlay).
version=7.3.69
release=https://github.com/apple/foundationdb/releases/download/$version
folder=.tools/foundationdb/$version

[ ! -e "$folder" ] || exit 0
[ "$(uname -sm)" = "Linux x86_64" ] || {
    echo "Install the packages foundationdb-clients and foundationdb-server of FoundationDB $version's release." >&2
    exit 1
}

mkdir -p .tools/foundationdb
staging=$(mktemp -d .tools/foundationdb/install.XXXXXX)
trap 'rm -rf "$staging"' EXIT
trap 'exit 1' HUP INT TERM

# fetch ASSET NAME HASH
fetch() {
    curl --fail --silent --show-error --location --retry 3 --output "$staging/files/$2" "$release/$1"
    echo "$3  $staging/files/$2" | sha256sum --check --quiet
    chmod 755 "$staging/files/$2"
}

echo "installing FoundationDB $version into .tools/" >&2
mkdir "$staging/files"
fetch fdbserver.x86_64 fdbserver 490dd8de050b3883103ae7513deacde332c75e9a5f06e1897360d21f438b1e17
fetch fdbcli.x86_64 fdbcli c679051460b7c6f630213f443c523b8881403d4d8d9ce397aa584e12fed65888
fetch libfdb_c.x86_64.so libfdb_c.so 7ceb4b1ed4a8646fa57a3d3dbc3f009143424648aa525f24f0498f8650f5e8fc

# Moved in one step, so that an interrupted install leaves no partial file.
mv "$staging/files" "$folder"
