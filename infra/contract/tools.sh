# Sourced from the root of the repository: what the tests of the contract are made with, pinned, in .tools/. A folder is named after the
# versions that are in it and gets its name when it is complete, so a new version is a new folder. Nothing outside .tools/ is touched.

# without WHAT WHY: says what is not run. In CI that is an error; elsewhere the script ends well.
without() {
    echo "$1 was not run: $2" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
}

# python_packages NAME PACKAGE==VERSION…: prints the folder of a virtual environment with these.
python_packages() {
    folder=.tools/python/$1-$(printf '%s\n' "$@" | cksum | cut -d ' ' -f 1)
    shift
    if [ ! -e "$folder/.complete" ]; then
        rm -rf "$folder"
        mkdir -p .tools/python
        echo "installing $* into .tools/" >&2
        python3 -m venv "$folder" >&2 &&
            "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: "$@" >&2 &&
            touch "$folder/.complete" || return 1
    fi
    echo "$folder"
}

# node_packages NAME PACKAGE@VERSION…: prints the folder whose node_modules/ has these.
node_packages() {
    folder=.tools/node/$1-$(printf '%s\n' "$@" | cksum | cut -d ' ' -f 1)
    shift
    if [ ! -e "$folder/.complete" ]; then
        rm -rf "$folder"
        mkdir -p "$folder"
        echo "installing $* into .tools/" >&2
        npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts --prefix "$folder" "$@" >&2 &&
            touch "$folder/.complete" || return 1
    fi
    echo "$folder"
}
