# Sourced from the root of the repository: starts a gateway for one test, on a free port and with its own store. It
# sets URL, and `scratch`, a temporary folder. However the script ends, it stops the gateway by its process id and
# removes both.

cargo build --locked --quiet --bin gateway
scratch=$(mktemp -d)
gateway=
cleanup() {
    [ -z "$gateway" ] || { kill "$gateway" 2>/dev/null && wait "$gateway" 2>/dev/null; } || true
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

: >"$scratch/gateway.out"
# Throttles are off, because they would stop a fuzzer, and the policy accepts the document's examples. The gateway
# is reachable from this machine only.
env -u AWS_LAMBDA_RUNTIME_API -u FDB_CLUSTER -u FDB_CLUSTER_FILE \
    HOST=127.0.0.1 PORT=0 STORE="lmdb:$scratch/store" OBJECTS="file:$scratch/objects" \
    THROTTLE=off QUOTAS=off RUST_LOG=warn LOG_FORMAT=text \
    PASSWORD_POLICY=basic JWT_SECRET="$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" \
    "${CARGO_TARGET_DIR:-target}/debug/gateway" >"$scratch/gateway.out" 2>"$scratch/gateway.err" &
gateway=$!

URL=
for _ in $(seq 100); do
    URL=$(sed -n 's/^listening on //p' "$scratch/gateway.out")
    [ -z "$URL" ] && kill -0 "$gateway" 2>/dev/null || break
    sleep 0.1
done
[ -n "$URL" ] || {
    echo "the gateway did not start:" >&2
    cat "$scratch/gateway.err" >&2
    exit 1
}
