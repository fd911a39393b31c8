//! The production engine: a `FoundationDB` cluster. The only file that names `foundationdb`.
//!
//! The client library runs one network thread, which can be started once per process and never again after it was stopped.
//! [`open`](Store::open) starts it; [`stop`] stops it, which a program owes the library before it ends.
//!
//! A [`Transaction`] is the client's own, which buffers writes and shows them to its reads. A failed attempt goes through the
//! client's `on_error`, which knows what may be tried again and how long the cluster wants to be left alone, and the next
//! attempt uses the same transaction, reset. Every one has a timeout, a retry limit and a largest retry delay.
//!
//! **Appends** are kept here until the commit and sent as versionstamped keys then: the client would show them to the
//! transaction's own reads with a stamp that is not filled in yet.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use foundationdb::api::{FdbApiBuilder, NetworkAutoStop};
use foundationdb::options::{ConflictRangeType, MutationType, StreamingMode, TransactionOption};
use foundationdb::{Database, FdbError, KeySelector, RangeOption, Transaction as Native, TransactionCommitError};

use crate::appends::Appends;
use crate::error::{Cause, Error};
use crate::key::Span;
use crate::overlay::Found;
use crate::pending::Pending;
use crate::txn::Order;

/// The version of the client's API that this code is written to.
const API_VERSION: i32 = 730;
/// Where the client looks for a cluster file when it is told nothing.
const DEFAULT_CLUSTER_FILE: &str = if cfg!(target_os = "macos") {
    "/usr/local/etc/foundationdb/fdb.cluster"
} else {
    "/etc/foundationdb/fdb.cluster"
};
/// How much longer than its run a transaction may live, so that it is always the run's deadline that ends it.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(1);
/// The longest wait between two attempts, in milliseconds.
const MAX_RETRY_DELAY_MS: i32 = 250;

/// Which cluster, as the program was told.
#[derive(Clone, PartialEq, Eq)]
pub enum Cluster {
    /// The one in the client's default cluster file.
    Default,
    /// The one in this cluster file, which the client rewrites when the coordinators move.
    File(PathBuf),
    /// The one that a cluster file with this content names. It is written to a folder of this user's under the system's
    /// temporary one, and kept there if it exists: the client may have brought it up to date since.
    Content(String),
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("Default"),
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            // Whoever knows it can join the cluster's clients.
            Self::Content(_) => f.write_str("Content(…)"),
        }
    }
}

/// The network thread of this process.
enum Network {
    New,
    Running {
        /// Stops the thread when it is dropped.
        _handle: NetworkAutoStop,
    },
    Stopped,
}

static NETWORK: Mutex<Network> = Mutex::new(Network::New);
/// Whether the network was stopped; read by every transaction, so not behind the lock.
static STOPPED: AtomicBool = AtomicBool::new(false);
/// The clusters this process has open, by file: one connection to each is enough.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<Store>>> = Mutex::new(BTreeMap::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start() -> Result<(), Error> {
    let mut network = lock(&NETWORK);
    match *network {
        Network::Running { .. } => return Ok(()),
        Network::Stopped => return Err(stopped()),
        Network::New => {}
    }
    let builder = FdbApiBuilder::default().set_runtime_version(API_VERSION).build();
    let builder = builder.map_err(|error| Error::Engine {
        why: format!("the FoundationDB client library does not offer API version {API_VERSION}: {error}"),
    })?;
    // SAFETY: the handle has to be dropped before the process exits. `stop` does that, and `shutdown` asks every program to call
    // it on its way out. It can not be left to a hook of the C library's: what the client keeps in statics that it makes while it
    // runs is destroyed before such a hook is called.
    #[expect(
        unsafe_code,
        reason = "the binding can not see that the network is stopped before the process exits"
    )]
    let running = unsafe { builder.boot() };
    let running = running.map_err(|error| Error::Engine {
        why: format!("the FoundationDB client could not be started: {error}"),
    })?;
    *network = Network::Running { _handle: running };
    Ok(())
}

