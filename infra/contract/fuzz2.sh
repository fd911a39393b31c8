#!/bin/sh
# Tests a running gateway against infra/openapi.json with the pinned Schemathesis: all checks in all phases, always
# with the same seed. `SEED=17 EXAMPLES=500 make test-contract` makes other and more requests.

set -eu
cd "$(dirname "$0")/../.."
. infra/contract/tools.sh

python3 -c 'import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    without "The contract's fuzzer" "it needs a python3 (3.11 or newer) with venv and pip."
tools=$(python_packages infra/contract/python-schemathesis.txt) ||
    without "The contract's fuzzer" "Schemathesis is not available."

. infra/contract/gateway.sh

# A fixed seed. Hypothesis' own deterministic mode derives one from the test, and may end a stateful run early.
chosen="--seed ${SEED:-1} --generation-database none"
export CONTRACT_URL="$URL/v5" SCHEMATHESIS_HOOKS=hooks PYTHONPATH="$PWD/infra/contract" PYTHONDONTWRITEBYTECODE=1
root=$PWD
cd "$scratch" # Schemathesis writes its files into the current folder.
# shellcheck disable=SC2086 # $chosen is several words
"$root/$tools/bin/schemathesis" --config-file "$root/infra/contract/schemathesis.toml" run "$root/infra/openapi.json" \
    --url "$CONTRACT_URL" ${INCLUDE:-} --checks all --max-examples "${EXAMPLES:-300}" $chosen || {
    cat "$scratch/gateway.err" >&2
    exit 1
}
