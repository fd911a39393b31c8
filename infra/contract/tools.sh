# Sourced from the root of the repository: installs the pinned tools of the contract tests into .tools/. The checksum
# of the file that lists the packages names the folder, so a new list makes a new folder. It changes nothing outside
# .tools/.

# without WHAT WHY: reports that something was not run, and ends the script, in CI with an error.
without() {
    echo "$1 was not run: $2" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
}

# python_packages REQUIREMENTS: prints the folder of a virtual environment with these packages, which the file pins by
# hash.
python_packages() {
    folder=.tools/python/$(cksum <"$1" | cut -d ' ' -f 1)
    if [ ! -e "$folder/.complete" ]; then
        rm -rf "$folder"
        mkdir -p .tools/python
        echo "installing the packages of $1 into .tools/" >&2
        python3 -m venv "$folder" >&2 &&
            "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: \
                --require-hashes --requirement "$1" >&2 &&
            touch "$folder/.complete" || return 1
    fi
    echo "$folder"
}

# node_packages FOLDER: prints a folder whose node_modules/ has the packages of FOLDER/package-lock.json.
node_packages() {
    folder=.tools/node/$(cksum <"$1/package-lock.json" | cut -d ' ' -f 1)
    if [ ! -e "$folder/.complete" ]; then
        rm -rf "$folder"
        mkdir -p "$folder"
        echo "installing the packages of $1 into .tools/" >&2
        cp "$1/package.json" "$1/package-lock.json" "$folder" &&
            npm ci --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" >&2 &&
            touch "$folder/.complete" || return 1
    fi
    echo "$folder"
}
