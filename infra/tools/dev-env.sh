# Sourced by `make run` and `make watch`, from the root of the repository: sets the variables of a development run. A
# variable that is already set stays unchanged.

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
            # A link appears complete and never replaces a file: if two first runs overlap, both use the secret of one.
            ln "$fresh" "$secret" 2>/dev/null || [ -e "$secret" ]
        )
        echo "created a development secret: $secret" >&2
    fi
    JWT_SECRET=$(cat "$secret")
    export JWT_SECRET
fi

# The first examples register `password123`, which the default policy rejects.
export PASSWORD_POLICY="${PASSWORD_POLICY:-basic}"

# Some shells and build environments export the machine's name as HOST. It is not meant as a listen address.
case "${HOST:-}" in
    *[!0-9a-fA-F.:]*) unset HOST ;;
esac

# Emails become files, which the log names.
export MAIL="${MAIL:-file:$PWD/.data/mail}"

# Files of more than 4 MiB. Absolute, like the store's folder below.
export OBJECTS="${OBJECTS:-file:$PWD/.data/objects}"

# Only pages of this origin may use cookies, and emails link to it. With port 0 the address is not known yet.
if [ "${PORT:-8080}" != 0 ]; then
    export PUBLIC_URL="${PUBLIC_URL:-http://localhost:${PORT:-8080}}"
fi

# Absolute, like the store's folder below.
export WEB_ROOT="${WEB_ROOT:-$PWD/functions/web/app/dist}"
if [ -e "$WEB_ROOT/index.html" ] && [ -n "${PUBLIC_URL:-}" ]; then
    echo "The web application: $PUBLIC_URL" >&2
fi

# Absolute, so that programs in other folders open the same store.
export STORE="${STORE:-lmdb:$PWD/.data/store}"
