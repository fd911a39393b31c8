#!/bin/sh
# Adds a group to a copy of the workspace, and checks that the result compiles without warnings and passes the tests of
# the lists that contain a group.

set -eu
cd "$(dirname "$0")/../.."

# The copy has a target directory of its own: cargo identifies a package by its path within the workspace, so it would
# take the results of one workspace for those of the other.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/new-group
export CARGO_TARGET_DIR
# The same folder each time, so that cargo finds its earlier results. Not in the target directory, where cargo does not
# notice changes of sources.
copy=$PWD/.tools/new-group
name=samples

rm -rf "$copy"
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy"
git ls-files -z | tar --create --null --files-from=- | tar --extract --directory="$copy"
cd "$copy"

make new-group NAME=$name
cargo fmt --all --check
cargo clippy --locked --package domain --package $name --package gateway --package bench --all-targets -- -D warnings
cargo test --locked --package $name
cargo test --locked --package domain --lib -- keys:: record:: $name::
cargo test --locked --package gateway --test it -- \
  flow::the_flow_succeeds_in_process isolation:: layout:: openapi:: operations:: store_trips:: surface:: template::
cargo test --locked --package bench
cargo test --locked --package template
