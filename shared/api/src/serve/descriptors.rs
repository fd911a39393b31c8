//! How many connections fit into the process's limit of open files.

use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::admission::ConnectionLimits;
use crate::config::Connections;

/// The limit of open files that a server wants, if the system allows that many.
const WANTED: u64 = 65_536;

/// The descriptors that are left for everything but connections: the store, the log, the listeners, the metrics.
const OTHERS: usize = 64;

/// The descriptors of a thread's runtime.
const PER_THREAD: usize = 4;

/// The places of the reserve.
const RESERVE: usize = 16;

/// The most connections that a server has by default: each costs memory, too.
const TOTAL_MAX: usize = 10_000;

/// The share of the total that one peer, or one client behind the proxies, has by default.
const PEERS: usize = 4;

/// The configured limits. What is not configured follows from the limit of open files, which is raised first: the usual
/// soft limit of 1,024 is for programs that use `select`.
pub(super) fn limits(configured: Connections, trusted_proxies: usize) -> ConnectionLimits {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    limits_within(raised_limit(), cores, configured, trusted_proxies)
}

/// The limit of the requests that a client has in progress. Without proxies, its connections limit them: each serves
/// one request at a time.
pub(super) fn requests_per_client(configured: Connections, total: usize, trusted_proxies: usize) -> Option<usize> {
    let derived = (trusted_proxies > 0).then(|| total.div_ceil(PEERS));
    configured.requests_per_client.or(derived)
}

fn limits_within(
    descriptors: usize,
    cores: usize,
    configured: Connections,
    trusted_proxies: usize,
) -> ConnectionLimits {
    // Connections that have to leave the reserve have their descriptors for a moment.
    let others = OTHERS + PER_THREAD * cores + 2 * RESERVE;
    let derived = descriptors.saturating_sub(others).clamp(1, TOTAL_MAX);
    let total = configured.total.unwrap_or(derived);
    let per_peer = configured.per_peer.unwrap_or(match trusted_proxies {
        0 => total.div_ceil(PEERS),
        // All clients have the few addresses of the proxies.
        _ => total,
    });
    ConnectionLimits {
        total,
        per_peer,
        reserve: RESERVE,
    }
}

/// The limit of open files, after raising it as far as the system allows.
fn raised_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let soft = current.unwrap_or(WANTED);
    let wanted = maximum.map_or(WANTED, |hard| hard.min(WANTED));
    let raised = Rlimit {
        current: Some(wanted),
        maximum,
    };
    let limit = if soft < wanted && setrlimit(Resource::Nofile, raised).is_ok() {
        wanted
    } else {
        soft
    };
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Connections = Connections {
        total: None,
        per_peer: None,
        requests_per_client: None,
    };

    #[test]
    fn the_total_leaves_descriptors_for_the_rest_of_the_server() {
        let total = |descriptors, cores| limits_within(descriptors, cores, NOTHING, 0).total;
        assert_eq!(total(256, 2), 152);
        assert_eq!(total(1024, 8), 896);
        assert_eq!(total(1_000_000, 64), TOTAL_MAX);
        assert_eq!(total(10, 1), 1);
    }

    #[test]
    fn a_peer_has_a_quarter_unless_the_peers_are_proxies() {
        let limits = |configured, proxies| limits_within(1_000_000, 8, configured, proxies);
        assert_eq!(limits(NOTHING, 0).per_peer, TOTAL_MAX / 4);
        assert_eq!(limits(NOTHING, 1).per_peer, TOTAL_MAX);
        let configured = Connections {
            total: Some(7),
            per_peer: Some(5),
            ..NOTHING
        };
        assert_eq!((limits(configured, 1).total, limits(configured, 1).per_peer), (7, 5));
    }

    #[test]
    fn behind_proxies_a_client_has_a_quarter_of_the_total_in_progress() {
        assert_eq!(requests_per_client(NOTHING, 100, 0), None);
        assert_eq!(requests_per_client(NOTHING, 100, 1), Some(25));
        let configured = Connections {
            requests_per_client: Some(7),
            ..NOTHING
        };
        assert_eq!(requests_per_client(configured, 100, 0), Some(7));
    }
}
