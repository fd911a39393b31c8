//! What an operation needs from the outside, injected: the store, time, ids, randomness, and the limits in force.
//!
//! Nothing else in this crate reads a clock or draws a random number, so a test can move time and repeat a run.

use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::id::Id;
use crate::logins::Lifetime;
use crate::password::Policy;
use crate::secret::Hasher;
use crate::throttle::Rules;
use crate::time::Timestamp;

/// Everything that operations reach for; cheap to clone, built once per process.
#[derive(Clone)]
pub struct Env {
    /// The store.
    pub db: kv::Db,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub ids: Arc<IdGenerator>,
    /// Draws randomness fit for secrets.
    pub rng: Arc<dyn Rng>,
    /// Hashes passwords, a few at a time.
    pub hasher: Hasher,
    /// The limits in force.
    pub limits: Limits,
}

/// Limits that a deployment can set.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long logins live.
    pub login: Lifetime,
    /// What throttles guesses and registrations; nothing does if it is `None`.
    pub throttle: Option<Rules>,
    /// What is asked of a new password.
    pub passwords: Policy,
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now, to the millisecond.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }
}

/// Draws randomness fit for secrets.
pub trait Rng: Send + Sync {
    /// Fills `bytes` with random ones.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that draws the system's randomness"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system's random generator works once it is seeded");
    }
}

/// Makes UUID v7 ids (RFC 9562, section 5.7) that ascend in the order in which this process made them.
///
/// Within a millisecond, and when the clock steps back, the 74 random bits of the last id are incremented by a random
/// amount ("monotonic random", section 6.2, method 2).
pub struct IdGenerator {
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    state: Mutex<State>,
}

struct State {
    /// The milliseconds and the random bits of the last id.
    last: (u64, u128),
    /// Drawn ahead, because asking the system costs more than all the rest; used up from the end.
    drawn: Vec<[u8; 16]>,
}

impl IdGenerator {
    const RANDOM_BITS: u32 = 74;
    /// How many ids' randomness is drawn at once.
    const DRAW: usize = 16;

    /// A generator from this clock and this randomness.
    pub fn new(clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self {
            clock,
            rng,
            state: Mutex::new(State {
                last: (0, 0),
                drawn: Vec::new(),
            }),
        }
    }

    /// The next id.
    pub fn next<I: Id>(&self) -> I {
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);

        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let last = state.last;
        let drawn = u128::from_be_bytes(self.draw(&mut state.drawn));
        let (millis, random) = if now > last.0 {
            // The top bit stays free, so that increments within the millisecond have room.
            (now, drawn >> (128 - Self::RANDOM_BITS + 1))
        } else {
            let step = 1 + (drawn & 0xffff_ffff);
            match last.1 + step {
                next if next >> Self::RANDOM_BITS == 0 => (last.0, next),
                _ => (last.0 + 1, drawn >> (128 - Self::RANDOM_BITS + 1)),
            }
        };
        state.last = (millis, random);
        drop(state);

        // 48 bits of time, 4 of version, 12 random, 2 of variant, 62 random.
        let high = random >> 62;
        let low = random & ((1 << 62) - 1);
        let bits = (u128::from(millis) << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low;
        I::from_uuid(Uuid::from_u128(bits))
    }

    fn draw(&self, ahead: &mut Vec<[u8; 16]>) -> [u8; 16] {
        if let Some(drawn) = ahead.pop() {
            return drawn;
        }
        let mut drawn = [[0; 16]; Self::DRAW];
        // If it panics, nothing has been taken for randomness.
        self.rng.fill(drawn.as_flattened_mut());
        let [first, rest @ ..] = drawn;
        ahead.extend(rest);
        first
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{prop, prop_assert, proptest};

    use super::{Arc, Clock, IdGenerator, Mutex, Rng, SystemRng, Timestamp};
    use crate::id::SessionId;

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
    fn an_id_carries_its_version_its_variant_and_its_time() {
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
    fn no_randomness_is_used_twice_and_none_is_made_up() {
        let clock = Script(Mutex::new((1..=100).collect()));
        let ids = IdGenerator::new(Arc::new(clock), Arc::new(Counting(Mutex::new(0))));
        let random = |id: SessionId| id.uuid().as_u128() & ((1 << 62) - 1);
        let used: BTreeSet<_> = (0..100).map(|_| random(ids.next())).collect();
        assert_eq!(used.len(), 100);
        assert!(!used.contains(&0));
    }

    proptest! {
        #[test]
        fn ids_ascend_whatever_the_clock_does(times in prop::collection::vec(1i64..100, 1..200), worst: bool) {
            let count = times.len();
            let rng: Arc<dyn Rng> = if worst { Arc::new(AllOnes) } else { Arc::new(SystemRng) };
            let ids = IdGenerator::new(Arc::new(Script(Mutex::new(times))), rng);
            let made: Vec<SessionId> = (0..count).map(|_| ids.next()).collect();
            prop_assert!(made.is_sorted_by(|a, b| a < b));
        }
    }
}
