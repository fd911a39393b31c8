#!/bin/sh
# Lints infra/openapi.json with the pinned Redocly CLI, which is put into .tools/redocly/ and has no dependencies of its own. It needs
# Node.js; where that is missing this says so, and fails in CI alone: nothing else here needs it. Nothing outside .tools/ is touched.

set -eu
cd "$(dirname "$0")/../.."

version=2.77.0
hash=sha512-XUa4hURDWLPG9WukIXo+UBqa9VpeTndmLI5PHu9QDkwtwH990Jsgz9nl2m1pZjsWrKFPP7avn6etRxxDbuD2Bg==
folder=.tools/redocly/$version

without() {
    echo "infra/openapi.json was not linted: $1" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
}

install() {
    command -v npm >/dev/null || without "Redocly CLI is installed with npm, which is not here."
    mkdir -p .tools/redocly
    staging=$(mktemp -d .tools/redocly/install.XXXXXX)
    trap 'rm -rf "$staging"' EXIT
    trap 'exit 1' HUP INT TERM
    echo "installing Redocly CLI $version into .tools/" >&2
    npm pack --silent --pack-destination "$staging" "@redocly/cli@$version" >/dev/null || without "Redocly CLI $version can not be had."
    found=$(node -e 'const { createHash } = require("crypto"), { readFileSync } = require("fs");
        console.log("sha512-" + createHash("sha512").update(readFileSync(process.argv[1])).digest("base64"))' "$staging"/*.tgz)
    [ "$found" = "$hash" ] || { echo "Redocly CLI $version has the hash $found, and not the one that is pinned." >&2; exit 1; }
    tar -xzf "$staging"/*.tgz -C "$staging"
    # Moved in one step, so that an interrupted install leaves nothing half done.
    mv "$staging/package" "$folder"
}

node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null ||
    without "Redocly CLI needs Node.js 22.12 or newer (or 20.19), which is not here."
[ -d "$folder" ] || install
REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true node "$folder/bin/cli.js" lint --config infra/redocly.yaml infra/openapi.json
