#!/bin/sh
# Starts the image of `make image`, waits until its health check succeeds, and stops it. It needs Docker.

set -eu

image=$1
limit=30

container=$(docker run --detach --env JWT_SECRET="only for this test, on this machine" \
    --read-only --tmpfs /tmp --tmpfs /data:uid=65532 "$image")
trap 'docker rm --force "$container" >/dev/null' EXIT
trap 'exit 1' HUP INT TERM

for _ in $(seq "$limit"); do
    health=$(docker inspect --format '{{.State.Health.Status}}' "$container")
    [ "$health" = starting ] || break
    sleep 1
done
[ "$health" = healthy ] || {
    echo "after $limit s the container is $health:" >&2
    docker logs "$container" >&2
    exit 1
}
# The exit code would be 137 if the engine had to kill the process, ten seconds after SIGTERM.
docker stop "$container" >/dev/null
status=$(docker inspect --format '{{.State.ExitCode}}' "$container")
[ "$status" = 0 ] || {
    echo "the stopped container has the exit code $status:" >&2
    docker logs "$container" >&2
    exit 1
}