/// Stops the network thread. Transactions begun later are refused; a second call changes nothing.
pub(crate) fn stop() {
    let network = &mut *lock(&NETWORK);
    if matches!(network, Network::Running { .. }) {
        STOPPED.store(true, Relaxed);
        *network = Network::Stopped;
    }
}

fn stopped() -> Error {
    Error::Unavailable {
        cause: Cause::Engine {
            why: "the FoundationDB client of this process was stopped".to_owned(),
        },
    }
}

/// A connection to a cluster.
pub(crate) struct Store {
    database: Database,
}

impl Store {
    pub(crate) fn open(cluster: &Cluster) -> Result<Arc<Self>, Error> {
        let file = cluster_file(cluster)?;
        let mut open = lock(&OPEN);
        open.retain(|_, store| store.strong_count() > 0);
        if let Some(store) = open.get(&file).and_then(Weak::upgrade) {
            return Ok(store);
        }
        start()?;
        let refuse = |why: String| Error::Cluster {
            file: file.clone(),
            why,
        };
        let path = file
            .to_str()
            .ok_or_else(|| refuse("its name is not UTF-8".to_owned()))?;
        let database = Database::from_path(path).map_err(|error| refuse(error.to_string()))?;
        let store = Arc::new(Self { database });
        open.insert(file, Arc::downgrade(&store));
        Ok(store)
    }

    /// A transaction that lives a little longer than `deadline`.
    /// It reads at `version`, if there is one, and then asks the cluster for none.
    pub(crate) fn begin(&self, deadline: Duration, attempts: u32, version: Option<i64>) -> Result<Transaction, Error> {
        if STOPPED.load(Relaxed) {
            return Err(stopped());
        }
        let native = self.database.create_trx().map_err(failure)?;
        let timeout = deadline.saturating_add(TIMEOUT_MARGIN).as_millis();
        for option in [
            TransactionOption::Timeout(i32::try_from(timeout).unwrap_or(i32::MAX)),
            TransactionOption::RetryLimit(i32::try_from(attempts).unwrap_or(i32::MAX)),
            TransactionOption::MaxRetryDelay(MAX_RETRY_DELAY_MS),
        ] {
            native.set_option(option).map_err(failure)?;
        }
        if let Some(version) = version {
            native.set_read_version(version);
        }
        Ok(Transaction::new(native, version.is_some()))
    }
}

/// The file that the client is to use, checked as far as that can be done without the cluster.
fn cluster_file(cluster: &Cluster) -> Result<PathBuf, Error> {
    let file = match cluster {
        Cluster::Default => PathBuf::from(DEFAULT_CLUSTER_FILE),
        Cluster::File(file) => file.clone(),
        Cluster::Content(content) => {
            let file = std::env::temp_dir().join(format!("fdb-{}", rustix::process::geteuid().as_raw()));
            let refuse = |file: &Path, why: String| Error::Cluster {
                file: file.to_owned(),
                why,
            };
            check_content(content).map_err(|why| refuse(Path::new("(from FDB_CLUSTER)"), why))?;
            return write_content(&file, content)
                .map_err(|error| refuse(&file, format!("it can not be written: {error}")));
        }
    };
    let refuse = |why: String| Error::Cluster {
        file: file.clone(),
        why,
    };
    let content = fs::read_to_string(&file).map_err(|error| refuse(format!("it can not be read: {error}")))?;
    check_content(&content).map_err(refuse)?;
    Ok(file)
}

