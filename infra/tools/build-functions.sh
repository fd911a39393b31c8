#!/bin/sh
# `build-functions.sh ARCH NAME…`: builds functions for Lambda, with the FoundationDB engine. A name is a folder in
# functions/ or the function's logical id in template.yaml. The program is target/lambda/ARCH/NAME/bootstrap, with a
# zip next to it. With ARTIFACTS_DIR, which `sam build` sets, the script copies the program there.
#
# Functions are built one at a time: cargo gives shared packages the features of all selected packages, so a program
# would depend on which functions are built with it.

set -eu
cd "$(dirname "$0")/../.."

arch=$1
shift
case $arch in
arm64) triple=aarch64-unknown-linux-gnu machine=b700 ;;
x86_64) triple=x86_64-unknown-linux-gnu machine=3e00 ;;
*)
    echo "ARCH must be arm64 or x86_64, not $arch." >&2
    exit 2
    ;;
esac

# Installs the standard library for the target. Without rustup it must come with the compiler.
! command -v rustup >/dev/null || rustup --quiet target add "$triple"
# cargo-lambda takes zig from the PATH. The caches of both go into .tools/.
export PATH="$PWD/.tools/zig:$PATH"
export CARGO_ZIGBUILD_CACHE_DIR="$PWD/.tools/zig-cache" ZIG_GLOBAL_CACHE_DIR="$PWD/.tools/zig-cache/zig"
mkdir -p "$ZIG_GLOBAL_CACHE_DIR"
# `GET /version` and the first log line name the commit.
SOURCE_COMMIT=$(git rev-parse HEAD 2>/dev/null || true)
export SOURCE_COMMIT
output=${CARGO_TARGET_DIR:-target}/lambda/$arch

bytes() { wc -c <"$1" | tr -d ' '; }

for name in "$@"; do
    # AuthFunction is functions/auth, and AccessLogFunction would be functions/access-log.
    case $name in
    [A-Z]*Function)
        name=$(echo "${name%Function}" | sed 's/\([A-Z]\)/-\1/g; s/^-//' | tr '[:upper:]' '[:lower:]')
        ;;
    esac
    [ -e "functions/$name/Cargo.toml" ] || {
        echo "There is no functions/$name." >&2
        exit 2
    }
    .tools/bin/cargo-lambda lambda build --quiet --release --locked --skip-target-check --target "$triple" \
        --package "$name" --features fdb --lambda-dir "$output"

    program=$output/$name/bootstrap
    [ "$(od -An -tx1 -j18 -N2 "$program" | tr -d ' \n')" = "$machine" ] || {
        echo "$program was not built for $arch." >&2
        exit 1
    }
    # The function that serves the web application has its files below the working folder.
    files=
    if [ "$name" = web ]; then
        sh infra/tools/build-web.sh
        files=functions/web/app/dist
    fi
    # The same program always makes the same zip, so that an unchanged function is not uploaded again.
    python3 - "$program" "$files" <<'END'
import pathlib, sys, zipfile

program, folder = sys.argv[1:]
found = sorted(pathlib.Path(folder).rglob("*")) if folder else []
files = [path for path in found if path.is_file() and not any(part.startswith(".") for part in path.parts)]
with zipfile.ZipFile(program + ".zip", "w") as archive:
    for name, path, mode in [("bootstrap", program, 0o100755), *((str(path), path, 0o100644) for path in files)]:
        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        entry.create_system = 3  # Unix, for the permissions
        entry.external_attr = mode << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        with open(path, "rb") as file:
            archive.writestr(entry, file.read(), compresslevel=9)
END
    if [ -n "${ARTIFACTS_DIR:-}" ]; then
        cp "$program" "$ARTIFACTS_DIR/bootstrap"
        [ -z "$files" ] || { mkdir -p "$ARTIFACTS_DIR/${files%/*}" && cp -R "$files" "$ARTIFACTS_DIR/${files%/*}/"; }
    fi
    # Larger programs start later: the platform loads and unpacks the zip before a cold start.
    [ "$(bytes "$program.zip")" -le 3000000 ] || {
        echo "$program.zip has $(bytes "$program.zip") bytes; a function's zip has at most 3,000,000." >&2
        exit 1
    }
    printf '%-10s %-7s %9s bytes, zipped %9s  %s\n' \
        "$name" "$arch" "$(bytes "$program")" "$(bytes "$program.zip")" "$program.zip"
done
