# Sourced from the root of the repository: what the tests of the contract are made with, pinned, in .tools/. A folder is named after the
# file that says what is in it and gets its name when it is complete, so a new version is a new folder. Nothing outside .tools/ is touched.

# without WHAT WHY: says what is not run. In CI that is an error; elsewhere the script ends well.
without() {
    echo "$1 was not run: $2" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
}

# python_packages REQUIREMENTS: prints the folder of a virtual environment with these, whose hashes are in the file.
python_packages() {
    folder=.tools/python/$(cksum <"$1" | cut -d ' ' -f 1)
    if [ ! -e "$folder/.complete" ]; then
        rm -rf "$folder"
        mkdir -p .tools/python
        echo "installing what is in $1 into .tools/" >&2
        python3 -m venv "$folder" >&2 &&
            "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: --require-hashes \
                --requirement "$1" >&2 &&
            touch "$folder/.complete" || return 1
    fi
    echo "$folder"
}

# node_packages FOLDER: prints the folder whose node_modules/ has what the package-lock.json in the given one names.
node_packages() {
    folder=.tools/node/$(cksum <"$1/package-lock.json" | cut -d ' ' -f 1)
    if [ ! -e "$folder/.complete" ]; then
        rm -rf "$folder"
        mkdir -p "$folder"
        echo "installing what is in $1 into .tools/" >&2
        cp "$1/package.json" "$1/package-lock.json" "$folder" &&
            npm ci --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" >&2 &&
            touch "$folder/.complete" || return 1
    fi
    echo "$folder"
}