/// Writes `content` where only this user can, under a name made from it, unless it is there already.
fn write_content(folder: &Path, content: &str) -> io::Result<PathBuf> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let there = fs::symlink_metadata(folder)?;
    if !there.is_dir() || there.uid() != rustix::process::geteuid().as_raw() || there.mode() & 0o077 != 0 {
        return Err(io::Error::other(
            "its folder is not one that this user alone can write to",
        ));
    }
    let file = folder.join(format!("{:016x}.cluster", name_hash(content.trim())));
    if fs::read_to_string(&file).is_ok_and(|kept| check_content(&kept).is_ok()) {
        return Ok(file);
    }
    // Complete or absent, whoever else does the same at this moment; over one that is damaged, too.
    let draft = folder.join(format!("{:032x}.draft", fastrand::u128(..)));
    let mut options = fs::OpenOptions::new();
    let mut written = options.write(true).create_new(true).mode(0o600).open(&draft)?;
    let done = written
        .write_all(content.as_bytes())
        .and_then(|()| fs::rename(&draft, &file));
    if done.is_err() {
        // What is left of it would only be in the way.
        let _ = fs::remove_file(&draft);
    }
    done?;
    Ok(file)
}

/// FNV-1a: the same in every process and every version of this program, which the standard hasher does not promise.
fn name_hash(content: &str) -> u64 {
    content.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Checks `description:id@host:port,host:port…`. The client would take a malformed file and wait for ever.
fn check_content(content: &str) -> Result<(), String> {
    let mut lines = content
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err("it must have one line of the form `description:id@address:port`".to_owned());
    };
    let word = |text: &str, extra: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
    };
    let address = |text: &str| {
        let text = text.strip_suffix("(fromHostname)").unwrap_or(text);
        let text = text.strip_suffix(":tls").unwrap_or(text);
        text.rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
    };
    let well_formed = line.split_once('@').is_some_and(|(name, addresses)| {
        name.split_once(':')
            .is_some_and(|(description, id)| word(description, "_") && word(id, ""))
            && addresses.split(',').all(address)
    });
    if well_formed {
        Ok(())
    } else {
        Err("it is not of the form `description:id@address:port,…`".to_owned())
    }
}

/// One attempt.
pub(crate) struct Transaction {
    state: Mutex<State>,
}

enum State {
    Open {
        native: Native,
        appends: Appends,
        wrote: bool,
        /// Whether the client knows the version that is read.
        versioned: bool,
        failed: Option<FdbError>,
    },
    /// There was nothing to commit.
    HasRead(Native),
    /// At this version, if the client knows it.
    Committed(Option<i64>),
    /// The commit failed; the client wants to know of it before the next attempt.
    Refused(TransactionCommitError),
    Ended,
}

impl Transaction {
    fn new(native: Native, versioned: bool) -> Self {
        Self {
            state: Mutex::new(State::Open {
                native,
                appends: Appends::default(),
                wrote: false,
                versioned,
                failed: None,
            }),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&Native, &mut Appends, &mut bool) -> T) -> Result<T, Error> {
        match &mut *lock(&self.state) {
            State::Open {
                native, appends, wrote, ..
            } => Ok(act(native, appends, wrote)),
            _ => Err(ended()),
        }
    }

    /// Notes that a read was answered, and so at which version.
    fn answered(&self) {
        if let State::Open { versioned, .. } = &mut *lock(&self.state) {
            *versioned = true;
        }
    }

    /// Notes what a read failed with, for `on_error`, and translates it.
    fn failed(&self, error: FdbError) -> Error {
        if let State::Open { failed, .. } = &mut *lock(&self.state) {
            *failed = Some(error);
        }
        failure(error)
    }

