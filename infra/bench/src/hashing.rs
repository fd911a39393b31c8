//! Password verifications without the product: the lower bound for logins.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use argon2::{Argon2, Block, Params};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::report::cores;
use crate::stats::count;

/// The password of every account.
pub(crate) const PASSWORD: &str = "password123";

const SALT: &[u8] = b"sixteen bytes...";

type Hash = [u8; Params::DEFAULT_OUTPUT_LEN];

/// Argon2id with the product's parameters. The memory for hashing is allocated once, as in the product: allocating it
/// for each verification would make the lower bound too high.
pub(crate) struct Bare {
    expected: Hash,
    /// The memory of each core.
    memories: Vec<Vec<Block>>,
}

impl Bare {
    pub(crate) fn new() -> Self {
        let mut memories = vec![vec![Block::default(); Params::DEFAULT.block_count()]; cores()];
        let expected = hash(&mut memories[0]);
        Self { expected, memories }
    }

    /// One verification on this thread.
    pub(crate) fn verify(&mut self) {
        assert!(hash(&mut self.memories[0]) == self.expected, "the password is right");
    }

    /// `number` verifications, on every core one after the other.
    pub(crate) fn verify_on_every_core(&mut self, number: usize) {
        let (expected, next) = (&self.expected, &AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for memory in &mut self.memories {
                scope.spawn(move || {
                    while next.fetch_add(1, Relaxed) < number {
                        assert!(hash(memory) == *expected, "the password is right");
                    }
                });
            }
        });
    }
}

fn hash(memory: &mut [Block]) -> Hash {
    let mut hash = Hash::default();
    Argon2::default()
        .hash_password_into_with_memory(PASSWORD.as_bytes(), SALT, &mut hash, memory)
        .expect("the memory suffices");
    hash
}

/// The progress of a number of equal operations.
pub(crate) struct Stopwatch {
    start: Instant,
    processor_millis: f64,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            processor_millis: processor_millis(),
        }
    }

    /// The operations per second, and the milliseconds of processor time of each.
    pub(crate) fn stop(self, operations: usize) -> (f64, f64) {
        let rate = count(operations) / self.start.elapsed().as_secs_f64();
        (rate, (processor_millis() - self.processor_millis) / count(operations))
    }
}

/// The processor time of this process, all threads together.
fn processor_millis() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "the numbers are below 2^52")]
    let [seconds, nanos] = [time.tv_sec as f64, time.tv_nsec as f64];
    seconds * 1e3 + nanos / 1e6
}
