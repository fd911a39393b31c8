#!/bin/sh
# Installs the pinned cargo-lambda as .tools/bin/cargo-lambda: a copy of the one on the PATH if the version is the
# same, else the prebuilt binary from PyPI (seconds), else compiled by cargo (minutes). It changes nothing outside
# .tools/. For a new version, change the number and the hashes here: `make` installs it, because this file is newer
# than the binary.

set -eu
cd "$(dirname "$0")/../.."

version=1.9.2

mkdir -p .tools/bin
staging=$(mktemp -d .tools/install.XXXXXX)
trap 'rm -rf "$staging"' EXIT
trap 'exit 1' HUP INT TERM

is_pinned() {
    case "$("$1" lambda --version 2>/dev/null)" in
    "cargo-lambda $version "*) ;;
    *) return 1 ;;
    esac
}

from_path() {
    found=$(command -v cargo-lambda) && is_pinned "$found" && mkdir "$staging/bin" &&
        cp "$found" "$staging/bin/cargo-lambda"
}

# One hash per platform: Linux and macOS, x86-64 and ARM64. Its dependency, zig for cross compiling, is left out.
# `--target` needs no virtual environment, and also works where the system's Python is externally managed.
from_pypi() {
    python3 -m pip --version >/dev/null 2>&1 || return 1
    cat >"$staging/requirements.txt" <<EOF
cargo-lambda==$version \
    --hash=sha256:db2c0b1d53d7ed0055198fd045f641addc91b180b20d794fcf78cc9a9efacb38 \
    --hash=sha256:3350315e8b4e88f7134967f51546bf51aa5db37a6d39a17380545362ae27e289 \
    --hash=sha256:05efdab4db99fd976f5718b67bb4e72089335d1aab209168f2dfe20907b0e341 \
    --hash=sha256:28e2f698b4e0e367097cd30a8ded8ddc6851dba6f4d53b907b4659a635ae3665
EOF
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
        --only-binary :all: --require-hashes --requirement "$staging/requirements.txt" --target "$staging" &&
        is_pinned "$staging/bin/cargo-lambda"
}

from_source() {
    echo "no prebuilt cargo-lambda for this machine: compiling it, which takes a few minutes" >&2
    cargo install --locked --root "$staging" --version "$version" cargo-lambda
}

echo "installing cargo-lambda $version into .tools/" >&2
from_path || from_pypi || from_source

# Moved in one step, so that an interrupted install leaves no partial file. Touched, because the archive keeps old
# times.
touch "$staging/bin/cargo-lambda"
mv -f "$staging/bin/cargo-lambda" .tools/bin/cargo-lambda
