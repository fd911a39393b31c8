//! The order in which waiting requests are served, and how many may wait: shared fairly among networks, and within a
//! network among accounts.
//!
//! The queue is a tree: networks of 48, 56 and 64 bits, then accounts ([`Path`]). An IPv4 address is one network at all
//! three levels. Every node serves its children in turn (round robin; every request costs the same). So, at each
//! level, a request waits for one turn of each sibling, however many requests the sibling has waiting.
//!
//! **A full queue makes room.** The *load* of a node is the number of its waiting requests and of its requests among
//! the last [`RECENT_PER_PLACE`] times as many that were served as may wait. A request that finds the queue full takes
//! the place of another one, if that evens the loads out: at the widest level at which a sibling that has a request
//! waiting has a load of at least two more. In the sibling with the highest load, the account with the highest load
//! loses its newest request. This is push-out of the longest queue, as in shared switch buffers. So:
//!
//! - A request is rejected only if, at each level, every sibling that has a request waiting has a load of at most one
//!   more than the request's own node.
//! - *Among networks:* a request from a network of 48 bits that has none waiting and was not served lately is rejected
//!   only if all waiting requests are from different networks, none of which was served lately. How many requests and
//!   accounts a network uses does not matter.
//! - *Among the accounts of a network* that does have requests waiting: a request of an account that has none waiting
//!   and was not served lately is rejected only if all these requests are of different accounts, none of which was
//!   served lately. How many requests an account sends does not matter. How many accounts send them does: with more
//!   accounts than requests that count as served lately, a client can keep the other accounts of its network out.
//! - An account's only request is never removed for another account of its network, unless the account was served
//!   lately. It is removed for a client elsewhere, if its network has the highest load.
//!
//! **Before they wait**, requests read their account, and afterwards they write. Then they hold no place of the queue,
//! but they are admitted. The number of admitted requests is limited, too, and leaves room for others without knowing
//! how many there are: a child may hold less than what its siblings leave free (dynamic thresholds, Choudhury and Hahne
//! 1998).
//!
//! It is implemented here, because fair queues on crates.io schedule weighted packet flows, and neither nest nor bound
//! admission.

use std::collections::VecDeque;

/// The levels below the root: three networks and the account.
const LEVELS: usize = 4;

/// How many requests may be admitted for each that may wait: the others read or write the store.
pub(crate) const ADMITTED_PER_PLACE: usize = 16;

/// How many served requests count in the load, for each that may wait.
const RECENT_PER_PLACE: usize = 8;

/// By how much the load of another node must exceed the own one, so that taking a place from it evens both out.
const UNEVEN: usize = 2;

/// The position of a request in the tree: the networks of its client, widest first, then its account.
pub(super) type Path = [u128; LEVELS];

/// Identifies a waiting item, to remove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// An item that was added, and the one whose place it took.
#[derive(Debug)]
pub(super) struct Pushed<T> {
    pub(super) ticket: Ticket,
    pub(super) removed: Option<T>,
}

/// The queue. Its size is bounded by the number of places: no node exists without a request that is admitted or was
/// served lately.
pub(super) struct FairQueue<T> {
    places: usize,
    tickets: u64,
    root: Node<T>,
    /// The requests that were served lately, oldest first.
    recent: VecDeque<Path>,
}

struct Node<T> {
    key: u128,
    /// The number of admitted requests at or below this node.
    admitted: usize,
    /// The number of waiting items at or below this node.
    waiting: usize,
    /// The number of requests at or below this node that were served lately.
    recent: usize,
    /// The children. One that begins to wait, or was served, moves to the end.
    children: VecDeque<Node<T>>,
    /// The waiting items of an account, first come, first served.
    items: VecDeque<(Ticket, T)>,
}

impl<T> FairQueue<T> {
    /// A queue in which at most `places` requests wait.
    pub(super) fn new(places: usize) -> Self {
        Self {
            places,
            tickets: 0,
            root: Node::new(0),
            recent: VecDeque::new(),
        }
    }

