#!/bin/sh
# Puts FoundationDB's client library, from the official release, into target/layer/ARCH/lib/libfdb_c.so, which is what a Lambda layer is made
# of: `layer.sh ARCH`. Lambda unpacks a layer into /opt, and its loader looks into /opt/lib. Version and checksums stand in client.sha256;
# what does not match is not kept. With ARTIFACTS_DIR set, as `sam build` does, it is copied there.
# FDB_RELEASES names a mirror of the releases, and FDB_CLIENT_SHA256 another list.

set -eu
cd "$(dirname "$0")/../.."

releases=${FDB_RELEASES:-https://github.com/apple/foundationdb/releases/download}
list=${FDB_CLIENT_SHA256:-infra/fdb/client.sha256}
arch=$1
case $arch in
arm64) file=libfdb_c.aarch64.so ;;
x86_64) file=libfdb_c.x86_64.so ;;
*)
    echo "ARCH is arm64 or x86_64, and not $arch." >&2
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
    # What is there is another version's.
    rm -f "$library"
    mkdir -p "$folder/lib"
    fresh=$(mktemp "$folder/download.XXXXXX")
    trap 'rm -f "$fresh"' EXIT
    trap 'exit 1' HUP INT TERM
    echo "fetching $path from FoundationDB's releases" >&2
    curl --fail --silent --show-error --location --retry 3 --output "$fresh" "$releases/$path"
    found=$(sum "$fresh")
    [ "$found" = "$wanted" ] || {
        echo "$path has the checksum $found, and not the one in $list: it is not kept." >&2
        exit 1
    }
    chmod 755 "$fresh"
    # Moved in one step, so that an interrupted download leaves nothing half done.
    mv "$fresh" "$library"
fi

[ -z "${ARTIFACTS_DIR:-}" ] || { mkdir -p "$ARTIFACTS_DIR/lib" && cp "$library" "$ARTIFACTS_DIR/lib/"; }
printf '%-10s %-7s %9s bytes, FoundationDB %s  %s\n' layer "$arch" "$(wc -c <"$library" | tr -d ' ')" "${path%%/*}" "$library"
