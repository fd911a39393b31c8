#!/bin/sh
# `test.sh IMAGE [ENGINE]`: starts the image with a read-only root and without capabilities, waits until its health
# check succeeds, loads the web application, registers an account, restarts the container with its data, logs in, and
# stops it. ENGINE is docker or podman.

set -eu

image=$1 engine=${2:-docker}
limit=30
folder=$(mktemp -d)
container=

clean() {
    [ -z "$container" ] || "$engine" rm --force --volumes "$container" >/dev/null
    rm -rf "$folder"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "$1" >&2
    "$engine" logs "$container" >&2
    exit 1
}

# Podman runs health checks with timers of systemd, which a container or a build machine may not have.
is_healthy() {
    case $engine in
    podman) podman healthcheck run "$container" >/dev/null 2>&1 ;;
    *) [ "$("$engine" inspect --format '{{.State.Health.Status}}' "$container")" = healthy ] ;;
    esac
}

wait_until_healthy() {
    for _ in $(seq "$limit"); do
        ! is_healthy || return 0
        sleep 1
    done
    fail "after $limit s the container is not healthy:"
}

# The exit code would be 137 if the engine had to kill the process, ten seconds after SIGTERM.
stop() {
    "$engine" stop "$container" >/dev/null
    status=$("$engine" inspect --format '{{.State.ExitCode}}' "$container")
    [ "$status" = 0 ] || fail "the stopped container has the exit code $status:"
}

# request PATH: posts the account, and prints the status.
request() {
    address=$("$engine" port "$container" 8080/tcp | head -n 1)
    curl --silent --show-error --output "$folder/body" --write-out '%{http_code}' \
        --header 'content-type: application/json' --data @"$folder/account" "http://$address/v5/auth/$1"
}

echo 'JWT_SECRET=only for this test, on this machine' >"$folder/env"
echo '{"email":"test@example.com","password":"a password of the test"}' >"$folder/account"
container=$("$engine" run --detach --env-file "$folder/env" --publish 127.0.0.1::8080 \
    --read-only --tmpfs /tmp --volume /data --cap-drop ALL --security-opt no-new-privileges "$image")
wait_until_healthy
address=$("$engine" port "$container" 8080/tcp | head -n 1)
curl --silent --show-error --fail "http://$address/" | grep -q '<div id="root">' ||
    fail "/ is not the page of the web application:"
status=$(request register)
[ "$status" = 201 ] || fail "registering an account returns $status:"
stop
"$engine" start "$container" >/dev/null
wait_until_healthy
status=$(request login)
[ "$status" = 200 ] || fail "after a restart, logging in returns $status:"
stop
