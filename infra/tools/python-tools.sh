#!/bin/sh
# `python-tools.sh NAME`: prints the folder of a virtual environment with the tools of infra/tools/python/NAME.txt, and
# creates it in .tools/python/ if it is missing. All packages are pinned by hash. The checksum of the list is part of
# the folder's name, so a new list makes a new folder. It changes nothing outside .tools/.
#
# For a new version, change NAME.in and make the list with uv (from PyPI):
#
#   uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
#     -o NAME.txt NAME.in

set -eu
cd "$(dirname "$0")/../.."

list=infra/tools/python/$1.txt
folder=.tools/python/$1-$(cksum <"$list" | cut -d ' ' -f 1)
if [ ! -e "$folder/.complete" ]; then
    python3 -c 'import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
        echo "a python3 (3.11 or newer) with venv and pip is needed." >&2
        exit 1
    }
    echo "installing the tools of infra/tools/python/$1.in into .tools/" >&2
    rm -rf "$folder"
    mkdir -p .tools/python
    python3 -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --only-binary :all: \
        --require-hashes --requirement "$list"
    touch "$folder/.complete"
fi
echo "$folder"