    pub(crate) async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let read = self.with(|native, _, _| native.get(key, false))?;
        let value = read.await.map_err(|error| self.failed(error))?;
        self.answered();
        Ok(value.map(|value| value.to_vec()))
    }

    /// The entries of a span, of which the cluster may answer a part at a time: `more` counts the parts after the first.
    pub(crate) async fn range(
        &self,
        span: &Span,
        order: Order,
        limit: usize,
        more: &mut u32,
    ) -> Result<Vec<Found>, Error> {
        let mut found: Vec<Found> = Vec::new();
        let mut option = Some(RangeOption {
            begin: KeySelector::first_greater_or_equal(&*span.start),
            end: KeySelector::first_greater_or_equal(&*span.end),
            limit: Some(limit),
            // The caller said how much it wants; more than one round trip for that would be waste.
            mode: StreamingMode::WantAll,
            reverse: order == Order::Descending,
            ..RangeOption::default()
        });
        let mut iteration = 1;
        while let Some(current) = option {
            let read = self.with(|native, _, _| native.get_range(&current, iteration, false))?;
            let values = read.await.map_err(|error| self.failed(error))?;
            self.answered();
            found.extend(
                values
                    .iter()
                    .map(|entry| (entry.key().to_vec(), entry.value().to_vec())),
            );
            if values.more() && values.is_empty() {
                let why = "the cluster answered a part of a range with nothing".to_owned();
                return Err(Error::Engine { why });
            }
            option = current.next_range(&values);
            *more += u32::from(option.is_some());
            iteration += 1;
        }
        Ok(found)
    }

    pub(crate) fn set(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.with(|native, _, wrote| {
            native.set(key, value);
            *wrote = true;
        })
    }

    pub(crate) fn clear(&self, key: &[u8]) -> Result<(), Error> {
        self.with(|native, _, wrote| {
            native.clear(key);
            *wrote = true;
        })
    }

    pub(crate) fn clear_range(&self, span: &Span) -> Result<(), Error> {
        self.with(|native, appends, wrote| {
            native.clear_range(&span.start, &span.end);
            appends.clear_range(span);
            *wrote = true;
        })
    }

    pub(crate) fn append(&self, prefix: Vec<u8>, order: u16, value: Vec<u8>) -> Result<(), Error> {
        self.with(|_, appends, wrote| {
            appends.push(prefix, order, value);
            *wrote = true;
        })
    }

    /// Refuses the commit if anything is written to `key` from the attempt's begin on, without reading it.
    pub(crate) fn watch(&self, key: &[u8]) -> Result<(), Error> {
        let end = [key, &[0]].concat();
        self.with(|native, _, _| native.add_conflict_range(key, &end, ConflictRangeType::Read))?
            .map_err(failure)
    }

    /// The version that is read; known, and so no trip, once anything was read.
    pub(crate) async fn version(&self) -> Result<i64, Error> {
        let version = self.with(|native, _, _| native.get_read_version())?;
        version.await.map_err(|error| self.failed(error))
    }

    /// Ends the attempt and answers the version that it leaves: that of its commit, whose writes are read there, or the one that
    /// was read if nothing was written; none if none is known without asking the cluster.
    pub(crate) async fn leave(&self) -> Option<i64> {
        let state = std::mem::replace(&mut *lock(&self.state), State::Ended);
        match state {
            State::Committed(version) => version,
            State::HasRead(native)
            | State::Open {
                native,
                versioned: true,
                ..
            } => native.get_read_version().await.ok(),
            _ => None,
        }
    }

    /// Ends the attempt; does nothing if it has ended.
    pub(crate) fn end(&self) {
        *lock(&self.state) = State::Ended;
    }

    /// Commits. If the future is dropped meanwhile, `undecided` is set.
    pub(crate) async fn commit(&self, undecided: &AtomicBool) -> Result<(), Error> {
        let State::Open {
            native,
            appends,
            wrote,
            versioned,
            ..
        } = std::mem::replace(&mut *lock(&self.state), State::Ended)
        else {
            return Err(ended());
        };
        if !wrote {
            if versioned {
                *lock(&self.state) = State::HasRead(native);
            }
            return Ok(());
        }
        for append in appends.iter() {
            let (key, value) = (append.key_with_offset(), &append.value);
            native.atomic_op(&key, value, MutationType::SetVersionstampedKey);
        }
        let mut pending = Pending {
            undecided,
            answered: false,
        };
        match native.commit().await {
            Ok(committed) => {
                pending.answered = true;
                // Negative if the client saw nothing in it that would have to be written.
                let version = committed.committed_version().ok().filter(|version| *version >= 0);
                *lock(&self.state) = State::Committed(version);
                Ok(())
            }
            Err(refusal) => {
                let error = failure(*refusal);
                // Of anything else it is not known whether it came before the commit or after: a timeout, say.
                pending.answered = error == Error::CommitUnknown || is_not_committed(*refusal);
                *lock(&self.state) = State::Refused(refusal);
                Err(error)
            }
        }
    }

    /// Another attempt after a failed one, when the client thinks that it is time for it; the error if it thinks that there
    /// is no point; nothing if it was not asked, because the closure made the error up itself. This attempt has ended then.
    pub(crate) async fn again(&self) -> Result<Option<Self>, Error> {
        let state = std::mem::replace(&mut *lock(&self.state), State::Ended);
        let reset = match state {
            State::Open {
                native,
                failed: Some(error),
                ..
            } => native.on_error(error).await,
            State::Refused(refusal) => refusal.on_error().await,
            State::Open { failed: None, .. } => return Ok(None),
            State::HasRead(_) | State::Committed(_) | State::Ended => return Err(ended()),
        };
        reset
            .map(|native| Some(Self::new(native, false)))
            .map_err(|error| match failure(error) {
                // It has used up its retries or its time.
                error if error.is_retryable() => Error::Unavailable {
                    cause: Cause::Engine { why: error.to_string() },
                },
                error => error,
            })
    }
}

