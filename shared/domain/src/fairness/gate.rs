//! Admission to scarce work: a request is admitted first, and waits in the queue for a slot when it needs one.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::client::{Address, Client};
use crate::fairness::queue::{FairQueue, Path, Pushed, Ticket};

/// The places and the slots, shared fairly ([`FairQueue`]).
pub(crate) struct Gate {
    state: Mutex<State>,
    /// Seeded at random, so that a client cannot choose an account that shares another one's turns.
    accounts: RandomState,
}

struct State {
    /// Each waiting request gets its slot through its sender.
    queue: FairQueue<oneshot::Sender<Slot>>,
    free_slots: usize,
}

/// An admission by a gate, released on drop.
pub(crate) struct Place {
    gate: Arc<Gate>,
    path: Path,
}

/// The right to work, released on drop.
pub(crate) struct Slot(Arc<Gate>);

/// The queue is full, or became full of requests that are to be served first.
#[derive(Debug)]
pub(crate) struct Displaced;

impl Gate {
    /// A gate for at most `places` waiting requests and `slots` concurrent ones.
    pub(crate) fn new(places: usize, slots: usize) -> Self {
        Self {
            state: Mutex::new(State {
                queue: FairQueue::new(places),
                free_slots: slots,
            }),
            accounts: RandomState::new(),
        }
    }

    /// Admits a request; `None` if the share of the client's networks or of the account is full. Clients without an
    /// address are one network.
    pub(crate) fn admit(self: &Arc<Self>, client: &Client, account: impl Hash) -> Option<Place> {
        let networks = client
            .address
            .map_or([0; 3], |address| address.networks().map(Address::to_bits));
        let [widest, middle, narrowest] = networks;
        let path = [widest, middle, narrowest, self.accounts.hash_one(account).into()];
        self.state().queue.admit(&path).then(|| Place {
            gate: self.clone(),
            path,
        })
    }

    /// Gives free slots to waiting requests.
    fn start_next(self: &Arc<Self>) {
        let next = {
            let mut state = self.state();
            let State { queue, free_slots } = &mut *state;
            if *free_slots == 0 {
                return;
            }
            let Some(next) = queue.pop() else { return };
            *free_slots -= 1;
            next
        };
        // Outside the lock: if the request is gone, dropping its slot starts the next one.
        drop(next.send(Slot(self.clone())));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits for a slot.
    pub(crate) async fn slot(&self) -> Result<Slot, Displaced> {
        let (sender, receiver) = oneshot::channel();
        let pushed = self.gate.state().queue.push(&self.path, sender);
        let Pushed { ticket, removed } = pushed.ok_or(Displaced)?;
        // The request that it was waiting for fails.
        drop(removed);
        let _waiting = Waiting { place: self, ticket };
        self.gate.start_next();
        receiver.await.map_err(|_| Displaced)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.state().queue.leave(&self.path);
    }
}

/// A waiting request. It leaves the queue on drop: a client that disconnects must not keep its turn.
struct Waiting<'a> {
    place: &'a Place,
    ticket: Ticket,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let removed = self.place.gate.state().queue.remove(&self.place.path, self.ticket);
        // After the lock is released.
        drop(removed);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.state().free_slots += 1;
        self.0.start_next();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures_util::poll;

    use super::*;

    fn from(address: &str) -> Client {
        Client {
            address: Some(Address::new(address.parse().unwrap())),
            ..Client::default()
        }
    }

    fn gate(slots: usize) -> Arc<Gate> {
        Arc::new(Gate::new(100, slots))
    }

    fn free_slots(gate: &Gate) -> usize {
        gate.state().free_slots
    }

