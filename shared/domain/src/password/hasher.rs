//! The hasher: hashes and verifies passwords off the async threads, one per core at a time.

use std::hash::Hash;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use argon2::Params;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::fairness::{Displaced, Gate, Place};
use crate::password::hash::{PasswordHash, Verdict};
use crate::password::input::Password;
use crate::rng::{Rng, random_bytes};
use crate::security::SecurityEvent;

/// The length of the hashing queue, per core: less than two seconds of work. Rejecting requests is better than hashing
/// for clients that have given up waiting.
const QUEUE_PER_CORE: usize = 64;

/// The `Retry-After` of a request that the queue rejects.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The length of a salt in bytes.
const SALT_LEN: usize = 16;

/// Hashes and verifies passwords off the async threads, at most one per core at the same time.
///
/// A hash takes a core for tens of milliseconds and 19 MiB. More concurrent hashes would each take longer, and could
/// use up all memory. Further requests wait in a queue, which is bounded too. A request that will hash is first
/// admitted ([`admit`](Self::admit)). Networks and accounts share the queue and the cores fairly, whether their
/// passwords are right or wrong.
#[derive(Clone)]
pub struct Hasher {
    /// `None` hashes on the calling thread.
    queue: Option<Arc<LazyLock<Queue>>>,
    rng: Arc<dyn Rng>,
    params: Params,
    verifications: Arc<AtomicU64>,
}

/// An admission to hashing, released on drop.
#[must_use]
pub struct Admission(Option<Place>);

struct Queue {
    gate: Arc<Gate>,
    /// The runtime whose blocking threads hash; unset, the calling runtime's do.
    runtime: OnceLock<Handle>,
}

impl Queue {
    fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            gate: Arc::new(Gate::new(cores * QUEUE_PER_CORE, cores)),
            runtime: OnceLock::new(),
        }
    }
}

impl Hasher {
    /// A hasher with the argon2 crate's default parameters (OWASP: 19 MiB, 2 passes, 1 lane).
    pub fn new(rng: Arc<dyn Rng>) -> Self {
        Self::with_params(rng, Params::DEFAULT)
    }

    /// A hasher with other parameters, for tests that need outdated hashes.
    pub fn with_params(rng: Arc<dyn Rng>, params: Params) -> Self {
        Self {
            // Lazy, because counting the cores takes time, and most functions never hash.
            queue: Some(Arc::new(LazyLock::new(Queue::new))),
            rng,
            params,
            verifications: Arc::default(),
        }
    }

    /// A hasher that blocks the calling thread, for simulations, which must not depend on another thread's timing.
    pub fn in_place(rng: Arc<dyn Rng>, params: Params) -> Self {
        Self {
            queue: None,
            rng,
            params,
            verifications: Arc::default(),
        }
    }

    /// Hashes on the blocking threads of `runtime` from now on, even if another runtime calls. Only the first call has
    /// an effect.
    ///
    /// With the threads of several runtimes, the memory of all would be kept, and one runtime could queue while
    /// another's threads are idle.
    pub fn hash_on(&self, runtime: Handle) {
        if let Some(queue) = &self.queue {
            let _ = queue.runtime.set(runtime);
        }
    }

    /// The number of verifications by this hasher and its clones, which throttling bounds.
    pub fn verifications(&self) -> u64 {
        self.verifications.load(Relaxed)
    }

    /// Admits a request from `client` about `account`: an email or a user. Fails with [`Error::TooManyAttempts`] if the
    /// share of the client's networks or of the account is full.
    ///
    /// A request does this before it reads or counts anything, so a rejection costs nothing and reveals nothing about
    /// an account. Few are rejected later, with the same error: requests of a network or an account with so many
    /// others that one of another network or account took their place.
    pub fn admit(&self, client: &Client, account: impl Hash) -> Result<Admission> {
        let Some(queue) = &self.queue else {
            return Ok(Admission(None));
        };
        match queue.gate.admit(client, account) {
            Some(place) => Ok(Admission(Some(place))),
            None => Err(rejected()),
        }
    }

    /// Hashes `password` with a new salt.
    pub async fn hash(&self, admission: &Admission, password: &Password) -> Result<PasswordHash> {
        let password = password.clone();
        let params = self.params.clone();
        let salt: [u8; SALT_LEN] = random_bytes(&*self.rng);
        self.off_thread(admission, move || PasswordHash::compute(&password, &salt, &params))
            .await
    }