fn ended() -> Error {
    Error::Engine {
        why: "a transaction was used after its attempt had ended".to_owned(),
    }
}

/// Whether a commit that failed so has certainly not taken place: it was refused, or never sent.
fn is_not_committed(error: FdbError) -> bool {
    error.is_retryable_not_committed() || (2000..3000).contains(&error.code())
}

/// The store's error for one of the client's (`flow/error_definitions.h` in FoundationDB's source).
fn failure(error: FdbError) -> Error {
    let why = || format!("{error} ({})", error.code());
    match error.code() {
        1020 => Error::Conflict,
        1007 => Error::TooOld,
        2101 => Error::TransactionTooLarge {
            len: crate::txn::MAX_TRANSACTION_LEN,
        },
        _ if error.is_maybe_committed() => Error::CommitUnknown,
        _ if error.is_retryable() => Error::Unavailable {
            cause: Cause::Busy { why: why() },
        },
        // The timeout, a cancelled operation, a cluster that is locked or that does not speak this client's protocol.
        // And a cluster file that was damaged after it had been checked.
        1025 | 1031 | 1038 | 1026 | 1101 | 2104 => Error::Unavailable {
            cause: Cause::Engine { why: why() },
        },
        _ => Error::Engine { why: why() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_files_content_is_checked() {
        for good in [
            "test:test@127.0.0.1:4500",
            "my_db:aB3@10.0.0.1:4500,10.0.0.2:4500:tls\n",
            "# a comment\n\nd:i@[::1]:4500",
            "d:i@fdb.example.com:4500",
        ] {
            assert_eq!(check_content(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "#",
            "test",
            "test@127.0.0.1:4500",
            "a:b@",
            "a:b@host",
            "a:b@host:0",
            "a:b@h:1\nc:d@h:1",
            "a b:c@h:1",
        ] {
            assert!(check_content(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_content_is_written_once_and_kept_when_it_was_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made");
        let file = write_content(&folder, "a:b@127.0.0.1:1").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "a:b@127.0.0.1:1");
        fs::write(&file, "a:b@127.0.0.1:2").unwrap();
        assert_eq!(write_content(&folder, "a:b@127.0.0.1:1\n").unwrap(), file);
        assert_eq!(fs::read_to_string(&file).unwrap(), "a:b@127.0.0.1:2");
        assert_ne!(write_content(&folder, "a:b@127.0.0.1:3").unwrap(), file);

        fs::write(&file, "").unwrap();
        assert_eq!(write_content(&folder, "a:b@127.0.0.1:1").unwrap(), file);
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "a:b@127.0.0.1:1",
            "what is damaged is written anew"
        );

        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        assert!(
            write_content(&folder, "a:b@127.0.0.1:4").is_err(),
            "a folder that others can write to"
        );
    }
}
