#!/bin/sh
# `make test-web`: the unit tests, and the tests in a browser against a gateway on a fresh store. Arguments select files
# of the latter.

set -eu
cd "$(dirname "$0")/../.."

if [ -z "${CHROMIUM:-}" ]; then
    for name in chromium chromium-browser google-chrome; do
        CHROMIUM=$(command -v "$name" || true)
        [ -z "$CHROMIUM" ] || break
    done
    if [ -z "$CHROMIUM" ] && command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ]; then
        echo "installing Debian's Chromium" >&2
        apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium >/dev/null
        CHROMIUM=$(command -v chromium)
    fi
fi
if [ -z "$CHROMIUM" ]; then
    echo "The web application was not tested in a browser: install Chromium, or set CHROMIUM to its program." >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
fi
export CHROMIUM

sh ../../../infra/tools/build-web.sh
[ $# -gt 0 ] || npm run --silent test
npm run --silent test:browser -- "$@"
