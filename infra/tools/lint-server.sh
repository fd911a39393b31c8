#!/bin/sh
# Checks infra/server: the units with `systemd-analyze verify`, and how much they restrict the service with
# `systemd-analyze security`; and the compose and Cloud Build files against their published schemas. systemd-analyze is
# the system's, else Debian's package, unpacked into .tools/. The schemas come with check-jsonschema, from PyPI. A
# missing tool is reported, and fails in CI only. It changes nothing outside .tools/.

set -eu
cd "$(dirname "$0")/../.."

# 0 is the strictest. The rest is the network, which a server needs.
exposure=1.5

mkdir -p .tools
staging=$(mktemp -d .tools/install.XXXXXX)
trap 'rm -rf "$staging"' EXIT
trap 'exit 1' HUP INT TERM

without() {
    echo "$1" >&2
    [ "${CI:-}" != true ] || exit 1
}

# from_debian: unpacks systemd-analyze, its libraries and systemd's own units, without installing them.
from_debian() {
    [ ! -e .tools/systemd/usr ] || return 0
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    echo "unpacking Debian's systemd into .tools/" >&2
    mkdir -p "$staging/debs/partial" "$staging/systemd"
    # The package and those of its dependencies that the system lacks.
    apt-get install --quiet=2 --yes --no-install-recommends --download-only --option Debug::NoLocking=1 \
        --option APT::Sandbox::User=root --option Dir::Cache::archives="$PWD/$staging/debs" systemd >/dev/null ||
        return 1
    for package in "$staging"/debs/*.deb; do dpkg-deb --extract "$package" "$staging/systemd"; done
    # Moved in one step, so that an interrupted install leaves no partial folder.
    mv "$staging/systemd" .tools/systemd
}

# The name of the program differs between Debian's releases, and so does the folder of its libraries.
analyze() {
    if command -v systemd-analyze >/dev/null; then
        systemd-analyze "$@"
    else
        libraries=$(find "$PWD/.tools/systemd" -name '*.so*' -exec dirname {} + | sort -u | paste -sd :)
        units=$(find "$PWD/.tools/systemd" -type d -path '*lib/systemd/system' | head -n 1)
        LD_LIBRARY_PATH=$libraries SYSTEMD_UNIT_PATH=$units: "$PWD/.tools/systemd/usr/bin/systemd-analyze" "$@"
    fi
}

if command -v systemd-analyze >/dev/null || from_debian; then
    # A program that exists takes the place of the gateway and the script, which are not installed here.
    mkdir "$staging/units"
    for unit in infra/server/*.service infra/server/*.timer; do
        [ ! -e "$unit" ] ||
            sed 's|=/opt/coditect-v5/[^ ]*|=/usr/bin/env|' "$unit" >"$staging/units/$(basename "$unit")"
    done
    # It only warns about an unknown setting, so any output is a fault.
    analyze verify --man=no "$staging"/units/* >"$staging/found" 2>&1 || echo "it failed" >>"$staging/found"
    [ ! -s "$staging/found" ] || {
        cat "$staging/found" >&2
        exit 1
    }
    for unit in "$staging"/units/*.service; do
        # The option compares with ten times the printed level.
        analyze security --offline=yes --threshold="$(echo "$exposure" | tr -d .)" "$unit" >"$staging/found" 2>&1 || {
            cat "$staging/found" >&2
            echo "$(basename "$unit") is less restricted than $exposure." >&2
            exit 1
        }
    done
    echo "the units of infra/server are valid, and their exposure is at most $exposure of 10"
else
    without "infra/server was not checked: systemd-analyze is not available; it comes from Debian's systemd."
fi

if tools=$(sh infra/tools/python-tools.sh template); then
    schema() {
        "$tools/bin/check-jsonschema" --builtin-schema "$@" >"$staging/found" 2>&1 || {
            cat "$staging/found" >&2
            exit 1
        }
    }
    schema vendor.compose-spec infra/*/compose.yaml
    schema vendor.cloudbuild infra/gcp/cloudbuild.yaml
    echo "the compose files and infra/gcp/cloudbuild.yaml match their schemas"
else
    without "The compose files were not checked: check-jsonschema is not available."
fi