    /// A random hash, which no known password has. It takes no hashing, so it needs no admission.
    pub fn hash_of_no_password(&self) -> Result<PasswordHash> {
        let salt: [u8; SALT_LEN] = random_bytes(&*self.rng);
        let output: [u8; Params::DEFAULT_OUTPUT_LEN] = random_bytes(&*self.rng);
        PasswordHash::of_no_password(&salt, &output, &self.params)
    }

    /// Verifies `password`. Without a hash it does the same work and returns [`Verdict::Wrong`], so that timing does
    /// not reveal whether an account exists.
    pub async fn verify(
        &self,
        admission: &Admission,
        password: &Password,
        hash: Option<&PasswordHash>,
    ) -> Result<Verdict> {
        self.verifications.fetch_add(1, Relaxed);
        let Some(hash) = hash.cloned() else {
            self.hash(admission, password).await?;
            return Ok(Verdict::Wrong);
        };
        let password = password.clone();
        let params = self.params.clone();
        self.off_thread(admission, move || hash.verify(&password, &params))
            .await
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        admission: &Admission,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (Some(queue), Some(place)) = (&self.queue, &admission.0) else {
            return work();
        };
        let slot = place.slot().await.map_err(|Displaced| rejected())?;
        // The closure owns the slot, because a cancelled request leaves its thread busy.
        let work = move || {
            let result = work();
            drop(slot);
            result
        };
        let hashing = match queue.runtime.get() {
            Some(runtime) => runtime.spawn_blocking(work),
            None => spawn_blocking(work),
        };
        hashing.await.map_err(failed)?
    }
}

