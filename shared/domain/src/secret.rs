//! Passwords and their hashes. Nothing here prints what it holds.

use std::cell::RefCell;
use std::fmt;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use unicode_normalization::UnicodeNormalization;

use crate::env::Rng;
use crate::error::{Error, Result};
use crate::password::{Context, Policy};
use crate::text::Rejection;

/// The most bytes that a password may have as it is sent.
pub const MAX_BYTES: usize = 1024;

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
    pub fn claimed(text: &str) -> Result<Self, Rejection> {
        if text.len() > MAX_BYTES {
            return Err(Rejection(format!("must have at most {MAX_BYTES} bytes")));
        }
        Ok(Self(text.nfkc().collect()))
    }

    /// A password that somebody chooses, or every rule of `policy` that it breaks. `context` is what is known about the person.
    pub fn chosen(text: &str, policy: Policy, context: &Context) -> Result<Self, Vec<Rejection>> {
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
/// milliseconds and 19 MiB, so more at once would only take longer and could take all memory. Who is to hash takes a [`place`](Self::admit)
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
    /// Whose threads hash, if not those of whoever asks.
    threads: OnceLock<Handle>,
}

impl Queue {
    fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            cores: Arc::new(Semaphore::new(cores)),
            places: Arc::new(Semaphore::new(cores * PLACES_PER_CORE)),
            threads: OnceLock::new(),
        }
    }
}

/// A place in the queue of those who are to hash, given back when this is dropped.
#[must_use]
pub struct Admission(#[expect(dead_code, reason = "it is only held")] Option<OwnedSemaphorePermit>);

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

    /// Hashes on the blocking threads of this runtime from now on, whatever runtime the caller is on: if each had its own, the memory of all would be
    /// kept, and one could have more to hash than threads while another has none. Only the first call counts.
    pub fn hash_on(&self, runtime: Handle) {
        if let Some(queue) = &self.queue {
            let _ = queue.threads.set(runtime);
        }
    }

    /// How many passwords it and its clones were given to verify so far: what throttling keeps small.
    pub fn verifications(&self) -> u64 {
        self.compared.load(Relaxed)
    }

    /// A place for a request that is about to hash, or [`Error::TooManyAttempts`] if too many are. To be taken before anything is
    /// read or counted, so that a refusal costs nothing, and says nothing of whoever is asked about.
    pub fn admit(&self) -> Result<Admission> {
        let Some(queue) = &self.queue else {
            return Ok(Admission(None));
        };
        match queue.places.clone().try_acquire_owned() {
            Ok(permit) => Ok(Admission(Some(permit))),
            Err(_) => Err(Error::TooManyAttempts { wait: COME_BACK }),
        }
    }

    /// Hashes under a fresh salt.
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash> {
        let password = password.clone();
        let params = self.params.clone();
        let salt = self.salt();
        self.off_thread(move || Ok(PasswordHash(hash_of(&password, &salt, &params)?.to_string())))
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
                    hash_of(&password, &salt, &params)?;
                    Ok(Verdict::Wrong)
                })
                .await;
        };
        self.off_thread(move || {
            let parsed = phc::PasswordHash::new(&hash.0).map_err(unreadable)?;
            let (argon, salt, expected) = parts(&parsed)?;
            match output(&argon, &password, salt, expected.len())? {
                // In constant time.
                computed if computed != *expected => Ok(Verdict::Wrong),
                _ if is_current(&parsed, &params) => Ok(Verdict::Right),
                _ => Ok(Verdict::Outdated),
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
        let work = move || {
            let done = work();
            drop(permit);
            done
        };
        let hashing = match queue.threads.get() {
            Some(runtime) => runtime.spawn_blocking(work),
            None => spawn_blocking(work),
        };
        hashing.await.map_err(failed)?
    }
}

/// The password's hash under this salt, by today's rules.
fn hash_of(password: &Password, salt: &[u8], params: &Params) -> Result<phc::PasswordHash> {
    let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
    let argon = Argon2::new(algorithm, version, params.clone());
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    Ok(phc::PasswordHash {
        algorithm: algorithm.ident(),
        version: Some(version.into()),
        params: params.try_into().map_err(failed)?,
        salt: Some(phc::Salt::new(salt).map_err(failed)?),
        hash: Some(output(&argon, password, salt, length)?),
    })
}

/// What a hash was made with, and what came of it.
fn parts(hash: &phc::PasswordHash) -> Result<(Argon2<'static>, &phc::Salt, &phc::Output)> {
    let (Some(salt), Some(output)) = (&hash.salt, &hash.hash) else {
        return Err(unreadable("it has no salt, or no output"));
    };
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(unreadable)?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from);
    let params = Params::try_from(hash).map_err(unreadable)?;
    Ok((
        Argon2::new(algorithm, version.map_err(unreadable)?, params),
        salt,
        output,
    ))
}

