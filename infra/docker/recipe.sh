#!/bin/sh
# Checks that `cargo chef cook --locked` in the Dockerfile finds a Cargo.lock that fits, without compiling anything: it
# makes the recipe with the Dockerfile's own command, writes the skeleton of the workspace that cargo-chef would
# compile, and lets cargo resolve its dependencies. The pinned cargo-chef goes into .tools/. For a new version, change
# the number here and in the Dockerfile.

set -eu
cd "$(dirname "$0")/../.."

version=0.1.78
chef=$PWD/.tools/cargo-chef/$version/bin/cargo-chef

grep -q "cargo install --locked --version $version cargo-chef\$" infra/docker/Dockerfile || {
    echo "infra/docker/Dockerfile installs another cargo-chef than $version, which infra/docker/recipe.sh checks." >&2
    exit 1
}
mkdir -p .tools/cargo-chef
staging=$(mktemp -d .tools/cargo-chef/install.XXXXXX)
staging=$PWD/$staging
trap 'rm -rf "$staging"' EXIT
trap 'exit 1' HUP INT TERM
[ -e "$chef" ] || {
    echo "compiling cargo-chef $version into .tools/" >&2
    # Without optimisation, because it runs for a second.
    CARGO_TARGET_DIR=$staging/target CARGO_PROFILE_DEV_DEBUG=none \
        cargo install --quiet --locked --debug --root "$staging/$version" --version "$version" cargo-chef
    # Moved in one step, so that an interrupted install leaves no partial file.
    mv "$staging/$version" ".tools/cargo-chef/$version"
}

# The arguments of `cargo chef prepare` in the Dockerfile, without the path of the recipe.
arguments=$(sed -n 's/^RUN cargo chef prepare \(.*\)--recipe-path .*$/\1/p' infra/docker/Dockerfile)
# shellcheck disable=SC2086 # spaces separate the arguments
"$chef" chef prepare $arguments --recipe-path "$staging/recipe.json"
mkdir "$staging/skeleton"
cd "$staging/skeleton"
"$chef" chef cook --no-build --recipe-path "$staging/recipe.json"
cargo tree --quiet --locked --package gateway --features fdb >"$staging/tree" || {
    echo "cargo chef cook --locked in infra/docker/Dockerfile would fail: see above." >&2
    exit 1
}
echo "the recipe of infra/docker/Dockerfile fits Cargo.lock"
