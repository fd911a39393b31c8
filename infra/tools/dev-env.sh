# Sourced by `make run` and `make watch`, from the root of the repository: what a development run needs, so that nothing has to be
# exported by hand. A variable that is already set stays as it is.

set -eu

if [ -z "${JWT_SECRET+set}" ]; then
    secret=.data/jwt-secret
    if [ ! -e "$secret" ]; then
        mkdir -p .data
        (
            fresh=$(mktemp .data/jwt-secret.XXXXXX) # mode 600 from the start
            trap 'rm -f "$fresh"' EXIT
            od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$fresh"
            [ "$(wc -c <"$fresh")" -eq 64 ]
            # A link appears complete or not at all, and never replaces: of two first runs at once one wins, and both use its secret.
            ln "$fresh" "$secret" 2>/dev/null || [ -e "$secret" ]
        )
        echo "made a development secret: $secret" >&2
    fi
    JWT_SECRET=$(cat "$secret")
    export JWT_SECRET
fi

# Some shells and build environments export the machine's name as HOST, which nobody meant as an address to listen on.
case "${HOST:-}" in
    *[!0-9a-fA-F.:]*) unset HOST ;;
esac

# Absolute: whichever program it reaches, and wherever that one stands, it is the same store.
export STORE="${STORE:-lmdb:$PWD/.data/store}"