thread_local! {
    /// The memory that a thread hashes in, kept for as long as the runtime keeps the thread. To get it from the system for each hash, and filled
    /// with zeros, takes a fourteenth of the time that hashing does; two threads at once, which wait for one another there, a fifth.
    ///
    /// What another hash has left there comes into none: the first pass writes every block before it is read. Whoever could read it could read
    /// the passwords too.
    static MEMORY: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

fn output(argon: &Argon2<'_>, password: &Password, salt: &[u8], length: usize) -> Result<phc::Output> {
    MEMORY.with_borrow_mut(|memory| {
        let blocks = argon.params().block_count();
        if memory.len() < blocks {
            memory.clear();
            memory.try_reserve_exact(blocks).map_err(failed)?;
            memory.resize(blocks, Block::default());
        }
        let mut output = [0; phc::Output::MAX_LENGTH];
        let output = output
            .get_mut(..length)
            .ok_or_else(|| failed("an output of this length"))?;
        argon
            .hash_password_into_with_memory(password.0.as_bytes(), salt, output, &mut memory[..blocks])
            .map_err(failed)?;
        phc::Output::new(output).map_err(failed)
    })
}

fn unreadable(why: impl fmt::Display) -> Error {
    Error::Corrupt {
        kind: "password hash",
        why: why.to_string(),
    }
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
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "none was started");
        drop(all);
        hashing.await.unwrap();
    }

    #[tokio::test]
    async fn it_hashes_on_the_runtime_that_it_was_given() {
        let hasher = hasher();
        let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
        hasher.hash_on(other.handle().clone());
        hasher.hash_on(Handle::current());
        assert!(hasher.clone().hash(&password("password123")).await.is_ok());
        // One that has ended hashes no more.
        other.shutdown_background();
        let error = hasher.hash(&password("password123")).await.unwrap_err();
        assert!(matches!(error, Error::Hashing(_)), "{error:?}");
    }

    #[test]
    fn whoever_finds_no_place_is_told_to_come_back_and_a_place_that_was_left_is_free_again() {
        let hasher = hasher();
        let cores = std::thread::available_parallelism().unwrap().get();
        let mut places: Vec<Admission> = (0..cores * PLACES_PER_CORE).map(|_| hasher.admit().unwrap()).collect();
        let refused = hasher.clone().admit().err().unwrap();
        assert!(matches!(refused, Error::TooManyAttempts { wait: COME_BACK }));
        places.pop();
        places.push(hasher.admit().unwrap());
        assert!(hasher.admit().is_err());
    }

    #[tokio::test]
    async fn a_hash_that_cannot_be_read_is_an_error_and_not_a_wrong_password() {
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
            let hash = PasswordHash(junk);
            let error = hasher().verify(&password("password123"), Some(&hash)).await;
            assert!(matches!(error, Err(Error::Corrupt { .. })), "{}: {error:?}", hash.0);
        }
    }

    #[tokio::test]
    async fn it_hashes_and_verifies_as_the_crate_does_by_itself() {
        use argon2::{PasswordHasher as _, PasswordVerifier as _};
        // On this thread, whose memory is its own: it is too little for the second and the last, and the third uses a part of it.
        let hasher = Hasher::in_place(Arc::new(SystemRng), Params::DEFAULT);
        for (m, t, p) in [(32, 1, 1), (64, 2, 4), (16, 3, 2)] {
            for algorithm in [Algorithm::Argon2id, Algorithm::Argon2i] {
                let argon = Argon2::new(algorithm, Version::V0x13, Params::new(m, t, p, Some(24)).unwrap());
                let theirs = argon
                    .hash_password_with_salt(b"password123", b"sixteen bytes...")
                    .unwrap();
                let theirs = PasswordHash(theirs.to_string());
                let verdict = |text| {
                    let (hasher, theirs) = (hasher.clone(), theirs.clone());
                    async move { hasher.verify(&password(text), Some(&theirs)).await.unwrap() }
                };
                assert_eq!(verdict("password123").await, Verdict::Outdated);
                assert_eq!(verdict("password124").await, Verdict::Wrong);
            }
        }
        let ours = hasher.hash(&password("password123")).await.unwrap();
        assert_eq!(
            Argon2::default().verify_password(b"password123", ours.0.as_str()),
            Ok(())
        );
    }
}
