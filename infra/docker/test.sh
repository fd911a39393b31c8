#!/bin/sh
# Starts the image that `make image` has made, waits until the engine calls it healthy, and has it stopped. It needs Docker.

set -eu

image=$1
limit=30

container=$(docker run --detach --env JWT_SECRET="only for this test, on this machine" --read-only --tmpfs /tmp --tmpfs /data:uid=65532 "$image")
trap 'docker rm --force "$container" >/dev/null' EXIT
trap 'exit 1' HUP INT TERM

for _ in $(seq "$limit"); do
    health=$(docker inspect --format '{{.State.Health.Status}}' "$container")
    [ "$health" = starting ] || break
    sleep 1
done
[ "$health" = healthy ] || {
    echo "after $limit s it is $health:" >&2
    docker logs "$container" >&2
    exit 1
}
# Killed, it would end with 137: it has ten seconds for what is in flight.
docker stop "$container" >/dev/null
status=$(docker inspect --format '{{.State.ExitCode}}' "$container")
[ "$status" = 0 ] || {
    echo "stopped, it ended with $status:" >&2
    docker logs "$container" >&2
    exit 1
}
