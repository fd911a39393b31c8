#!/bin/sh
# Builds the gateway of the last release and the current one, and runs both on one store: each reads and rewrites what
# the other has written. Until there is a release, two earlier commits take its place: the first commit with this
# storage, which the current build must be able to follow, and the first one that reads records of the next version,
# beside which it must be able to run.
#
# The first run compiles the earlier gateways from nothing, which takes minutes; the binaries stay in .tools/upgrade/.

set -eu
cd "$(dirname "$0")/../.."

first=afc712a293289f4a52e2631739e4083d37daa69e
reads_ahead=3e73d2824fe0c95974168f34ac436475cda149fc
bases=$(git describe --tags --abbrev=0 --match 'v*' HEAD^ 2>/dev/null) || bases="$first $reads_ahead"

# This test has no result other than its own: if it cannot run, it fails.
not_run() {
    echo "the upgrade test was NOT run: $1" >&2
    exit 1
}

python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || not_run "it needs a python3 (3.9 or newer)"
cargo build --locked --quiet --bin gateway

for base in $bases; do
    commit=$(git rev-parse --quiet --verify "$base^{commit}") ||
        not_run "this clone lacks the commit $base; fetch it with git fetch --unshallow --tags"
    folder=$PWD/.tools/upgrade/$commit
    if [ ! -x "$folder/gateway" ]; then
        echo "building the gateway of $base (once)" >&2
        rm -rf "$folder"
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
    echo "the earlier build is $base, the current one is $(git rev-parse --short HEAD)"
    python3 infra/upgrade/two_builds.py "$commit" "$folder/gateway" "${CARGO_TARGET_DIR:-target}/debug/gateway"
done
