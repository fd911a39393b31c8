//! How many connections a server has at a time: in total, and per peer.
//!
//! Every connection costs a descriptor and a buffer, and a client can hold it open for the time limits of a connection
//! without sending a request. Within the limits a connection is served. Beyond them it gets a place in a small reserve
//! where only `/health` is served, so that an orchestrator does not restart a server because it is busy. When the
//! reserve is full, a new connection takes the place of the oldest one of the peer that has most places there.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::observer::Reached;

/// The limits of a server's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionLimits {
    pub(super) total: usize,
    pub(super) per_peer: usize,
    /// The places of the reserve.
    pub(super) reserve: usize,
}

/// Counts the connections of one listener.
#[derive(Debug)]
pub(super) struct Admission {
    limits: ConnectionLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    peers: HashMap<IpAddr, usize>,
    /// The connections in the reserve, oldest first.
    reserve: VecDeque<Reserved>,
    /// The connections that are or were in the reserve and have not ended.
    reserve_open: usize,
    next: u64,
}

#[derive(Debug)]
struct Reserved {
    number: u64,
    peer: IpAddr,
    /// Dropped to end the connection.
    _keep: oneshot::Sender<()>,
}

/// What happens with a new connection.
#[derive(Debug)]
pub(super) enum Admitted {
    /// It is served.
    Open(Place),
    /// Only `/health` is served, until the receiver resolves.
    Reserve(Place, oneshot::Receiver<()>, Reached),
    /// It is closed.
    Refused,
}

/// The place of a connection, which becomes free when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    admission: Arc<Admission>,
    peer: IpAddr,
    /// The number in the reserve.
    reserved: Option<u64>,
}

impl Admission {
    pub(super) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::default(),
        })
    }

    /// Decides about a new connection from this address.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Admitted {
        let peer = network(address);
        let place = |reserved| Place {
            admission: self.clone(),
            peer,
            reserved,
        };
        let mut state = self.state();
        let of_peer = state.peers.get(&peer).copied().unwrap_or_default();
        if state.open < self.limits.total && of_peer < self.limits.per_peer {
            state.open += 1;
            state.peers.insert(peer, of_peer + 1);
            return Admitted::Open(place(None));
        }
        // A connection that has to leave still has its descriptor until its task ends.
        if state.reserve_open >= 2 * self.limits.reserve {
            return Admitted::Refused;
        }
        if state.reserve.len() == self.limits.reserve {
            state.evict();
        }
        let (keep, evicted) = oneshot::channel();
        let number = state.next;
        state.next += 1;
        state.reserve_open += 1;
        state.reserve.push_back(Reserved {
            number,
            peer,
            _keep: keep,
        });
        let reached = if of_peer < self.limits.per_peer {
            Reached::Total
        } else {
            Reached::Peer
        };
        Admitted::Reserve(place(Some(number)), evicted, reached)
    }

    /// The number of connections that are served.
    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.state().open
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Removes the oldest connection of the peer that has most places in the reserve.
    fn evict(&mut self) {
        let mut counts = HashMap::new();
        for reserved in &self.reserve {
            *counts.entry(reserved.peer).or_insert(0) += 1;
        }
        let most = counts.values().copied().max();
        let oldest = self
            .reserve
            .iter()
            .position(|reserved| counts.get(&reserved.peer).copied() == most);
        if let Some(index) = oldest {
            self.reserve.remove(index);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        if let Some(number) = self.reserved {
            state.reserve_open -= 1;
            state.reserve.retain(|reserved| reserved.number != number);
            return;
        }
        state.open -= 1;
        if let Some(count) = state.peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                state.peers.remove(&self.peer);
            }
        }
    }
}

/// The network that counts as one peer: an IPv4 address, or an IPv6 network of 64 bits, which every customer has.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(total: usize, per_peer: usize, reserve: usize) -> Arc<Admission> {
        Admission::new(ConnectionLimits {
            total,
            per_peer,
            reserve,
        })
    }

    fn admit(admission: &Arc<Admission>, address: &str) -> Admitted {
        admission.admit(address.parse().unwrap())
    }

    #[track_caller]
    fn open(admission: &Arc<Admission>, address: &str) -> Place {
        match admit(admission, address) {
            Admitted::Open(place) => place,
            other => panic!("{address}: {other:?}"),
        }
    }

    #[track_caller]
    fn reserve(admission: &Arc<Admission>, address: &str, expected: Reached) -> (Place, oneshot::Receiver<()>) {
        match admit(admission, address) {
            Admitted::Reserve(place, evicted, reached) if reached == expected => (place, evicted),
            other => panic!("{address}: {other:?}"),
        }
    }

    #[test]
    fn a_peer_is_an_ipv4_address_or_an_ipv6_network_of_64_bits() {
        let admission = admission(100, 2, 8);
        for peer in [
            ["192.0.2.1", "::ffff:192.0.2.1"],
            ["192.0.2.2", "192.0.2.2"],
            ["2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"],
            ["2001:db8:0:1::1", "2001:db8:0:1:8::"],
        ] {
            let places = peer.map(|address| open(&admission, address));
            reserve(&admission, peer[1], Reached::Peer);
            drop(places);
            open(&admission, peer[0]);
        }
        assert_eq!(admission.open(), 0);
        assert!(
            admission.state().peers.is_empty(),
            "nothing is kept of a peer that left"
        );
    }

    #[test]
    fn beyond_the_total_a_connection_is_in_the_reserve_until_a_place_is_free() {
        let admission = admission(2, 2, 8);
        let first = open(&admission, "192.0.2.1");
        let _second = open(&admission, "192.0.2.2");
        reserve(&admission, "192.0.2.3", Reached::Total);
        drop(first);
        open(&admission, "192.0.2.3");
    }

    #[test]
    fn the_reserve_evicts_the_oldest_of_the_peer_with_most_places() {
        let admission = admission(0, 1, 3);
        let mut other = reserve(&admission, "192.0.2.9", Reached::Total);
        let mut flood: Vec<_> = (0..20)
            .map_while(|_| match admit(&admission, "192.0.2.1") {
                Admitted::Reserve(place, evicted, _) => Some((place, evicted)),
                _ => None,
            })
            .collect();
        assert_eq!(flood.len(), 5, "evicted connections that have not ended count, too");
        let evicted: Vec<_> = flood
            .iter_mut()
            .map(|(_, evicted)| evicted.try_recv() == Err(oneshot::error::TryRecvError::Closed))
            .collect();
        assert_eq!(evicted, [true, true, true, false, false]);
        assert_eq!(other.1.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        assert!(matches!(admit(&admission, "192.0.2.2"), Admitted::Refused));
        flood.clear();
        let _probe = reserve(&admission, "192.0.2.2", Reached::Total);
        assert_eq!(other.1.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    }
}