    /// Admits a request, before it waits. Returns whether its share allows it, and whether it could wait now.
    pub(super) fn admit(&mut self, path: &Path) -> bool {
        let limit = self.places * ADMITTED_PER_PLACE;
        let mut free = limit.saturating_sub(self.root.admitted);
        let mut node = Some(&self.root);
        for key in path {
            node = node.and_then(|node| node.child(*key));
            let held = node.map_or(0, |child| child.admitted);
            if held >= free {
                return false;
            }
            free -= held;
        }
        let has_room = self.root.waiting < self.places || self.uneven(path).is_some();
        if has_room {
            self.root.at(path, &mut |node| node.admitted += 1);
        }
        has_room
    }

    /// Notes that an admitted request has ended.
    pub(super) fn leave(&mut self, path: &Path) {
        self.root
            .at(path, &mut |node| node.admitted = node.admitted.saturating_sub(1));
    }

    /// Adds an item of an admitted request; `None` if the queue is full and the request may take no other one's place.
    pub(super) fn push(&mut self, path: &Path, item: T) -> Option<Pushed<T>> {
        let other = if self.root.waiting < self.places {
            None
        } else {
            Some(self.uneven(path)?)
        };
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.root.push(path, (ticket, item));
        // After the push, so that a network in which both are keeps its turn.
        let removed = other.and_then(|other| self.root.remove(&other, &mut |items| items.pop_back()));
        Some(Pushed { ticket, removed })
    }

    /// Removes the next item.
    pub(super) fn pop(&mut self) -> Option<T> {
        let mut path = [0; LEVELS];
        let item = self.root.pop(&mut path)?;
        self.root.at(&path, &mut |node| node.recent += 1);
        self.recent.push_back(path);
        if self.recent.len() > self.places * RECENT_PER_PLACE
            && let Some(oldest) = self.recent.pop_front()
        {
            self.root.at(&oldest, &mut |node| node.recent -= 1);
        }
        Some(item)
    }

    /// Removes a waiting item, if it is still there.
    pub(super) fn remove(&mut self, path: &Path, ticket: Ticket) -> Option<T> {
        self.root.remove(path, &mut |items| {
            let index = items.iter().position(|(waiting, _)| *waiting == ticket)?;
            items.remove(index)
        })
    }

    /// The account from which a request at `path` may take a place in the full queue.
    fn uneven(&self, path: &Path) -> Option<Path> {
        let mut node = Some(&self.root);
        for (level, key) in path.iter().enumerate() {
            let current = node?;
            let own = current.child(*key);
            // If that is the request's own node, no sibling has a higher load.
            if let Some(other) = current.heaviest_child()
                && other.load() >= own.map_or(0, Node::load) + UNEVEN
            {
                let mut account = *path;
                let mut next = Some(other);
                for key in &mut account[level..] {
                    let Some(node) = next else { break };
                    *key = node.key;
                    next = node.heaviest_child();
                }
                return Some(account);
            }
            node = own;
        }
        None
    }
}

impl<T> Node<T> {
    fn new(key: u128) -> Self {
        Self {
            key,
            admitted: 0,
            waiting: 0,
            recent: 0,
            children: VecDeque::new(),
            items: VecDeque::new(),
        }
    }

    fn load(&self) -> usize {
        self.waiting + self.recent
    }

    fn position(&self, key: u128) -> Option<usize> {
        self.children.iter().position(|child| child.key == key)
    }

    fn child(&self, key: u128) -> Option<&Self> {
        self.position(key).map(|index| &self.children[index])
    }

    /// The child with the highest load of those that have a request waiting. Of several, the one whose turn is last.
    fn heaviest_child(&self) -> Option<&Self> {
        let waiting = self.children.iter().filter(|child| child.waiting > 0);
        waiting.max_by_key(|child| child.load())
    }

