#!/bin/sh
# `layer.sh ARCH`: fetches FoundationDB's client library from the official release into
# target/layer/ARCH/lib/libfdb_c.so, the content of the Lambda layer. Lambda unpacks a layer into /opt, and the loader
# searches /opt/lib. client.sha256 has the version and the checksums; a file that does not match is deleted. With
# ARTIFACTS_DIR, which `sam build` sets, the script copies the library there. FDB_RELEASES names a mirror of the
# releases, and FDB_CLIENT_SHA256 another list.

set -eu
cd "$(dirname "$0")/../.."

releases=${FDB_RELEASES:-https://github.com/apple/foundationdb/releases/download}
list=${FDB_CLIENT_SHA256:-infra/fdb/client.sha256}
arch=$1
case $arch in
arm64) file=libfdb_c.aarch64.so ;;
x86_64) file=libfdb_c.x86_64.so ;;
*)
    echo "ARCH must be arm64 or x86_64, not $arch." >&2
    exit 2
    ;;
esac

entry=$(grep -E "^[0-9a-f]{64}  [^ ]*/$file\$" "$list") || {
    echo "$list has no checksum of $file." >&2
    exit 1
}
wanted=${entry%% *} path=${entry##* }
folder=${CARGO_TARGET_DIR:-target}/layer/$arch
library=$folder/lib/libfdb_c.so

sum() { if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1; }

if [ ! -e "$library" ] || [ "$(sum "$library")" != "$wanted" ]; then
    # The present library is of another version.
    rm -f "$library"
    mkdir -p "$folder/lib"
    fresh=$(mktemp "$folder/download.XXXXXX")
    trap 'rm -f "$fresh"' EXIT
    trap 'exit 1' HUP INT TERM
    echo "fetching $path from FoundationDB's releases" >&2
    curl --fail --silent --show-error --location --retry 3 --output "$fresh" "$releases/$path"
    found=$(sum "$fresh")
    [ "$found" = "$wanted" ] || {
        echo "$path has the checksum $found, not the one in $list: it is deleted." >&2
        exit 1
    }
    chmod 755 "$fresh"
    # Moved in one step, so that an interrupted download leaves no partial file.
    mv "$fresh" "$library"
fi

[ -z "${ARTIFACTS_DIR:-}" ] || { mkdir -p "$ARTIFACTS_DIR/lib" && cp "$library" "$ARTIFACTS_DIR/lib/"; }
bytes=$(wc -c <"$library" | tr -d ' ')
printf '%-10s %-7s %9s bytes, FoundationDB %s  %s\n' layer "$arch" "$bytes" "${path%%/*}" "$library"
