//! How many connections a server has at a time: in total, and per network of a peer.
//!
//! Every connection costs a descriptor and a buffer, and a client can hold it open for the time limits of a connection
//! without sending a request. Within the limits a connection is served. Beyond them it gets a place in a small reserve
//! where only `/health` is served, so that an orchestrator does not restart a server because it is busy. When the
//! reserve is full, a new connection takes the place of the oldest one of the peer that has most places there.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Address;
use tokio::sync::oneshot;

use super::networks::NetworkCounts;
use crate::observer::Reached;

/// The limits of a server's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionLimits {
    pub(super) total: usize,
    /// Of a peer: an IPv4 address or an IPv6 network of 64 bits. One of 56 or 48 bits has twice as many.
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

#[derive(Debug)]
struct State {
    open: usize,
    peers: NetworkCounts,
    /// The connections in the reserve, oldest first.
    reserve: VecDeque<Reserved>,
    /// The connections that are or were in the reserve and have not ended.
    reserve_open: usize,
    next: u64,
}

#[derive(Debug)]
struct Reserved {
    number: u64,
    peer: Address,
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
    address: IpAddr,
    /// The number in the reserve.
    reserved: Option<u64>,
}

impl Admission {
    pub(super) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::new(State {
                open: 0,
                peers: NetworkCounts::new(limits.per_peer),
                reserve: VecDeque::new(),
                reserve_open: 0,
                next: 0,
            }),
        })
    }

    /// Decides about a new connection from this address.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Admitted {
        let place = |reserved| Place {
            admission: self.clone(),
            address,
            reserved,
        };
        let mut state = self.state();
        if state.open < self.limits.total && state.peers.add(address) {
            state.open += 1;
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
            peer: Address::new(address).network(),
            _keep: keep,
        });
        let reached = if state.peers.has_room(address) {
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
        state.peers.remove(self.address);
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
    fn the_networks_of_64_bits_in_one_of_56_or_48_cannot_fill_the_total() {
        for addresses in [
            ["2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1"],
            [
                "2001:db8::1",
                "2001:db8:0:100::1",
                "2001:db8:0:200::1",
                "2001:db8:0:300::1",
            ],
        ] {
            let admission = admission(8, 2, 8);
            let mut places = Vec::new();
            for address in &addresses[..2] {
                places.extend([(); 2].map(|()| open(&admission, address)));
            }
            for address in &addresses[2..] {
                reserve(&admission, address, Reached::Peer);
            }
            open(&admission, "2001:db8:1::1");
        }
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
