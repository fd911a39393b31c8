#!/bin/sh
# with-cluster.sh COMMAND…: runs a command with a temporary FoundationDB cluster: one process, in memory, on loopback.
# FDB_CLUSTER_FILE names it for the command. Programs and the client library in .tools/foundationdb/ take precedence
# over those of the system. CLUSTER_HOST names another address than loopback, and CLUSTER_ENTER a command that starts
# the server in another network namespace.

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
for folder in "$root"/.tools/foundationdb/*/; do
    [ -e "$folder/fdbserver" ] || continue
    export PATH="${folder%/}:$PATH"
    export LD_LIBRARY_PATH="${folder%/}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    # For the linker.
    export LIBRARY_PATH="${folder%/}${LIBRARY_PATH:+:$LIBRARY_PATH}"
done
command -v fdbserver >/dev/null && command -v fdbcli >/dev/null || {
    echo "fdbserver and fdbcli are needed: infra/tools/install-foundationdb.sh installs them" >&2
    exit 1
}

place=$(mktemp -d)
host=${CLUSTER_HOST:-127.0.0.1}
server=
stop() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    server=
}
trap 'stop; rm -rf "$place"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$place/data" "$place/logs"

# fdbserver cannot choose a free port itself, and exits if the given one is in use. If another temporary cluster uses
# it, the id in the cluster file prevents a connection to that cluster.
first=$((20000 + $$ % 20000))
for port in $(seq "$first" $((first + 20))); do
    echo "test:$$@$host:$port" >"$place/fdb.cluster"
    # CLUSTER_ENTER is a command with its arguments.
    # shellcheck disable=SC2086
    ${CLUSTER_ENTER:-} fdbserver --cluster-file "$place/fdb.cluster" \
        --public-address "$host:$port" --listen-address "$host:$port" \
        --datadir "$place/data" --logdir "$place/logs" >"$place/output" 2>&1 &
    server=$!
    for _ in $(seq 30); do
        kill -0 "$server" 2>/dev/null || break
        # The first call creates the database. Later ones fail because it exists, which is fine.
        fdbcli -C "$place/fdb.cluster" --timeout 5 --exec "configure new single memory" >/dev/null 2>&1 || true
        if fdbcli -C "$place/fdb.cluster" --timeout 5 --exec "status minimal" 2>/dev/null | grep -q "is available" &&
            kill -0 "$server" 2>/dev/null; then
            FDB_CLUSTER_FILE=$place/fdb.cluster "$@" && status=0 || status=$?
            exit "$status"
        fi
        sleep 1
    done
    stop
done
echo "the cluster did not become available:" >&2
cat "$place/output" >&2
exit 1
