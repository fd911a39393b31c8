//! How much each client network holds at a time: connections, or requests in progress.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Address;

/// By how much the limit of a site exceeds that of a subscriber: providers assign a subscriber an IPv6 network of 64
/// bits, or one of 56 or 48 bits (RFC 6177).
const SITE_FACTOR: usize = 2;

/// A network, with its level in [`Address::networks`]: networks of several levels can have the same first address.
type Network = (usize, Address);

/// The level of the smallest network that a subscriber has.
const SUBSCRIBER: usize = 2;

/// Counts what client networks hold. Nothing is kept of a network that holds nothing.
#[derive(Debug)]
pub(super) struct NetworkCounts {
    /// The limit of an IPv4 address and of an IPv6 network of 64 bits. One of 56 or 48 bits has twice as much.
    limit: usize,
    counts: HashMap<Network, usize>,
}

impl NetworkCounts {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            counts: HashMap::new(),
        }
    }

    /// Counts one more for the networks of this address, if the limit of none of them is reached. Returns whether it
    /// did.
    pub(super) fn add(&mut self, address: IpAddr) -> bool {
        let has_room = self.has_room(address);
        if has_room {
            for network in networks(address) {
                *self.counts.entry(network).or_default() += 1;
            }
        }
        has_room
    }

    /// Whether the limit of no network of this address is reached.
    pub(super) fn has_room(&self, address: IpAddr) -> bool {
        networks(address).all(|network| {
            let factor = if network.0 < SUBSCRIBER { SITE_FACTOR } else { 1 };
            let held = self.counts.get(&network).copied().unwrap_or_default();
            held < self.limit.saturating_mul(factor)
        })
    }

    /// Counts one less for the networks of an address for which one more was counted.
    pub(super) fn remove(&mut self, address: IpAddr) {
        for network in networks(address) {
            if let Some(count) = self.counts.get_mut(&network) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&network);
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

/// The networks of an address, the widest first. An IPv4 address is one network.
fn networks(address: IpAddr) -> impl Iterator<Item = Network> {
    let address = Address::new(address);
    let skipped = if address.is_ipv4() { SUBSCRIBER } else { 0 };
    address.networks().into_iter().enumerate().skip(skipped)
}

/// The limit of requests that a client network has in progress. Connections do not limit them behind a proxy, which
/// shares its connections among all clients: with a client that sends many requests over one connection to the proxy,
/// and completes none of them, one client could hold all connections of the proxy. Clones share the counts.
#[derive(Clone, Debug)]
pub(super) struct RequestLimit(Option<Arc<Mutex<NetworkCounts>>>);

/// A request in progress, which is counted until the last clone of this is dropped.
#[derive(Clone, Debug)]
pub(crate) struct InProgress(#[expect(dead_code, reason = "only its drop matters")] Option<Arc<Counted>>);

#[derive(Debug)]
struct Counted {
    counts: Arc<Mutex<NetworkCounts>>,
    client: IpAddr,
}

impl RequestLimit {
    /// A limit per network; `None` counts nothing.
    pub(super) fn new(limit: Option<usize>) -> Self {
        Self(limit.map(|limit| Arc::new(Mutex::new(NetworkCounts::new(limit)))))
    }

    /// Counts a request from this client address; `None` if the limit is reached.
    pub(super) fn start(&self, client: IpAddr) -> Option<InProgress> {
        let Some(counts) = &self.0 else {
            return Some(InProgress(None));
        };
        lock(counts).add(client).then(|| {
            InProgress(Some(Arc::new(Counted {
                counts: counts.clone(),
                client,
            })))
        })
    }

    /// Whether no request is in progress.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.0.as_ref().is_none_or(|counts| lock(counts).is_empty())
    }

    /// Whether a further request from this client address would be served.
    #[cfg(test)]
    pub(super) fn has_room(&self, client: IpAddr) -> bool {
        self.0.as_ref().is_none_or(|counts| lock(counts).has_room(client))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        lock(&self.counts).remove(self.client);
    }
}

fn lock(counts: &Mutex<NetworkCounts>) -> MutexGuard<'_, NetworkCounts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_ipv4_address_and_a_network_of_64_bits_have_the_limit_and_wider_networks_twice_as_much() {
        for (limit, addresses) in [
            (4, &["192.0.2.1", "::ffff:192.0.2.1"][..]),
            (4, &["2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"]),
            (
                8,
                &["2001:db8::1", "2001:db8:0:1::", "2001:db8:0:2::", "2001:db8:0:3::"],
            ),
            (8, &["2001:db8:0:100::", "2001:db8:0:200::", "2001:db8:0:300::"]),
            (16, &["2001:db8:1::", "2001:db8:2::", "2001:db8:3::", "192.0.2.2"]),
        ] {
            let mut counts = NetworkCounts::new(4);
            let all = addresses.iter().cycle().take(100).map(|text| address(text));
            let counted: Vec<_> = all.filter(|address| counts.add(*address)).collect();
            assert_eq!(counted.len(), limit, "{addresses:?}");
            for address in counted {
                counts.remove(address);
            }
            assert!(counts.is_empty(), "nothing is kept of clients that left");
        }
    }

    #[test]
    fn a_request_counts_until_its_last_clone_is_dropped() {
        let limit = RequestLimit::new(Some(1));
        let client = address("192.0.2.1");
        let first = limit.start(client).unwrap();
        let clone = first.clone();
        drop(first);
        assert!(limit.clone().start(client).is_none());
        assert!(limit.start(address("192.0.2.2")).is_some());
        drop(clone);
        assert!(limit.is_idle());
        let unlimited = RequestLimit::new(None);
        assert!((0..100).all(|_| unlimited.start(client).is_some()));
    }
}