    /// Changes this node and those at `path` below it, which are created, and removed if nothing is left of them.
    fn at(&mut self, path: &[u128], change: &mut impl FnMut(&mut Self)) {
        change(self);
        let Some((key, path)) = path.split_first() else { return };
        let index = self.position(*key).unwrap_or_else(|| {
            self.children.push_back(Self::new(*key));
            self.children.len() - 1
        });
        let child = &mut self.children[index];
        child.at(path, change);
        if child.admitted == 0 && child.load() == 0 {
            self.children.remove(index);
        }
    }

    fn push(&mut self, path: &[u128], item: (Ticket, T)) {
        let Some((key, path)) = path.split_first() else {
            self.waiting += 1;
            self.items.push_back(item);
            return;
        };
        if let Some(mut index) = self.position(*key) {
            self.waiting += 1;
            // A node that begins to wait is behind all that wait already.
            if self.children[index].waiting == 0
                && let Some(child) = self.children.remove(index)
            {
                index = self.children.len();
                self.children.push_back(child);
            }
            self.children[index].push(path, item);
        }
    }

    /// Removes the next item, and writes its path.
    fn pop(&mut self, path: &mut [u128]) -> Option<T> {
        let popped = if let Some((_, item)) = self.items.pop_front() {
            Some(item)
        } else {
            let next = self.children.iter().position(|child| child.waiting > 0)?;
            let (key, path) = path.split_first_mut()?;
            let mut child = self.children.remove(next)?;
            *key = child.key;
            let item = child.pop(path);
            self.children.push_back(child);
            item
        };
        self.waiting -= usize::from(popped.is_some());
        popped
    }