fn rejected() -> Error {
    Error::TooManyAttempts {
        wait: RETRY_AFTER,
        event: SecurityEvent::ThrottledByHashing,
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Hashing(error.to_string())
}

#[cfg(test)]
mod tests {
    use argon2::{Algorithm, Argon2, Version};

    use super::*;
    use crate::fairness::ADMITTED_PER_PLACE;
    use crate::rng::SystemRng;

    fn hasher() -> Hasher {
        Hasher::new(Arc::new(SystemRng))
    }

    fn password(text: &str) -> Password {
        Password::claimed(text).unwrap()
    }

    fn admit(hasher: &Hasher) -> Admission {
        hasher.admit(&Client::default(), "account").unwrap()
    }

    #[tokio::test]
    async fn a_hash_has_the_default_parameters_and_its_own_salt() {
        let hasher = hasher();
        let admission = &admit(&hasher);
        let first = hasher.hash(admission, &password("password123")).await.unwrap();
        let second = hasher.hash(admission, &password("password123")).await.unwrap();
        assert!(first.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", first.0);
        assert_ne!(first, second);
        for (text, hash, verdict) in [
            ("password123", Some(&first), Verdict::Right),
            ("password124", Some(&first), Verdict::Wrong),
            ("password123", None, Verdict::Wrong),
        ] {
            assert_eq!(hasher.verify(admission, &password(text), hash).await.unwrap(), verdict);
        }
    }

    #[tokio::test]
    async fn a_hash_of_no_password_looks_like_any_other_and_every_password_is_wrong() {
        let hasher = hasher();
        let admission = &admit(&hasher);
        let none = hasher.hash_of_no_password().unwrap();
        let some = hasher.hash(admission, &password("password123")).await.unwrap();
        assert_eq!(none.0.len(), some.0.len());
        assert_ne!(none, hasher.hash_of_no_password().unwrap());
        let verdict = hasher.verify(admission, &password("password123"), Some(&none)).await;
        assert_eq!(verdict.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_with_other_parameters_verifies_as_outdated() {
        let old = Hasher::with_params(Arc::new(SystemRng), Params::new(8192, 1, 1, None).unwrap());
        let hash = old.hash(&admit(&old), &password("password123")).await.unwrap();
        let (hasher, admission) = (hasher(), admit(&hasher()));
        for (text, verdict) in [("password123", Verdict::Outdated), ("password124", Verdict::Wrong)] {
            assert_eq!(
                hasher.verify(&admission, &password(text), Some(&hash)).await.unwrap(),
                verdict
            );
        }
    }

    #[tokio::test]
    async fn at_most_one_hash_per_core_runs_at_a_time() {
        let hasher = hasher();
        let cores = std::thread::available_parallelism().unwrap().get();
        let all: Vec<_> = (0..cores).map(|_| admit(&hasher)).collect();
        let mut slots = Vec::new();
        for admission in &all {
            slots.push(admission.0.as_ref().unwrap().slot().await.unwrap());
        }
        let (admission, password) = (admit(&hasher), password("password123"));
        let mut hashing = std::pin::pin!(hasher.hash(&admission, &password));
        assert!(futures_util::poll!(hashing.as_mut()).is_pending());
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "no hash has started");
        drop(slots);
        hashing.await.unwrap();
    }

    #[tokio::test]
    async fn hashing_runs_on_the_first_given_runtime() {
        let hasher = hasher();
        let admission = &admit(&hasher);
        let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
        hasher.hash_on(other.handle().clone());
        hasher.hash_on(Handle::current());
        assert!(hasher.clone().hash(admission, &password("password123")).await.is_ok());
        // A runtime that has shut down hashes no more.
        other.shutdown_background();
        let error = hasher.hash(admission, &password("password123")).await.unwrap_err();
        assert!(matches!(error, Error::Hashing(_)), "{error:?}");
    }

    #[test]
    fn an_account_with_a_full_share_is_rejected_and_another_one_is_not() {
        let hasher = hasher();
        let cores = std::thread::available_parallelism().unwrap().get();
        let greedy = || hasher.admit(&Client::default(), "greedy");
        let mut admitted: Vec<Admission> = std::iter::from_fn(|| greedy().ok()).collect();
        assert_eq!(
            admitted.len(),
            (cores * QUEUE_PER_CORE * ADMITTED_PER_PLACE).div_ceil(5)
        );
        let rejected = greedy().err().unwrap();
        assert!(matches!(
            rejected,
            Error::TooManyAttempts {
                wait: RETRY_AFTER,
                event: SecurityEvent::ThrottledByHashing
            }
        ));
        admitted.push(admit(&hasher.clone()));
    }

    #[tokio::test]
    async fn an_unreadable_hash_is_an_error_and_not_a_wrong_password() {
        let salt = "c2l4dGVlbiBieXRlcy4uLg";
        let output = "A".repeat(43);
        for junk in [
            "$argon2id$junk".to_owned(),
            "$argon2id$v=19$m=19456,t=2,p=1".to_owned(),
            format!("$argon2id$v=19$m=19456,t=2,p=1${salt}"),
            format!("$argon2id$v=18$m=19456,t=2,p=1${salt}${output}"),
            format!("$argon2id$v=19$m=1,t=2,p=1${salt}${output}"),
            format!("$scrypt$v=19$m=19456,t=2,p=1${salt}${output}"),
        ] {
            let (hash, hasher) = (PasswordHash(junk), hasher());
            let error = hasher
                .verify(&admit(&hasher), &password("password123"), Some(&hash))
                .await;
            assert!(matches!(error, Err(Error::Corrupt { .. })), "{}: {error:?}", hash.0);
        }
    }

    #[tokio::test]
    async fn hashes_are_interchangeable_with_the_argon2_crates() {
        use argon2::{PasswordHasher as _, PasswordVerifier as _};
        // All on this thread, so they share its memory: it grows for the second hash and the last, and the third uses a
        // part.
        let hasher = Hasher::in_place(Arc::new(SystemRng), Params::DEFAULT);
        for (m, t, p) in [(32, 1, 1), (64, 2, 4), (16, 3, 2)] {
            for algorithm in [Algorithm::Argon2id, Algorithm::Argon2i] {
                let argon = Argon2::new(algorithm, Version::V0x13, Params::new(m, t, p, Some(24)).unwrap());
                let crates_hash = argon
                    .hash_password_with_salt(b"password123", b"sixteen bytes...")
                    .unwrap();
                let crates_hash = PasswordHash(crates_hash.to_string());
                let verdict = |text| {
                    let (hasher, crates_hash) = (hasher.clone(), crates_hash.clone());
                    async move {
                        let admission = admit(&hasher);
                        hasher
                            .verify(&admission, &password(text), Some(&crates_hash))
                            .await
                            .unwrap()
                    }
                };
                assert_eq!(verdict("password123").await, Verdict::Outdated);
                assert_eq!(verdict("password124").await, Verdict::Wrong);
            }
        }
        let own_hash = hasher.hash(&admit(&hasher), &password("password123")).await.unwrap();
        assert_eq!(
            Argon2::default().verify_password(b"password123", own_hash.0.as_str()),
            Ok(())
        );
    }
}
