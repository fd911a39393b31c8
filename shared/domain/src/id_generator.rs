//! The generator of new ids, injected so that a simulation can repeat a run.

use std::sync::{Arc, Mutex, PoisonError};

use uuid::Builder;

use crate::clock::Clock;
use crate::id::Id;
use crate::rng::Rng;

/// Generates UUID v7 ids (RFC 9562, section 5.7) that ascend within this process.
///
/// Within a millisecond, and when the clock steps back, it adds a random amount to the 74 random bits of the last id
/// ("monotonic random", section 6.2, method 2).
pub struct IdGenerator {
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    state: Mutex<State>,
}

struct State {
    /// The milliseconds and the random bits of the last id.
    last: (u64, u128),
    /// Randomness for further ids, used from the end: a system call costs more than the rest of an id.
    reserve: Vec<[u8; 16]>,
}

impl IdGenerator {
    const RANDOM_BITS: u32 = 74;
    /// How many ids one read of the random generator is for.
    const BATCH: usize = 16;

    /// A generator that reads `clock` and `rng`.
    pub fn new(clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self {
            clock,
            rng,
            state: Mutex::new(State {
                last: (0, 0),
                reserve: Vec::new(),
            }),
        }
    }

    /// The next id.
    pub fn next<I: Id>(&self) -> I {
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);

        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let last = state.last;
        let fresh = u128::from_be_bytes(self.draw(&mut state.reserve));
        let (millis, random) = if now > last.0 {
            // The top bit stays zero, so that increments within the millisecond have room.
            (now, fresh >> (128 - Self::RANDOM_BITS + 1))
        } else {
            let step = 1 + (fresh & 0xffff_ffff);
            match last.1 + step {
                next if next >> Self::RANDOM_BITS == 0 => (last.0, next),
                _ => (last.0 + 1, fresh >> (128 - Self::RANDOM_BITS + 1)),
            }
        };
        state.last = (millis, random);
        drop(state);

        // The builder overwrites 4 of these 80 bits with the version and 2 with the variant: 12 random bits lie between
        // the two, and 62 after the variant.
        let high = random >> 62;
        let low = random & ((1 << 62) - 1);
        let [_, _, _, _, _, _, random_bytes @ ..] = ((high << 64) | low).to_be_bytes();
        I::from_uuid(Builder::from_unix_timestamp_millis(millis, &random_bytes).into_uuid())
    }

    fn draw(&self, reserve: &mut Vec<[u8; 16]>) -> [u8; 16] {
        if let Some(drawn) = reserve.pop() {
            return drawn;
        }
        let mut batch = [[0; 16]; Self::BATCH];
        // If this panics, the reserve is still empty, so no zeros are taken for randomness.
        self.rng.fill(batch.as_flattened_mut());
        let [first, rest @ ..] = batch;
        reserve.extend(rest);
        first
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};
    use uuid::Uuid;

    use super::*;
    use crate::id::SessionId;
    use crate::rng::SystemRng;
    use crate::time::Timestamp;

    struct Script(Mutex<Vec<i64>>);

    impl Clock for Script {
        fn now(&self) -> Timestamp {
            let mut times = self.0.lock().unwrap();
            Timestamp::from_millis(if times.len() > 1 { times.remove(0) } else { times[0] })
        }
    }

    struct AllOnes;

    impl Rng for AllOnes {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0xff);
        }
    }

    #[test]
    fn an_id_has_its_version_variant_and_time() {
        let clock = Arc::new(Script(Mutex::new(vec![1_700_000_000_007])));
        let id = IdGenerator::new(clock, Arc::new(SystemRng)).next::<SessionId>().uuid();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(id.as_u128() >> 80, 1_700_000_000_007);
    }

    /// Fills the next sixteen bytes with the next number.
    struct Counting(Mutex<u128>);

    impl Rng for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            let mut next = self.0.lock().unwrap();
            for draw in bytes.chunks_mut(16) {
                *next += 1;
                draw.copy_from_slice(&(*next << 64).to_be_bytes());
            }
        }
    }

    #[test]
    fn each_id_uses_fresh_randomness() {
        let clock = Script(Mutex::new((1..=100).collect()));
        let ids = IdGenerator::new(Arc::new(clock), Arc::new(Counting(Mutex::new(0))));
        let random = |id: SessionId| id.uuid().as_u128() & ((1 << 62) - 1);
        let used: BTreeSet<_> = (0..100).map(|_| random(ids.next())).collect();
        assert_eq!(used.len(), 100);
        assert!(!used.contains(&0));
    }

    /// Fills every sixteen bytes with the same sixteen.
    struct Fixed([u8; 16]);

    impl Rng for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.chunks_mut(16).for_each(|draw| draw.copy_from_slice(&self.0));
        }
    }

    proptest! {
        #[test]
        fn an_id_consists_of_its_time_and_its_random_bits(millis in 1i64..253_402_207_200_000, random: [u8; 16]) {
            let ids = IdGenerator::new(Arc::new(Script(Mutex::new(vec![millis]))), Arc::new(Fixed(random)));
            let random = u128::from_be_bytes(random) >> 55;
            let expected = (u128::from(millis.unsigned_abs()) << 80)
                | (0x7 << 76)
                | ((random >> 62) << 64)
                | (0b10 << 62)
                | (random & ((1 << 62) - 1));
            prop_assert_eq!(ids.next::<SessionId>().uuid(), Uuid::from_u128(expected));
        }

        #[test]
        fn ids_ascend_even_if_the_clock_steps_back(times in prop::collection::vec(1i64..100, 1..200), worst: bool) {
            let count = times.len();
            let rng: Arc<dyn Rng> = if worst { Arc::new(AllOnes) } else { Arc::new(SystemRng) };
            let ids = IdGenerator::new(Arc::new(Script(Mutex::new(times))), rng);
            let made: Vec<SessionId> = (0..count).map(|_| ids.next()).collect();
            prop_assert!(made.is_sorted_by(|a, b| a < b));
        }
    }
}
