//! The order in which waiting requests hash, and how many may wait: shared fairly among networks, and within a network
//! among accounts.
//!
//! The queue is a tree: networks of 48, 56 and 64 bits, then accounts ([`Path`]). An IPv4 address is one network at all
//! three levels. Every node serves its children in turn (round robin; every hash costs the same), so a client that
//! sends many requests delays only itself.
//!
//! Admission leaves room for others without knowing how many there are: a child may hold less than what its siblings
//! leave free (dynamic thresholds, Choudhury and Hahne 1998). One account alone holds at most a fifth of the places,
//! one network at most half, and a newcomer finds a free place as long as there is one.
//!
//! It is implemented here, because fair queues on crates.io schedule weighted packet flows, and neither nest nor bound
//! admission.

use std::collections::VecDeque;

/// The levels below the root: three networks and the account.
const LEVELS: usize = 4;

/// The position of a request in the tree: the networks of its client, widest first, then its account.
pub(super) type Path = [u128; LEVELS];

/// Identifies a waiting item, to remove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// The queue. Its size is bounded by the number of places: no node exists without an admitted request.
pub(super) struct FairQueue<T> {
    places: usize,
    tickets: u64,
    root: Node<T>,
}

struct Node<T> {
    key: u128,
    /// The number of admitted requests at or below this node.
    admitted: usize,
    /// The number of waiting items at or below this node.
    waiting: usize,
    /// The children: new ones last, and one that was served moves to the end.
    children: VecDeque<Node<T>>,
    /// The waiting items of an account, first come, first served.
    items: VecDeque<(Ticket, T)>,
}

impl<T> FairQueue<T> {
    /// A queue for at most `places` admitted requests.
    pub(super) fn new(places: usize) -> Self {
        Self {
            places,
            tickets: 0,
            root: Node::new(0),
        }
    }

    /// Takes a place for a request, before it waits. Returns whether the request's share allows it.
    pub(super) fn admit(&mut self, path: &Path) -> bool {
        let mut free = self.places.saturating_sub(self.root.admitted);
        let mut node = Some(&self.root);
        for key in path {
            node = node.and_then(|node| node.children.iter().find(|child| child.key == *key));
            let held = node.map_or(0, |child| child.admitted);
            if held >= free {
                return false;
            }
            free -= held;
        }
        self.root.admit(path);
        true
    }

    /// Returns the place of an admitted request that does not wait any more.
    pub(super) fn leave(&mut self, path: &Path) {
        self.root.leave(path);
    }

    /// Adds an item of an admitted request.
    pub(super) fn push(&mut self, path: &Path, item: T) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.root.push(path, (ticket, item));
        ticket
    }

    /// Removes the next item.
    pub(super) fn pop(&mut self) -> Option<T> {
        self.root.pop()
    }

    /// Removes a waiting item, if it is still there.
    pub(super) fn remove(&mut self, path: &Path, ticket: Ticket) -> Option<T> {
        self.root.remove(path, ticket)
    }
}

impl<T> Node<T> {
    fn new(key: u128) -> Self {
        Self {
            key,
            admitted: 0,
            waiting: 0,
            children: VecDeque::new(),
            items: VecDeque::new(),
        }
    }

    fn position(&self, key: u128) -> Option<usize> {
        self.children.iter().position(|child| child.key == key)
    }

    fn admit(&mut self, path: &[u128]) {
        self.admitted += 1;
        let Some((key, path)) = path.split_first() else { return };
        let index = self.position(*key).unwrap_or_else(|| {
            self.children.push_back(Self::new(*key));
            self.children.len() - 1
        });
        self.children[index].admit(path);
    }

    fn leave(&mut self, path: &[u128]) {
        self.admitted = self.admitted.saturating_sub(1);
        let Some((key, path)) = path.split_first() else { return };
        let Some(index) = self.position(*key) else { return };
        self.children[index].leave(path);
        if self.children[index].admitted == 0 {
            self.children.remove(index);
        }
    }

    fn push(&mut self, path: &[u128], item: (Ticket, T)) {
        let Some((key, path)) = path.split_first() else {
            self.waiting += 1;
            self.items.push_back(item);
            return;
        };
        if let Some(index) = self.position(*key) {
            self.waiting += 1;
            self.children[index].push(path, item);
        }
    }

