#!/bin/sh
# Runs the tests of the object store: against botocore's signatures and against moto, which it installs into .tools/.

set -eu
cd "$(dirname "$0")/../../.."
. infra/contract/tools.sh
command -v python3 >/dev/null || without "the test of the object store" "there is no python3"
folder=$(python_packages shared/objects/tests/python-s3.txt) ||
    without "the test of the object store" "its Python packages cannot be installed"
MOTO_PYTHON=$PWD/$folder/bin/python
cases=$(mktemp)
trap 'rm -f "$cases"' EXIT
trap 'exit 1' HUP INT TERM
"$MOTO_PYTHON" shared/objects/tests/botocore_cases.py >"$cases"
BOTOCORE_CASES=$cases
export MOTO_PYTHON BOTOCORE_CASES
cargo test --locked --package objects
cargo test --locked --package objects --test it -- --ignored moto::
