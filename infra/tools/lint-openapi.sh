#!/bin/sh
# Lints infra/openapi.json with the pinned Redocly CLI, which goes into .tools/redocly/ and has no dependencies. It
# needs Node.js; without it, the script says so, and fails in CI only. It changes nothing outside .tools/.

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
    command -v npm >/dev/null || without "installing Redocly CLI needs npm."
    mkdir -p .tools/redocly
    staging=$(mktemp -d .tools/redocly/install.XXXXXX)
    trap 'rm -rf "$staging"' EXIT
    trap 'exit 1' HUP INT TERM
    echo "installing Redocly CLI $version into .tools/" >&2
    npm pack --silent --pack-destination "$staging" "@redocly/cli@$version" >/dev/null ||
        without "Redocly CLI $version is not available."
    found=$(node -e 'const { createHash } = require("crypto"), { readFileSync } = require("fs");
        const file = readFileSync(process.argv[1]);
        console.log("sha512-" + createHash("sha512").update(file).digest("base64"))' "$staging"/*.tgz)
    [ "$found" = "$hash" ] || {
        echo "Redocly CLI $version has the hash $found, not the pinned one." >&2
        exit 1
    }
    tar -xzf "$staging"/*.tgz -C "$staging"
    # Moved in one step, so that an interrupted install leaves no partial file.
    mv "$staging/package" "$folder"
}

node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null ||
    without "Redocly CLI needs Node.js 22.12 or newer (or 20.19)."
[ -d "$folder" ] || install
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
node "$folder/bin/cli.js" lint --config infra/redocly.yaml infra/openapi.json
