#!/bin/sh
# Builds the web application into functions/web/app/dist, unless it is current. With `optional`, a machine without
# Node.js, or a failed build, is one line and no error: the API works without the application.

set -eu
cd "$(dirname "$0")/../../functions/web/app"

give_up() {
    if [ "${1:-}" = optional ]; then
        echo "The API starts without the web application: $2" >&2
        exit 0
    fi
    echo "The web application was not built: $2" >&2
    exit 1
}

# What the application is made of. A list of checksums takes some milliseconds, and starting Node.js a second.
sources=$(
    {
        cksum index.html package.json package-lock.json tsconfig.json vite.config.ts ../../../infra/openapi.json
        find src public scripts -type f ! -path 'src/api/generated/*' -exec cksum {} + | sort
    } | cksum
)
if [ "$(cat dist/.sources 2>/dev/null || true)" = "$sources" ]; then
    exit 0
fi

if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    give_up "${1:-}" "install Node.js 20.19 or newer, which builds it."
fi
node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b > 18) ? 0 : 1)' ||
    give_up "${1:-}" "it needs Node.js 20.19 or newer, and this is $(node --version)."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "building the web application" >&2
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    if ! npm ci --no-audit --no-fund >"$log" 2>&1; then
        cat "$log" >&2
        give_up "${1:-}" "\`npm ci\` failed in functions/web/app."
    fi
fi
if ! npm run --silent build >"$log" 2>&1; then
    cat "$log" >&2
    give_up "${1:-}" "\`npm run build\` failed in functions/web/app."
fi
grep '^first load' "$log" >&2 || true
echo "$sources" >dist/.sources
