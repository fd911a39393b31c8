//! Passwords and their hashes. Nothing here prints what it holds.

use std::fmt;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unicode_normalization::UnicodeNormalization;

use crate::env::Rng;
use crate::error::{Error, Result};
use crate::password::{Context, Policy};
use crate::text::Refused;

/// The most bytes that a password may have as it is sent.
pub const PASSWORD_MAX_BYTES: usize = 1024;

/// How many requests may be about to hash at once, for each core. One that is let in is at the end of a queue of less than two seconds; one that
/// is not is told to come back, which is better than to let it wait until its client gives up, and to hash then for nobody.
const PLACES_PER_CORE: usize = 64;

/// When whoever was not let in is told to come back.
const COME_BACK: Duration = Duration::from_secs(1);

/// A password: never trimmed, normalised to NFKC so that two keyboards type the same one.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password that somebody claims to be theirs. It is only bounded in size: whether it is right is for its hash to say,
    /// and the policy of its day may have been another.
    pub fn claimed(text: &str) -> Result<Self, Refused> {
        if text.len() > PASSWORD_MAX_BYTES {
            return Err(Refused(format!("must have at most {PASSWORD_MAX_BYTES} bytes")));
        }
        Ok(Self(text.nfkc().collect()))
    }

    /// A password that somebody chooses, or every rule of `policy` that it breaks. `context` is what is known about the person.
    pub fn chosen(text: &str, policy: Policy, context: &Context) -> Result<Self, Vec<Refused>> {
        let password = Self::claimed(text)?;
        let refusals = policy.refusals(&password.0, context);
        if refusals.is_empty() {
            Ok(password)
        } else {
            Err(refusals)
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A password's Argon2id hash in PHC string format.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// The outcome of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another password, or no hash to compare with.
    Wrong,
    /// The password.
    Right,
    /// The password, but its hash was made with other parameters than today's and wants renewing.
    Outdated,
}

/// Hashes and verifies off the async threads, at most as many at once as there are cores: each takes a core for tens of
/// milliseconds and 19 MiB, so more at once would only take longer and could take all memory. Who is to hash takes a [`place`](Self::place)
/// first, of which there are not many either.
#[derive(Clone)]
pub struct Hasher {
    /// None hashes on the caller's thread.
    queue: Option<Arc<LazyLock<Queue>>>,
    rng: Arc<dyn Rng>,
    params: Params,
    compared: Arc<AtomicU64>,
}

/// What keeps those who hash few.
struct Queue {
    /// One for each core.
    cores: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Queue {
    fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            cores: Arc::new(Semaphore::new(cores)),
            places: Arc::new(Semaphore::new(cores * PLACES_PER_CORE)),
        }
    }
}

/// A place in the queue of those who are to hash, given back when this is dropped.
#[must_use]
pub struct Place(#[expect(dead_code, reason = "it is only held")] Option<OwnedSemaphorePermit>);

impl Hasher {
    /// A hasher with the argon2 crate's default parameters (OWASP: 19 MiB, 2 passes, 1 lane).
    pub fn new(rng: Arc<dyn Rng>) -> Self {
        Self::with_params(rng, Params::DEFAULT)
    }

    /// A hasher with other parameters, to make hashes that another day would have made.
    pub fn with_params(rng: Arc<dyn Rng>, params: Params) -> Self {
        Self {
            // Counting the cores takes a while, and most functions never hash.
            queue: Some(Arc::new(LazyLock::new(Queue::new))),
            rng,
            params,
            compared: Arc::default(),
        }
    }

    /// A hasher that works on its caller's thread and holds up whatever else runs there: for simulations, in which nothing may
    /// depend on when another thread is done.
    pub fn in_place(rng: Arc<dyn Rng>, params: Params) -> Self {
        Self {
            queue: None,
            rng,
            params,
            compared: Arc::default(),
        }
    }

    /// How many passwords it and its clones were given to verify so far: what throttling keeps small.
    pub fn compared(&self) -> u64 {
        self.compared.load(Relaxed)
    }

    /// A place for a request that is about to hash, or [`Error::TooManyAttempts`] if too many are. To be taken before anything is
    /// read or counted, so that a refusal costs nothing, and says nothing of whoever is asked about.
    pub fn place(&self) -> Result<Place> {
        let Some(queue) = &self.queue else {
            return Ok(Place(None));
        };
        match queue.places.clone().try_acquire_owned() {
            Ok(permit) => Ok(Place(Some(permit))),
            Err(_) => Err(Error::TooManyAttempts { wait: COME_BACK }),
        }
    }

    /// Hashes under a fresh salt.
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash> {
        let password = password.clone();
        let params = self.params.clone();
        let salt = self.salt();
        self.off_thread(move || {
            let hash = argon(params)
                .hash_password_with_salt(password.0.as_bytes(), &salt)
                .map_err(failed)?;
            Ok(PasswordHash(hash.to_string()))
        })
        .await
    }

    /// Compares `password` with `hash`. Without a hash it does the same work and says [`Verdict::Wrong`], so that the time
    /// taken does not tell whether an account exists.
    pub async fn verify(&self, password: &Password, hash: Option<&PasswordHash>) -> Result<Verdict> {
        self.compared.fetch_add(1, Relaxed);
        let password = password.clone();
        let params = self.params.clone();
        let Some(hash) = hash.cloned() else {
            let salt = self.salt();
            return self
                .off_thread(move || {
                    argon(params)
                        .hash_password_with_salt(password.0.as_bytes(), &salt)
                        .map_err(failed)?;
                    Ok(Verdict::Wrong)
                })
                .await;
        };
        self.off_thread(move || {
            let parsed = phc::PasswordHash::new(&hash.0).map_err(|error| Error::Corrupt {
                kind: "password hash",
                why: error.to_string(),
            })?;
            match argon(params.clone()).verify_password(password.0.as_bytes(), &parsed) {
                Ok(()) if is_current(&parsed, &params) => Ok(Verdict::Right),
                Ok(()) => Ok(Verdict::Outdated),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Verdict::Wrong),
                Err(error) => Err(failed(error)),
            }
        })
        .await
    }

    fn salt(&self) -> [u8; 16] {
        let mut salt = [0; 16];
        self.rng.fill(&mut salt);
        salt
    }

    async fn off_thread<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let Some(queue) = &self.queue else {
            return work();
        };
        let permit = queue.cores.clone().acquire_owned().await.map_err(failed)?;
        // The permit travels with the work: a caller that goes away leaves a thread busy, and that still counts.
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        })
        .await
        .map_err(failed)?
    }
}