    #[tokio::test]
    async fn slots_go_to_accounts_in_turn_and_return_to_the_gate() {
        let gate = gate(1);
        let greedy: Vec<_> = (0..3)
            .map(|_| gate.admit(&from("192.0.2.1"), "greedy").unwrap())
            .collect();
        let modest = gate.admit(&from("192.0.2.1"), "modest").unwrap();
        let mut waits: Vec<_> = greedy.iter().map(|place| Box::pin(place.slot())).collect();
        let mut other = Box::pin(modest.slot());
        let Poll::Ready(Ok(first)) = poll!(&mut waits[0]) else {
            panic!("a slot is free")
        };
        for wait in &mut waits[1..] {
            assert!(poll!(wait).is_pending());
        }
        assert!(poll!(&mut other).is_pending());
        drop(first);
        let Poll::Ready(Ok(second)) = poll!(&mut waits[1]) else {
            panic!("the account began to wait before the other one")
        };
        assert!(poll!(&mut other).is_pending());
        drop(second);
        assert!(poll!(&mut waits[2]).is_pending(), "the other account is next");
        let Poll::Ready(Ok(third)) = poll!(&mut other) else {
            panic!("it is the other account's turn")
        };
        drop(third);
        assert!(poll!(&mut waits[2]).is_ready());
        assert_eq!(free_slots(&gate), 1);
    }

    #[tokio::test]
    async fn a_request_that_is_cancelled_gives_its_turn_and_its_slot_away() {
        let gate = gate(1);
        let places: Vec<_> = (0..4).map(|n| gate.admit(&from("192.0.2.1"), n).unwrap()).collect();
        let held = places[0].slot().await.unwrap();
        let mut waits: Vec<_> = places[1..].iter().map(|place| Box::pin(place.slot())).collect();
        for wait in &mut waits {
            assert!(poll!(wait).is_pending());
        }
        // The first is cancelled while it waits, the second after it got the slot and before it runs.
        drop(waits.remove(0));
        drop(held);
        drop(waits.remove(0));
        assert!(poll!(&mut waits[0]).is_ready());
        drop(waits);
        assert_eq!(free_slots(&gate), 1);
    }

    #[tokio::test]
    async fn in_a_full_queue_a_newcomer_takes_the_place_of_a_greedy_account() {
        let gate = Arc::new(Gate::new(2, 1));
        let admit = |account| gate.admit(&from("192.0.2.1"), account).unwrap();
        let (greedy, modest) = ([(); 4].map(|()| admit("greedy")), admit("modest"));
        let hashing = greedy[0].slot().await.unwrap();
        let mut waits = [&greedy[1], &greedy[2]].map(|place| Box::pin(place.slot()));
        for wait in &mut waits {
            assert!(poll!(wait).is_pending());
        }
        assert!(greedy[3].slot().await.is_err(), "its own requests fill the queue");
        assert!(gate.admit(&from("192.0.2.1"), "greedy").is_none());
        let mut other = Box::pin(modest.slot());
        assert!(poll!(&mut other).is_pending());
        assert!(matches!(poll!(&mut waits[1]), Poll::Ready(Err(Displaced))));
        drop(hashing);
        assert!(poll!(&mut waits[0]).is_ready(), "it began to wait before");
        assert!(poll!(&mut other).is_ready());
        assert_eq!(free_slots(&gate), 1);
    }

    #[test]
    fn a_place_is_returned_on_drop() {
        let gate = gate(1);
        let admit = || gate.admit(&Client::default(), "account");
        let mut places: Vec<_> = std::iter::from_fn(admit).collect();
        assert_eq!(places.len(), 320);
        assert!(admit().is_none());
        places.pop();
        places.extend(admit());
        assert!(admit().is_none());
    }

    #[test]
    fn ipv6_networks_share_and_ipv4_addresses_do_not() {
        let count = |address: &dyn Fn(u32) -> String| {
            let gate = gate(1);
            let admit = |n| gate.admit(&from(&address(n)), n);
            // Kept, because a dropped place is free again.
            let places: Vec<_> = (0..2000).filter_map(admit).collect();
            places.len()
        };
        assert_eq!(count(&|n| format!("192.0.{}.{}", n / 256, n % 256)), 1600);
        assert!(count(&|n| format!("2001:db8:1:{n:x}::1")) <= 800, "in one /48");
        assert!(count(&|n| format!("2001:db8:1:100::{n:x}")) <= 400, "in one /64");
    }
}
