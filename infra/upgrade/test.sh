#!/bin/sh
# Builds the gateway of the last release and the current one, and runs both on one store: each reads and rewrites what
# the other has written. Without an earlier release, the commit in `first` takes its place.
#
# The first run compiles the earlier gateway from nothing, which takes minutes; its binary stays in .tools/upgrade/.

set -eu
cd "$(dirname "$0")/../.."

first=afc712a293289f4a52e2631739e4083d37daa69e
base=$(git describe --tags --abbrev=0 --match 'v*' HEAD^ 2>/dev/null) || base=$first

# This test has no result other than its own: if it cannot run, it fails.
not_run() {
    echo "the upgrade test was NOT run: $1" >&2
    exit 1
}

commit=$(git rev-parse --quiet --verify "$base^{commit}") ||
    not_run "this clone lacks the commit $base; fetch it with git fetch --unshallow --tags"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || not_run "it needs a python3 (3.9 or newer)"

folder=$PWD/.tools/upgrade/$commit
if [ ! -x "$folder/gateway" ]; then
    echo "building the gateway of $base (once)" >&2
    rm -rf "$folder/source"
    mkdir -p "$folder/source"
    # Not through a pipe, which would hide a failure of git.
    git archive --output="$folder/source.tar" "$commit"
    tar --extract --directory="$folder/source" --file="$folder/source.tar"
    # A target directory of its own: cargo would otherwise put the binary of one build in the place of the other's.
    (
        cd "$folder/source"
        CARGO_PROFILE_DEV_DEBUG=none CARGO_INCREMENTAL=0 CARGO_TARGET_DIR="$folder/target" \
            cargo build --locked --quiet --bin gateway
    )
    mv "$folder/target/debug/gateway" "$folder/gateway"
    rm -rf "$folder/source" "$folder/source.tar" "$folder/target"
fi

cargo build --locked --quiet --bin gateway
echo "the last release is $base, the current build is $(git rev-parse --short HEAD)"
exec python3 infra/upgrade/two_builds.py "$commit" "$folder/gateway" "${CARGO_TARGET_DIR:-target}/debug/gateway"
