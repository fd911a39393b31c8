#!/bin/sh
# `clients.sh typescript` or `clients.sh python`: generates a client from infra/openapi.json, checks its types and
# those of the program that uses it, and runs that program against a gateway.

set -eu
cd "$(dirname "$0")/../.."
root=$PWD
. infra/contract/tools.sh

case ${1:-} in
typescript)
    npm --version >/dev/null 2>&1 && node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' ||
        without "The TypeScript client" "it needs Node.js (20 or newer) with npm."
    tools=$(node_packages infra/contract/typescript) ||
        without "The TypeScript client" "its packages are not available."
    . infra/contract/gateway.sh
    export CONTRACT_URL="$URL/v5"
    cp infra/contract/client.ts "$scratch"
    ln -s "$root/$tools/node_modules" "$scratch/node_modules"
    cd "$scratch"
    echo '{"type": "module"}' >package.json
    node_modules/.bin/openapi-typescript "$root/infra/openapi.json" --output api.d.ts
    node_modules/.bin/tsc --strict --noUncheckedIndexedAccess --exactOptionalPropertyTypes \
        --noPropertyAccessFromIndexSignature --target es2022 --module nodenext --lib es2022,dom,dom.iterable client.ts
    node client.js
    ;;
python)
    python3 -c 'import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        without "The Python client" "it needs a python3 (3.11 or newer) with venv and pip."
    tools=$(python_packages infra/contract/python-client.txt) ||
        without "The Python client" "its packages are not available."
    . infra/contract/gateway.sh
    export CONTRACT_URL="$URL/v5" PYTHONDONTWRITEBYTECODE=1 PATH="$root/$tools/bin:$PATH"
    cp infra/contract/client.py "$scratch"
    cd "$scratch"
    # The generator knows neither pictures, nor zip files, nor files of any type.
    for type in image/jpeg image/png image/webp application/zip '"*/*"'; do
        echo "  $type: application/octet-stream"
    done |
        sed '1i content_type_overrides:' >generator.yaml
    openapi-python-client generate --path "$root/infra/openapi.json" --output-path coditect_api_client --meta none \
        --config generator.yaml --fail-on-warning
    touch coditect_api_client/py.typed
    # The generator's own template passes on values of type `object`; no document changes that.
    printf '[mypy]\nstrict = true\n[mypy-coditect_api_client.client]\ndisable_error_code = arg-type\n' >mypy.ini
    # It forgets an import where a body has several media types.
    printf '[mypy-coditect_api_client.api.users.set_avatar]\ndisable_error_code = name-defined\n' >>mypy.ini
    mypy --cache-dir mypy client.py coditect_api_client
    python client.py
    ;;
*)
    echo "usage: clients.sh typescript|python" >&2
    exit 2
    ;;
esac
