#!/bin/sh
# Holds a running gateway to infra/openapi.json with the pinned Schemathesis: every check in every phase, with the same seed each time.
# `SEED=17 EXAMPLES=500 make test-contract` makes others, and more.

set -eu
cd "$(dirname "$0")/../.."
. infra/contract/tools.sh

python3 -c 'import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    without "The fuzzer of the contract" "it needs a python3 (3.11 or newer) with venv and pip, which is not here."
tools=$(python_packages infra/contract/python-schemathesis.txt) || without "The fuzzer of the contract" "Schemathesis can not be had."

. infra/contract/gateway.sh

# The same seed in every run. What hypothesis calls deterministic derives one from the test instead, and may then end a stateful run early.
chosen="--seed ${SEED:-1} --generation-database none"
export CONTRACT_URL="$URL/v5" SCHEMATHESIS_HOOKS=hooks PYTHONPATH="$PWD/infra/contract" PYTHONDONTWRITEBYTECODE=1
root=$PWD
cd "$scratch" # It keeps notes where it stands.
# shellcheck disable=SC2086 # words
"$root/$tools/bin/schemathesis" --config-file "$root/infra/contract/schemathesis.toml" run "$root/infra/openapi.json" \
    --url "$CONTRACT_URL" --checks all --max-examples "${EXAMPLES:-300}" $chosen || {
    cat "$scratch/gateway.err" >&2
    exit 1
}