fn argon(params: Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn is_current(hash: &phc::PasswordHash, params: &Params) -> bool {
    hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into())
        && Params::try_from(hash).is_ok_and(|its| {
            (its.m_cost(), its.t_cost(), its.p_cost()) == (params.m_cost(), params.t_cost(), params.p_cost())
        })
}

fn failed(error: impl fmt::Display) -> Error {
    Error::Hashing(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemRng;

    fn hasher() -> Hasher {
        Hasher::new(Arc::new(SystemRng))
    }

    fn password(text: &str) -> Password {
        Password::claimed(text).unwrap()
    }

    #[test]
    fn a_claimed_password_is_only_bounded_in_size_and_never_trimmed() {
        assert!(Password::claimed("").is_ok());
        assert!(Password::claimed(&"x".repeat(1024)).is_ok());
        assert!(Password::claimed(&"x".repeat(1025)).is_err());
        assert_eq!(password("Å-ngstrom"), password("A\u{30a}-ngstrom"));
        assert_ne!(password(" password"), password("password"));
    }

    #[test]
    fn neither_a_password_nor_its_hash_prints_itself() {
        assert_eq!(format!("{:?}", password("password123")), "Password(…)");
        assert_eq!(format!("{:?}", PasswordHash("$argon2id$…".into())), "PasswordHash(…)");
    }

    #[tokio::test]
    async fn a_hash_is_argon2id_with_the_default_parameters_and_its_own_salt() {
        let hasher = hasher();
        let first = hasher.hash(&password("password123")).await.unwrap();
        let second = hasher.hash(&password("password123")).await.unwrap();
        assert!(first.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", first.0);
        assert_ne!(first, second);
        assert_eq!(
            hasher.verify(&password("password123"), Some(&first)).await.unwrap(),
            Verdict::Right
        );
        assert_eq!(
            hasher.verify(&password("password124"), Some(&first)).await.unwrap(),
            Verdict::Wrong
        );
        assert_eq!(
            hasher.verify(&password("password123"), None).await.unwrap(),
            Verdict::Wrong
        );
    }

    #[tokio::test]
    async fn a_hash_made_with_other_parameters_verifies_and_wants_renewing() {
        let old = Hasher::with_params(Arc::new(SystemRng), Params::new(8192, 1, 1, None).unwrap());
        let hash = old.hash(&password("password123")).await.unwrap();
        assert_eq!(
            hasher().verify(&password("password123"), Some(&hash)).await.unwrap(),
            Verdict::Outdated
        );
        assert_eq!(
            hasher().verify(&password("password124"), Some(&hash)).await.unwrap(),
            Verdict::Wrong
        );
    }

    #[tokio::test]
    async fn at_most_as_many_hash_at_once_as_there_are_cores() {
        let hasher = hasher();
        let cores = std::thread::available_parallelism().unwrap().get();
        let permits = hasher.queue.as_ref().unwrap().cores.clone();
        assert_eq!(permits.available_permits(), cores);
        let all = permits.acquire_many(u32::try_from(cores).unwrap()).await.unwrap();
        let password = password("password123");
        let mut hashing = std::pin::pin!(hasher.hash(&password));
        assert!(futures_util::poll!(hashing.as_mut()).is_pending());
        assert_eq!(
            tokio::runtime::Handle::current().metrics().num_alive_tasks(),
            0,
            "none was started"
        );
        drop(all);
        hashing.await.unwrap();
    }

    #[test]
    fn whoever_finds_no_place_is_told_to_come_back_and_a_place_that_was_left_is_free_again() {
        let hasher = hasher();
        let cores = std::thread::available_parallelism().unwrap().get();
        let mut places: Vec<Place> = (0..cores * PLACES_PER_CORE).map(|_| hasher.place().unwrap()).collect();
        let refused = hasher.clone().place().err().unwrap();
        assert!(matches!(refused, Error::TooManyAttempts { wait: COME_BACK }));
        places.pop();
        places.push(hasher.place().unwrap());
        assert!(hasher.place().is_err());
    }

    #[tokio::test]
    async fn a_hash_that_cannot_be_read_is_an_error_and_not_a_wrong_password() {
        let junk = PasswordHash("$argon2id$junk".into());
        let error = hasher()
            .verify(&password("password123"), Some(&junk))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }));
    }
}
