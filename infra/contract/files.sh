#!/bin/sh
# Tests the files of sessions with the test suites of PyFilesystem and fsspec, which reach a gateway through a client of
# each. Then it checks the store that the suites leave behind. `files.sh -k NAME` and other arguments are pytest's.

set -eu
cd "$(dirname "$0")/../.."
. infra/contract/tools.sh

python3 -c 'import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    without "The suites of file systems" "they need a python3 (3.11 or newer) with venv and pip."
tools=$(python_packages infra/contract/files/requirements.txt) ||
    without "The suites of file systems" "their packages are not available."

. infra/contract/gateway.sh

export CONTRACT_URL="$URL/v5" PYTHONDONTWRITEBYTECODE=1
"$tools/bin/pytest" infra/contract/files "$@" || {
    cat "$scratch/gateway.err" >&2
    exit 1
}
STORE="lmdb:$scratch/store" "${CARGO_TARGET_DIR:-target}/debug/gateway" check >"$scratch/check.out" 2>&1 || {
    cat "$scratch/check.out" >&2
    exit 1
}
echo "the file system suites: passed, and the store is consistent"