    /// Removes an item of an account, which `take` chooses.
    fn remove(
        &mut self,
        path: &[u128],
        take: &mut impl FnMut(&mut VecDeque<(Ticket, T)>) -> Option<(Ticket, T)>,
    ) -> Option<T> {
        let removed = match path.split_first() {
            None => take(&mut self.items).map(|(_, item)| item),
            Some((key, path)) => {
                let index = self.position(*key)?;
                self.children[index].remove(path, take)
            }
        };
        self.waiting -= usize::from(removed.is_some());
        removed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const PLACES: usize = 100;

    /// The number of requests that are admitted at most.
    const ADMITTED: usize = PLACES * ADMITTED_PER_PLACE;

    /// The path of an account at an IPv4 address.
    fn at(address: u128, account: u128) -> Path {
        [address, address, address, account]
    }

    fn admit(queue: &mut FairQueue<u32>, path: Path) -> usize {
        (0..2 * ADMITTED).take_while(|_| queue.admit(&path)).count()
    }

    fn push(queue: &mut FairQueue<u32>, path: Path, items: impl IntoIterator<Item = u32>) {
        for item in items {
            assert!(queue.admit(&path));
            assert!(queue.push(&path, item).unwrap().removed.is_none());
        }
    }

    fn order(mut queue: FairQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn accounts_take_turns_and_a_later_one_waits_for_one_turn_only() {
        let mut queue = FairQueue::new(PLACES);
        push(&mut queue, at(1, 1), [10, 11, 12, 13]);
        push(&mut queue, at(1, 2), [20, 21]);
        assert_eq!(queue.pop(), Some(10));
        push(&mut queue, at(1, 3), [30]);
        assert_eq!(order(queue), [20, 11, 30, 21, 12, 13]);
    }

    #[test]
    fn networks_take_turns_however_many_accounts_and_subnetworks_they_use() {
        let mut queue = FairQueue::new(PLACES);
        // Accounts at one address, and the subnetworks of 48 bits.
        for account in 1..=4 {
            push(&mut queue, at(1, account), [1]);
            push(&mut queue, [2, 20, 200 + account, account], [2]);
        }
        push(&mut queue, at(3, 9), [3, 3]);
        assert_eq!(order(queue), [1, 2, 3, 1, 2, 3, 1, 2, 1, 2]);
    }

    #[test]
    fn one_account_and_one_network_leave_room_for_others() {
        let mut queue = FairQueue::new(PLACES);
        assert_eq!(admit(&mut queue, at(1, 1)), ADMITTED / 5);
        // Another account at the same address, then many more.
        assert!(admit(&mut queue, at(1, 2)) >= 4);
        let crowd: usize = (3..100).map(|account| admit(&mut queue, at(1, account))).sum();
        assert!((1..=ADMITTED / 2).contains(&crowd), "{crowd}");
        // From elsewhere, as much as if the address were one user.
        assert!(admit(&mut queue, at(2, 1)) >= ADMITTED / 10);
    }

    #[test]
    fn networks_of_64_bits_in_one_of_48_share_half_of_the_places() {
        let mut queue = FairQueue::new(PLACES);
        let admitted: usize = (0..4000).map(|net| admit(&mut queue, [1, net / 10, net, net])).sum();
        assert!((ADMITTED / 3..=ADMITTED / 2).contains(&admitted), "{admitted}");
        assert!(admit(&mut queue, [2, 1, 1, 1]) >= ADMITTED / 10);
    }

    #[test]
    fn the_last_request_that_is_admitted_is_of_a_newcomer() {
        let mut queue: FairQueue<u32> = FairQueue::new(PLACES);
        for address in 1..=ADMITTED as u128 {
            assert!(queue.admit(&at(address, 0)), "{address}");
        }
        assert!(!queue.admit(&at(0, 0)));
        queue.leave(&at(7, 0));
        assert!(!queue.admit(&at(8, 0)), "it already holds as many as are free");
        assert!(queue.admit(&at(0, 0)));
    }

    /// Adds an item to the full queue, and returns the one whose place it took.
    fn displace(queue: &mut FairQueue<u32>, path: Path, item: u32) -> Option<u32> {
        assert_eq!(queue.root.waiting, queue.places);
        queue
            .admit(&path)
            .then(|| queue.push(&path, item).unwrap().removed.unwrap())
    }

    #[test]
    fn in_a_full_queue_a_newcomer_takes_the_place_of_the_newest_request_of_the_greediest() {
        let mut queue = FairQueue::new(6);
        push(&mut queue, at(1, 1), [10, 11, 12]);
        push(&mut queue, at(1, 2), [20]);
        push(&mut queue, at(2, 1), [30, 31]);
        // From elsewhere, and from the same address.
        assert_eq!(displace(&mut queue, at(3, 1), 40), Some(12));
        assert_eq!(displace(&mut queue, at(1, 3), 50), Some(11));
        assert_eq!(displace(&mut queue, at(1, 1), 13), None, "its address has most");
        assert_eq!(
            displace(&mut queue, at(3, 2), 41),
            Some(50),
            "the newest one of the address with most, though each is of another account"
        );
        assert_eq!(displace(&mut queue, at(3, 3), 42), None, "no address has more");
        assert_eq!(order(queue), [10, 30, 40, 20, 31, 41]);
    }

    #[test]
    fn in_its_network_the_only_request_of_an_account_keeps_its_place_unless_it_was_served_lately() {
        let mut queue = FairQueue::new(3);
        push(&mut queue, at(1, 1), [10]);
        assert_eq!(queue.pop(), Some(10));
        push(&mut queue, at(1, 1), [11]);
        push(&mut queue, at(1, 2), [20]);
        push(&mut queue, at(1, 3), [30]);
        assert_eq!(displace(&mut queue, at(1, 4), 40), Some(11));
        assert_eq!(displace(&mut queue, at(1, 5), 50), None);
        assert_eq!(displace(&mut queue, at(2, 1), 60), Some(40), "from elsewhere");
        assert_eq!(order(queue), [20, 60, 30]);
    }

    /// Serves 2,000 requests while so many accounts of address 1 keep the queue full, each with one request at a time.
    /// Every 97 rounds an account logs in that does so for the first time, from `address`. Returns the rounds in which
    /// such an account was rejected, or lost its place, and how many were served.
    fn newcomers_among(accounts: u32, address: u128) -> (Vec<u32>, usize) {
        const FIRST_NEWCOMER: u32 = 1_000_000;
        let mut queue = FairQueue::new(PLACES);
        let path = |account: u32| {
            let address = if account < FIRST_NEWCOMER { 1 } else { address };
            at(address, account.into())
        };
        let (mut rejected, mut served) = (Vec::new(), 0);
        let mut idle: VecDeque<u32> = (0..accounts).collect();
        for round in 1..=2000 {
            let newcomer = (round % 97 == 0).then_some(FIRST_NEWCOMER + round);
            // The accounts fill the queue, and one more request of them is rejected or displaces another one.
            let busy: Vec<u32> = idle.drain(..=PLACES - queue.root.waiting).collect();
            for account in busy.into_iter().chain(newcomer) {
                let mut refused = Some(account);
                if queue.admit(&path(account)) {
                    refused = queue.push(&path(account), account).unwrap().removed;
                    if let Some(displaced) = refused {
                        queue.leave(&path(displaced));
                    }
                }
                match refused {
                    Some(account) if account < FIRST_NEWCOMER => idle.push_back(account),
                    Some(_) => rejected.push(round),
                    None => {}
                }
            }
            let account = queue.pop().unwrap();
            queue.leave(&path(account));
            if account < FIRST_NEWCOMER {
                idle.push_back(account);
            } else {
                served += 1;
            }
        }
        (rejected, served)
    }

    #[test]
    fn the_accounts_of_one_network_never_keep_another_network_out_however_many_they_are() {
        for accounts in [300, 2000] {
            assert_eq!(newcomers_among(accounts, 2), (vec![], 20), "{accounts} accounts");
        }
    }

    #[test]
    fn a_new_account_finds_room_in_its_network_among_as_many_accounts_as_count_as_served_lately() {
        let recent = u32::try_from(PLACES * RECENT_PER_PLACE).unwrap();
        let (rejected, served) = newcomers_among(300, 1);
        assert!(
            rejected.iter().all(|round| *round < recent),
            "{rejected:?}: only until each of the others was served"
        );
        assert!(served >= 15, "{served}");
        let (rejected, _) = newcomers_among(2000, 1);
        assert!(
            rejected.iter().any(|round| *round > recent),
            "the documentation says that more accounts keep it out"
        );
    }

    #[test]
    fn a_removed_item_is_not_served_and_does_not_block_others() {
        let mut queue = FairQueue::new(PLACES);
        push(&mut queue, at(1, 1), [10]);
        assert!(queue.admit(&at(1, 1)));
        let ticket = queue.push(&at(1, 1), 11).unwrap().ticket;
        push(&mut queue, at(2, 1), [20]);
        assert_eq!(queue.remove(&at(1, 1), ticket), Some(11));
        assert_eq!(queue.remove(&at(1, 1), ticket), None);
        assert_eq!(order(queue), [10, 20]);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Arrive(Path),
        Serve,
        GiveUp(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        // Few values, so that networks and accounts meet.
        let path = prop::array::uniform4(0u128..3);
        prop_oneof![
            4 => path.prop_map(Step::Arrive),
            2 => Just(Step::Serve),
            1 => any::<usize>().prop_map(Step::GiveUp),
        ]
    }

    /// The level at which two paths part; the last one if they are the same.
    fn first_difference(one: &Path, other: &Path) -> usize {
        (0..LEVELS)
            .find(|&level| one[level] != other[level])
            .unwrap_or(LEVELS - 1)
    }

    fn nodes<T>(node: &Node<T>) -> usize {
        1 + node.children.iter().map(nodes).sum::<usize>()
    }

    proptest! {
        #[test]
        fn siblings_that_wait_get_equal_service_and_nothing_is_lost(
            places in 1usize..40, steps in prop::collection::vec(step(), 0..300),
        ) {
            let mut queue = FairQueue::new(places);
            let mut waiting: Vec<(Path, Ticket, usize)> = Vec::new();
            let mut recent: VecDeque<Path> = VecDeque::new();
            // For each pair of nodes with one parent: how often each was served since both have waited.
            let mut served: BTreeMap<(Vec<u128>, Vec<u128>), i64> = BTreeMap::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Arrive(path) => {
                        let load = |node: &[u128]| {
                            waiting.iter().filter(|(path, ..)| path.starts_with(node)).count()
                                + recent.iter().filter(|path| path.starts_with(node)).count()
                        };
                        if !queue.admit(&path) {
                            prop_assert_eq!(waiting.len(), places);
                            for (other, ..) in &waiting {
                                let level = first_difference(other, &path);
                                prop_assert!(load(&other[..=level]) < load(&path[..=level]) + UNEVEN, "{other:?}");
                            }
                            continue;
                        }
                        let Pushed { ticket, removed } = queue.push(&path, number).unwrap();
                        if let Some(item) = removed {
                            prop_assert_eq!(waiting.len(), places);
                            let index = waiting.iter().position(|(_, _, waiting)| *waiting == item).unwrap();
                            let (displaced, ..) = waiting[index];
                            let level = first_difference(&displaced, &path);
                            prop_assert!(load(&displaced[..=level]) >= load(&path[..=level]) + UNEVEN);
                            for (other, ..) in waiting.iter().filter(|(other, ..)| other[..=level] != path[..=level]) {
                                let level = first_difference(other, &displaced).max(level);
                                if other[..level] == displaced[..level] {
                                    prop_assert!(load(&other[..=level]) <= load(&displaced[..=level]), "{other:?}");
                                }
                            }
                            let mut of_account = waiting.iter().filter(|(path, ..)| *path == displaced);
                            prop_assert!(of_account.all(|(_, _, other)| *other <= item), "the newest one");
                            waiting.remove(index);
                            queue.leave(&displaced);
                        }
                        waiting.push((path, ticket, number));
                    }
                    Step::GiveUp(index) if !waiting.is_empty() => {
                        let (path, ticket, item) = waiting.swap_remove(index % waiting.len());
                        prop_assert_eq!(queue.remove(&path, ticket), Some(item));
                        queue.leave(&path);
                    }
                    Step::GiveUp(_) => {}
                    Step::Serve => {
                        let popped = queue.pop();
                        prop_assert_eq!(popped.is_some(), !waiting.is_empty());
                        let Some(item) = popped else { continue };
                        let index = waiting.iter().position(|(_, _, waiting)| *waiting == item).unwrap();
                        let (path, ..) = waiting[index];
                        for level in 1..=LEVELS {
                            for (other, ..) in &waiting {
                                if other[..level - 1] == path[..level - 1] && other[level - 1] != path[level - 1] {
                                    let (this, that) = (path[..level].to_vec(), other[..level].to_vec());
                                    served.entry((this, that)).or_default();
                                }
                            }
                            for ((this, that), surplus) in &mut served {
                                *surplus += i64::from(*this == path[..level]) - i64::from(*that == path[..level]);
                                prop_assert!((0..=1).contains(surplus), "{this:?} is {surplus} ahead of {that:?}");
                            }
                        }
                        waiting.remove(index);
                        queue.leave(&path);
                        recent.push_back(path);
                        if recent.len() > places * RECENT_PER_PLACE {
                            recent.pop_front();
                        }
                    }
                }
                let waits = |node: &Vec<u128>| waiting.iter().any(|(path, ..)| path.starts_with(node));
                served.retain(|(this, that), _| waits(this) && waits(that));
                prop_assert_eq!((queue.root.admitted, queue.root.waiting), (waiting.len(), waiting.len()));
                prop_assert!(waiting.len() <= places);
                prop_assert!(nodes(&queue.root) <= 1 + LEVELS * (waiting.len() + recent.len()));
            }
        }
    }
}
