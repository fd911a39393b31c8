#!/bin/sh
# Installs the pinned zig as .tools/zig/zig, from PyPI (`ziglang`). cargo-lambda uses its C compiler and linker to
# build for Lambda's glibc and for both architectures on any machine. It changes nothing outside .tools/. For a new
# version, change the number and the hashes here: `make` installs it, because this file is newer than the binary.

set -eu
cd "$(dirname "$0")/../.."

version=0.15.2

mkdir -p .tools
staging=$(mktemp -d .tools/install.XXXXXX)
trap 'rm -rf "$staging"' EXIT
trap 'exit 1' HUP INT TERM

python3 -m pip --version >/dev/null 2>&1 || {
    echo "Building functions for Lambda needs zig, and installing zig needs a python3 with pip." >&2
    exit 1
}

# One hash per platform: macOS and Linux, ARM64 and x86-64.
cat >"$staging/requirements.txt" <<END
ziglang==$version \
    --hash=sha256:acae2a9ce67ed249ad68d42c21bc73b5f9d51a33ba5ea42f609f78683e8d9bb7 \
    --hash=sha256:47af4f85e3e59bd672126cc026d3a01b516cad24b9a9ea075abfe8532f4c6bc1 \
    --hash=sha256:edc0aa60ec964a4cf462d40f68d7de242ddf37fd9a80f2afaee6397059463230 \
    --hash=sha256:806316453d1ede7174ed3fefb8e5348154629089c3bb5fe812dfd0e172fac130
END
echo "installing zig $version into .tools/" >&2
PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
    --only-binary :all: --require-hashes --requirement "$staging/requirements.txt" --target "$staging"

# Moved in one step, so that an interrupted install leaves no partial file. Touched, because the archive keeps old
# times.
touch "$staging/ziglang/zig"
rm -rf .tools/zig
mv "$staging/ziglang" .tools/zig
