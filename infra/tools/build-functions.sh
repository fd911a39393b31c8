#!/bin/sh
# Builds functions for Lambda, with the engine for production: `build-functions.sh ARCH NAME…`, where a name is a folder in functions/ or
# the logical id that the function has in template.yaml. Each is at target/lambda/ARCH/NAME/bootstrap then, and zipped beside it; with
# ARTIFACTS_DIR set, as `sam build` does, it is copied there.
# A function is built by itself, whether it is built alone or with all others: cargo gives what packages share the features of all packages
# that are selected, and a function must not differ by what it was built with.

set -eu
cd "$(dirname "$0")/../.."

arch=$1
shift
case $arch in
arm64) triple=aarch64-unknown-linux-gnu machine=b700 ;;
x86_64) triple=x86_64-unknown-linux-gnu machine=3e00 ;;
*)
    echo "ARCH is arm64 or x86_64, and not $arch." >&2
    exit 2
    ;;
esac

# The standard library for it; without rustup, it has come with the compiler or the build says that it is missing.
! command -v rustup >/dev/null || rustup --quiet target add "$triple"
# cargo-lambda takes zig from the PATH; what the two keep for later goes where we keep things.
export PATH="$PWD/.tools/zig:$PATH" CARGO_ZIGBUILD_CACHE_DIR="$PWD/.tools/zig-cache" ZIG_GLOBAL_CACHE_DIR="$PWD/.tools/zig-cache/zig"
mkdir -p "$ZIG_GLOBAL_CACHE_DIR"
output=${CARGO_TARGET_DIR:-target}/lambda/$arch

bytes() { wc -c <"$1" | tr -d ' '; }

for name in "$@"; do
    # AuthFunction is functions/auth, and AccessLogFunction would be functions/access-log.
    case $name in
    [A-Z]*Function) name=$(echo "${name%Function}" | sed 's/\([A-Z]\)/-\1/g; s/^-//' | tr '[:upper:]' '[:lower:]') ;;
    esac
    [ -e "functions/$name/Cargo.toml" ] || {
        echo "There is no functions/$name." >&2
        exit 2
    }
    .tools/bin/cargo-lambda lambda build --quiet --release --locked --skip-target-check --target "$triple" \
        --package "$name" --features fdb --lambda-dir "$output"

    program=$output/$name/bootstrap
    [ "$(od -An -tx1 -j18 -N2 "$program" | tr -d ' \n')" = "$machine" ] || {
        echo "$program is not for $arch." >&2
        exit 1
    }
    # Always the same bytes for the same program, so that what has not changed is not deployed anew.
    python3 - "$program" <<'END'
import sys, zipfile

program = sys.argv[1]
entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
entry.create_system = 3  # Unix, whose permissions these are
entry.external_attr = 0o100755 << 16
entry.compress_type = zipfile.ZIP_DEFLATED
with zipfile.ZipFile(program + ".zip", "w") as archive, open(program, "rb") as file:
    archive.writestr(entry, file.read(), compresslevel=9)
END
    [ -z "${ARTIFACTS_DIR:-}" ] || cp "$program" "$ARTIFACTS_DIR/bootstrap"
    printf '%-10s %-7s %9s bytes, zipped %9s  %s\n' "$name" "$arch" "$(bytes "$program")" "$(bytes "$program.zip")" "$program.zip"
done
