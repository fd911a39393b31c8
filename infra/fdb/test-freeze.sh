#!/bin/sh
# Tests the first request after Lambda has frozen a sandbox for four minutes: `make test-freeze`. The test and the
# functions run in one network namespace, and a temporary cluster in another, so that the test can drop the packets
# between them.

set -eu
cd "$(dirname "$0")/../.."

not_run() {
    echo "THE FREEZE TEST DID NOT RUN: $1" >&2
    exit 1
}

if [ -z "${FREEZE_NAMESPACE:-}" ]; then
    for program in ip iptables unshare nsenter; do
        command -v "$program" >/dev/null || not_run "the program $program is missing"
    done
    [ "$(id -u)" = 0 ] && enter="unshare --net" || enter="unshare --user --map-root-user --net"
    $enter iptables --append INPUT --in-interface none --jump DROP 2>/dev/null ||
        not_run "this user cannot create a network namespace with a packet filter (root can)"
    cargo test --package gateway --package testkit --locked --features fdb --no-run
    FREEZE_NAMESPACE=1 exec $enter sh "$0"
fi

ip link set lo up
unshare --net sleep infinity &
holder=$!
trap 'kill "$holder"' EXIT
trap 'exit 1' HUP INT TERM
# Until the child has its own namespace, a link would stay in this one.
while [ "$(readlink /proc/self/ns/net)" = "$(readlink "/proc/$holder/ns/net")" ]; do :; done
in_cluster="nsenter --target $holder --net"
ip link add programs type veth peer name cluster netns "$holder"
ip address add 10.77.0.1/30 dev programs
ip link set programs up
$in_cluster ip link set lo up
$in_cluster ip address add 10.77.0.2/30 dev cluster
$in_cluster ip link set cluster up

command -v fdbserver >/dev/null || [ -d .tools/foundationdb ] || not_run "fdbserver and fdbcli are missing"
CLUSTER_HOST=10.77.0.2 CLUSTER_ENTER=$in_cluster FREEZE_CLUSTER_PID=$holder sh infra/fdb/with-cluster.sh \
    cargo test --package gateway --package testkit --locked --features fdb --test it -- --ignored --exact --nocapture \
    freeze::the_first_request_after_a_freeze_of_minutes_succeeds_within_2_5_seconds