    fn pop(&mut self) -> Option<T> {
        let popped = if let Some((_, item)) = self.items.pop_front() {
            Some(item)
        } else {
            let next = self.children.iter().position(|child| child.waiting > 0)?;
            let mut child = self.children.remove(next)?;
            let item = child.pop();
            self.children.push_back(child);
            item
        };
        self.waiting -= usize::from(popped.is_some());
        popped
    }

    fn remove(&mut self, path: &[u128], ticket: Ticket) -> Option<T> {
        let removed = match path.split_first() {
            None => {
                let index = self.items.iter().position(|(waiting, _)| *waiting == ticket)?;
                self.items.remove(index).map(|(_, item)| item)
            }
            Some((key, path)) => {
                let index = self.position(*key)?;
                self.children[index].remove(path, ticket)
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

    /// The path of an account at an IPv4 address.
    fn at(address: u128, account: u128) -> Path {
        [address, address, address, account]
    }

    fn admit(queue: &mut FairQueue<u32>, path: Path) -> usize {
        (0..2 * PLACES).take_while(|_| queue.admit(&path)).count()
    }

    fn push(queue: &mut FairQueue<u32>, path: Path, items: impl IntoIterator<Item = u32>) {
        for item in items {
            assert!(queue.admit(&path));
            queue.push(&path, item);
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
        assert_eq!(admit(&mut queue, at(1, 1)), PLACES / 5);
        // Another account at the same address, then many more.
        assert!(admit(&mut queue, at(1, 2)) >= 4);
        let crowd: usize = (3..100).map(|account| admit(&mut queue, at(1, account))).sum();
        assert!((1..=PLACES / 2).contains(&crowd), "{crowd}");
        // From elsewhere, as much as if the address were one user.
        assert!(admit(&mut queue, at(2, 1)) >= PLACES / 10);
    }

    #[test]
    fn networks_of_64_bits_in_one_of_48_share_half_of_the_places() {
        let mut queue = FairQueue::new(PLACES);
        let admitted: usize = (0..1000).map(|net| admit(&mut queue, [1, net / 10, net, net])).sum();
        assert!((PLACES / 3..=PLACES / 2).contains(&admitted), "{admitted}");
        assert!(admit(&mut queue, [2, 1, 1, 1]) >= PLACES / 10);
    }

    #[test]
    fn the_last_place_is_for_a_newcomer_and_then_the_queue_is_full() {
        let mut queue: FairQueue<u32> = FairQueue::new(PLACES);
        for address in 0..100 {
            assert!(queue.admit(&at(address, 0)), "{address}");
        }
        assert!(!queue.admit(&at(100, 0)));
        queue.leave(&at(7, 0));
        assert!(!queue.admit(&at(8, 0)), "it already holds as many as are free");
        assert!(queue.admit(&at(100, 0)));
    }

    #[test]
    fn a_removed_item_is_not_served_and_does_not_block_others() {
        let mut queue = FairQueue::new(PLACES);
        push(&mut queue, at(1, 1), [10]);
        assert!(queue.admit(&at(1, 1)));
        let ticket = queue.push(&at(1, 1), 11);
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
            // For each pair of nodes with one parent: how often each was served since both have waited.
            let mut served: BTreeMap<(Vec<u128>, Vec<u128>), i64> = BTreeMap::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Arrive(path) => {
                        let is_new = waiting.iter().all(|(other, ..)| other[0] != path[0]);
                        let is_admitted = queue.admit(&path);
                        prop_assert!(is_admitted || waiting.len() >= places || !is_new, "a newcomer finds a place");
                        if is_admitted {
                            waiting.push((path, queue.push(&path, number), number));
                        }
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
                    }
                }
                let waits = |node: &Vec<u128>| waiting.iter().any(|(path, ..)| path.starts_with(node));
                served.retain(|(this, that), _| waits(this) && waits(that));
                prop_assert_eq!((queue.root.admitted, queue.root.waiting), (waiting.len(), waiting.len()));
                prop_assert!(waiting.len() <= places);
                prop_assert!(nodes(&queue.root) <= 1 + LEVELS * waiting.len());
            }
        }
    }
}
