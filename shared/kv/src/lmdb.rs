//! The embedded engine: LMDB in a folder that several processes share. The only file that names `heed`.
//!
//! LMDB has many readers and one writer at a time, across all processes. This engine makes optimistic transactions of that:
//!
//! - **Reading.** A [`Transaction`] opens a snapshot at its first read and keeps it. Reads happen in place, on the caller's
//!   thread: one costs about a microsecond, less than handing it to another thread. What was read is recorded: keys, and the
//!   parts of ranges that were examined.
//! - **Writing.** Writes are kept in an [`Overlay`] until the commit.
//! - **Committing.** One thread per process and folder takes all commits that wait, validates and applies each in turn inside
//!   a single LMDB write transaction, makes that durable with one sync, and answers them all.
//!
//! **Validation is by value.** If anything was written since a transaction's snapshot, each key and each part of a range it has
//! read is read again in the write transaction and has to be the same, byte for byte; if not, the commit is refused with
//! [`Error::Conflict`]. That is serialisable: whatever the transaction observed, it would also observe if it ran, whole, at the
//! point where it commits. A value that was changed and changed back in between (ABA) is harmless for the same reason: the
//! transaction cannot have seen anything that is not true again.
//!
//! **A commit can be withdrawn until it is taken.** The write lock may be held by another process for any length of time, even
//! by one that was stopped. A commit therefore stays in the queue until this process has the lock; a run whose deadline passes
//! removes it from there, and it will not be applied later.
//!
//! **A full disk** fails the sync or the write of a page, which LMDB answers with an error and by dropping the write
//! transaction: nothing is half written. The lock file is the exception, as it is written through memory: were there no room
//! for one of its pages at the first touch, the process would be killed (`SIGBUS`). So its space is reserved when the store is
//! opened.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, MdbError, RoTxn, RwTxn, WithoutTls};
use rustix::io::Errno;
use tokio::sync::oneshot;

use crate::error::{Cause, Error};
use crate::key::Span;
use crate::overlay::{Found, Overlay, Seen, examined, merge};
use crate::txn::Order;

/// Address space for the data file, not memory or disk: the file grows as it is written, up to this size.
const MAP_LEN: usize = if cfg!(target_pointer_width = "64") {
    64 << 30
} else {
    1 << 30
};
/// Snapshots that can be open at once, in all processes together.
const MAX_READERS: u32 = 1024;
/// Length of the lock file. It has to hold a header and 64 bytes for each of [`MAX_READERS`]; LMDB uses what there is.
#[cfg(target_os = "linux")]
const LOCK_FILE_LEN: u64 = 80 << 10;
/// The most commits that share one write transaction; their place in it is part of the stamp of [`Overlay::append`].
const MAX_BATCH: usize = 256;
/// After so many write transactions, those who died while reading are looked for; until they are found, no space that was
/// freed since their snapshot is used again.
const CLEAR_READERS_EVERY: u32 = 64;
/// How long to wait at open for this process's earlier use of the same folder to end.
const CLOSING: Duration = Duration::from_secs(5);

type Data = Database<'static, Bytes, Bytes>;
type Snapshot = RoTxn<'static, WithoutTls>;

/// The stores this process has open, by canonical folder: LMDB forbids opening one twice, because closing either would drop
/// the file locks of both.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<Store>>> = Mutex::new(BTreeMap::new());

/// A lock whose holders cannot panic half way through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open folder, shared by every [`Db`](crate::Db) of this process that names it.
pub(crate) struct Store {
    env: Env<WithoutTls>,
    data: Data,
    queue: Arc<Queue>,
    /// Whether there is a thread that takes the commits.
    is_served: Mutex<bool>,
    /// Device and inode of the data file, which tell if the folder was replaced under us.
    file: (u64, u64),
}

impl Store {
    pub(crate) fn open(folder: &Path) -> Result<Arc<Self>, Error> {
        let refuse = |why: String| Error::Open {
            folder: folder.to_owned(),
            why,
        };
        if folder.exists() && !folder.is_dir() {
            return Err(refuse("it is not a folder".to_owned()));
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| refuse(format!("the folder cannot be made: {error}")))?;
        let path = folder.canonicalize().map_err(|error| refuse(error.to_string()))?;

        let mut open = lock(&OPEN);
        open.retain(|_, store| store.strong_count() > 0);
        if let Some(store) = open.get(&path).and_then(Weak::upgrade) {
            return if data_file(&path).is_ok_and(|file| file == store.file) {
                Ok(store)
            } else {
                Err(refuse(
                    "its files were removed or replaced while this process had it open".to_owned(),
                ))
            };
        }
        if let Some(closing) = heed::env_closing_event(&path) {
            closing.wait_timeout(CLOSING);
            if heed::env_closing_event(&path).is_some() {
                return Err(refuse("this process is still closing it".to_owned()));
            }
        }
        // Must come before LMDB opens the lock file: closing any handle on it drops the locks this process has on it.
        reserve_lock_file(&path).map_err(|error| refuse(format!("its lock file cannot be written: {error}")))?;
        let store = Self::open_env(&path).map_err(|error| refuse(describe(&error)))?;
        let store = Arc::new(store);
        open.insert(path, Arc::downgrade(&store));
        Ok(store)
    }

    fn open_env(path: &Path) -> Result<Self, heed::Error> {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(MAP_LEN).max_readers(MAX_READERS);
        // SAFETY: the file under the map is changed by LMDB alone, under its own locks, which no flag turns off; `OPEN` keeps
        // this process from opening it twice. Someone who truncates the file by other means breaks this, as they would break
        // any program that maps its files.
        #[expect(
            unsafe_code,
            reason = "LMDB maps its file into memory, and no type can promise that nobody truncates it"
        )]
        let env = unsafe { options.open(path) }?;
        // Readers that died without leaving hold on to the space their snapshot needs.
        env.clear_stale_readers()?;
        let snapshot = env.read_txn()?;
        let data = env
            .open_databases_and_commit(snapshot, |opener, snapshot| {
                let data = opener.open_database::<Bytes, Bytes>(snapshot, None)?;
                Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(data))
            })?
            .unwrap_commit()
            .ok_or(heed::Error::Mdb(MdbError::NotFound))?;
        let file = data_file(path)?;
        Ok(Self {
            env,
            data,
            queue: Arc::default(),
            is_served: Mutex::default(),
            file,
        })
    }

    /// Adds a commit to those that wait, and answers its id. The thread that takes them is started by the first one: a process that only
    /// reads needs none, and starts sooner.
    fn push(&self, work: Work, answer: oneshot::Sender<Result<(), Error>>) -> Result<u64, Error> {
        let id = self.queue.push(work, answer).ok_or_else(stopped)?;
        let mut is_served = lock(&self.is_served);
        if !*is_served {
            let committer = Committer {
                env: self.env.clone(),
                data: self.data,
                queue: self.queue.clone(),
            };
            let started = thread::Builder::new()
                .name("kv-commit".to_owned())
                .spawn(move || committer.serve());
            // Without it the committer is dropped, which closes the queue.
            started.map_err(|_| stopped())?;
            *is_served = true;
        }
        Ok(id)
    }

    fn snapshot(&self) -> Result<Snapshot, Error> {
        let snapshot = match self.env.clone().static_read_txn() {
            Err(heed::Error::Mdb(MdbError::ReadersFull)) => {
                self.env.clear_stale_readers().map_err(|error| failure(&error))?;
                self.env.clone().static_read_txn()
            }
            snapshot => snapshot,
        };
        snapshot.map_err(|error| failure(&error))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.queue.close();
    }
}

fn data_file(folder: &Path) -> io::Result<(u64, u64)> {
    let file = folder.join("data.mdb").metadata()?;
    Ok((file.dev(), file.ino()))
}

/// Makes the lock file if it is missing, proves that it can be written, and reserves its space on the disk.
fn reserve_lock_file(folder: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join("lock.mdb"))?;
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};

        // A file that is in use must keep its length, from which LMDB derives the number of readers.
        let flags = if file.metadata()?.len() == 0 {
            FallocateFlags::empty()
        } else {
            FallocateFlags::KEEP_SIZE
        };
        match fallocate(&file, flags, 0, LOCK_FILE_LEN) {
            // File systems that cannot reserve space; none that LMDB is recommended on.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
    }
    #[cfg(not(target_os = "linux"))]
    drop(file);
    Ok(())
}

/// A snapshot kept for one later transaction.
#[cfg(feature = "testing")]
pub(crate) struct Held(Mutex<Option<Snapshot>>);

/// One attempt's view of the store and its writes so far.
pub(crate) struct Transaction {
    store: Arc<Store>,
    /// `None` once the attempt has ended.
    work: Mutex<Option<Work>>,
    /// What a commit in place leaves.
    #[cfg(feature = "testing")]
    left: Mutex<Option<Snapshot>>,
}

/// What a commit needs to know of its transaction.
#[derive(Default)]
struct Work {
    snapshot: Option<Snapshot>,
    /// One that was read more than once is there as often.
    keys: Vec<Vec<u8>>,
    spans: Vec<Span>,
    writes: Overlay,
}

impl Transaction {
    /// Refused when the store has to be opened again by another process, so that whoever only asks whether it is ready hears
    /// of it too.
    pub(crate) fn begin(store: Arc<Store>) -> Result<Self, Error> {
        if store.queue.is_closed() {
            return Err(stopped());
        }
        Ok(Self {
            store,
            work: Mutex::new(Some(Work::default())),
            #[cfg(feature = "testing")]
            left: Mutex::default(),
        })
    }

    /// Begins an attempt that reads from `held`, unless another one has taken that already.
    #[cfg(feature = "testing")]
    pub(crate) fn begin_on(store: Arc<Store>, held: &Held) -> Result<Self, Error> {
        let begun = Self::begin(store)?;
        begun.with(|work| {
            work.snapshot = lock(&held.0).take();
            Ok(())
        })?;
        Ok(begun)
    }

    /// A snapshot of this moment.
    #[cfg(feature = "testing")]
    pub(crate) fn hold(&self) -> Result<Held, Error> {
        Ok(Held(Mutex::new(Some(self.store.snapshot()?))))
    }

    /// Ends the attempt and gives its work to another transaction, which the end of the run does not reach.
    #[cfg(feature = "testing")]
    pub(crate) fn detach(&self) -> Self {
        Self {
            store: self.store.clone(),
            work: Mutex::new(lock(&self.work).take()),
            left: Mutex::default(),
        }
    }

    /// Ends the attempt and answers what it leaves: the store right after its commit in place, or as it was read if nothing was
    /// written; nothing if it has not read either.
    #[cfg(feature = "testing")]
    pub(crate) fn leave(&self) -> Option<Held> {
        let read = lock(&self.work).take().and_then(|work| work.snapshot);
        let left = lock(&self.left).take().or(read)?;
        Some(Held(Mutex::new(Some(left))))
    }

    /// Ends the attempt and commits its writes on the calling thread. Under a paused clock waiting for the commit thread would
    /// count as idling, and time would jump to the deadline.
    #[cfg(feature = "testing")]
    pub(crate) fn commit_in_place(&self) -> Result<(), Error> {
        let Some(work) = lock(&self.work).take() else {
            return Ok(());
        };
        if work.writes.is_empty() {
            *lock(&self.left) = work.snapshot;
            return Ok(());
        }
        let committer = Committer {
            env: self.store.env.clone(),
            data: self.store.data,
            // Its own: a committer closes its queue when it ends.
            queue: Arc::default(),
        };
        let commit = Commit {
            id: 0,
            work,
            answer: oneshot::channel().0,
        };
        let written = committer
            .env
            .write_txn()
            .and_then(|txn| committer.write(txn, &[commit]));
        let verdicts = written.map_err(|error| failure(&error))?;
        verdicts.into_iter().collect::<Result<(), _>>()?;
        // Now, and not when the run is told: the answer may take its time, and others commit meanwhile.
        *lock(&self.left) = self.store.snapshot().ok();
        Ok(())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Work) -> Result<T, Error>) -> Result<T, Error> {
        match lock(&self.work).as_mut() {
            Some(work) => act(work),
            None => Err(Error::Engine {
                why: "a transaction was used after its attempt had ended".to_owned(),
            }),
        }
    }

    pub(crate) fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, Error> {
        self.with(|work| {
            match work.writes.look(&key) {
                Seen::Value(value) => return Ok(Some(value.to_vec())),
                Seen::Cleared => return Ok(None),
                Seen::Below => {}
            }
            let snapshot = snapshot(&mut work.snapshot, &self.store)?;
            let value = self
                .store
                .data
                .get(snapshot, &key)
                .map_err(|error| failure(&error))?
                .map(<[u8]>::to_vec);
            work.keys.push(key);
            Ok(value)
        })
    }

    pub(crate) fn range(&self, span: &Span, order: Order, limit: usize) -> Result<Vec<Found>, Error> {
        self.with(|work| {
            let snapshot = snapshot(&mut work.snapshot, &self.store)?;
            let writes = &work.writes;
            let untouched = |entry: &Result<(&[u8], _), _>| match entry {
                Ok((key, _)) => writes.look(key) == Seen::Below,
                Err(_) => true,
            };
            let own = writes.entries_in(span);
            let (bounds, data) = (bounds(span), &self.store.data);
            let found = match order {
                Order::Ascending => data
                    .range(snapshot, &bounds)
                    .and_then(|entries| merge(entries.filter(untouched), own, order, limit)),
                Order::Descending => data
                    .rev_range(snapshot, &bounds)
                    .and_then(|entries| merge(entries.filter(untouched), own.rev(), order, limit)),
            };
            let found = found.map_err(|error| failure(&error))?;
            work.spans.push(examined(span, order, limit, &found));
            Ok(found)
        })
    }

    pub(crate) fn set(&self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Error> {
        self.with(|work| {
            work.writes.set(key, value);
            Ok(())
        })
    }

    pub(crate) fn clear(&self, key: Vec<u8>) -> Result<(), Error> {
        self.with(|work| {
            work.writes.clear(key);
            Ok(())
        })
    }

    pub(crate) fn clear_range(&self, span: Span) -> Result<(), Error> {
        self.with(|work| {
            work.writes.clear_range(span);
            Ok(())
        })
    }

    pub(crate) fn append(&self, prefix: Vec<u8>, order: u16, value: Vec<u8>) -> Result<(), Error> {
        self.with(|work| {
            work.writes.append(prefix, order, value);
            Ok(())
        })
    }

    /// Ends the attempt without committing and lets its snapshot go; does nothing if it has ended.
    pub(crate) fn end(&self) {
        lock(&self.work).take();
        #[cfg(feature = "testing")]
        lock(&self.left).take();
    }

    /// Ends the attempt and commits its writes, if it has any. If the future is dropped, the commit is withdrawn, or
    /// `undecided` is set because it is being written.
    pub(crate) async fn commit(&self, undecided: &AtomicBool) -> Result<(), Error> {
        let Some(work) = lock(&self.work).take().filter(|work| !work.writes.is_empty()) else {
            return Ok(());
        };
        let (answer, verdict) = oneshot::channel();
        let queue = &*self.store.queue;
        let id = self.store.push(work, answer)?;
        let mut pending = Pending {
            queue,
            id,
            undecided,
            answered: false,
        };
        let verdict = verdict.await;
        pending.answered = true;
        verdict.unwrap_or_else(|_| Err(stopped()))
    }
}

fn stopped() -> Error {
    let why = "its commit thread has stopped, and this process has to be started again".to_owned();
    Error::Unavailable {
        cause: Cause::Engine { why },
    }
}

/// A transaction's snapshot, opened at the first read.
fn snapshot<'s>(snapshot: &'s mut Option<Snapshot>, store: &Store) -> Result<&'s Snapshot, Error> {
    match snapshot {
        Some(snapshot) => Ok(snapshot),
        None => Ok(snapshot.insert(store.snapshot()?)),
    }
}

fn bounds(span: &Span) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (Bound::Included(&span.start), Bound::Excluded(&span.end))
}

/// A commit that waits for its answer.
struct Pending<'q> {
    queue: &'q Queue,
    id: u64,
    undecided: &'q AtomicBool,
    answered: bool,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.answered && !self.queue.withdraw(self.id) {
            self.undecided.store(true, Relaxed);
        }
    }
}

/// Commits that wait for the write lock. A commit that is in the queue can be withdrawn; one that was taken cannot.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// In the order of their ids.
    commits: VecDeque<Commit>,
    next_id: u64,
    closed: bool,
}

struct Commit {
    id: u64,
    work: Work,
    answer: oneshot::Sender<Result<(), Error>>,
}

impl Queue {
    /// Adds a commit and returns its id, or nothing if the queue is closed.
    fn push(&self, work: Work, answer: oneshot::Sender<Result<(), Error>>) -> Option<u64> {
        let mut waiting = lock(&self.waiting);
        if waiting.closed {
            return None;
        }
        let id = waiting.next_id;
        waiting.next_id += 1;
        waiting.commits.push_back(Commit { id, work, answer });
        self.changed.notify_one();
        Some(id)
    }

    /// Removes a commit that was not taken yet, and says whether it did.
    fn withdraw(&self, id: u64) -> bool {
        let mut waiting = lock(&self.waiting);
        let place = waiting.commits.binary_search_by_key(&id, |commit| commit.id);
        // Dropped after the lock is released: the commit's snapshot goes with it.
        let withdrawn = place.ok().and_then(|place| waiting.commits.remove(place));
        drop(waiting);
        withdrawn.is_some()
    }

    /// Waits for a commit; false once the queue is closed and empty.
    fn wait(&self) -> bool {
        let waiting = lock(&self.waiting);
        let idle = |waiting: &mut Waiting| waiting.commits.is_empty() && !waiting.closed;
        let waiting = self
            .changed
            .wait_while(waiting, idle)
            .unwrap_or_else(PoisonError::into_inner);
        !waiting.commits.is_empty()
    }

    /// Takes what waits, up to [`MAX_BATCH`]. From here on those commits cannot be withdrawn.
    fn take(&self) -> Vec<Commit> {
        let mut waiting = lock(&self.waiting);
        let count = waiting.commits.len().min(MAX_BATCH);
        waiting.commits.drain(..count).collect()
    }

    fn is_closed(&self) -> bool {
        lock(&self.waiting).closed
    }

    fn close(&self) {
        lock(&self.waiting).closed = true;
        self.changed.notify_all();
    }
}

/// The thread that writes. LMDB's write lock belongs to the thread that took it, and waiting for it can take any length of
/// time, so no async thread ever asks for it. It ends with the last [`Store`].
struct Committer {
    env: Env<WithoutTls>,
    data: Data,
    queue: Arc<Queue>,
}

impl Committer {
    fn serve(self) {
        let mut served = 0_u32;
        while self.queue.wait() {
            served = served.wrapping_add(1);
            if served.is_multiple_of(CLEAR_READERS_EVERY) {
                // Housekeeping: if it fails, the next round tries again, and commits go on meanwhile.
                let _ = self.env.clear_stale_readers();
            }
            let begun = self.env.write_txn();
            // Only now, with the write lock held: what was withdrawn while waiting for it is gone.
            let batch = self.queue.take();
            match begun.and_then(|txn| self.write(txn, &batch)) {
                Ok(verdicts) => answer(batch, verdicts),
                // LMDB will refuse everything from here on; those who come later are told at once.
                Err(heed::Error::Mdb(MdbError::Panic)) => {
                    let error = failure(&heed::Error::Mdb(MdbError::Panic));
                    let verdicts = vec![Err(error); batch.len()];
                    answer(batch, verdicts);
                    return;
                }
                // One member may have failed them all, a huge one on a disk that has room for the others.
                Err(_) if batch.len() > 1 => batch.into_iter().for_each(|commit| self.write_alone(commit)),
                Err(error) => answer(batch, vec![Err(failure(&error))]),
            }
        }
    }

    fn write_alone(&self, commit: Commit) {
        let batch = [commit];
        let verdicts = self.env.write_txn().and_then(|txn| self.write(txn, &batch));
        answer(batch, verdicts.unwrap_or_else(|error| vec![Err(failure(&error))]));
    }

    /// Validates and applies the commits in turn and makes them durable, all in one LMDB transaction. On an error none of
    /// them is applied.
    fn write(&self, mut txn: RwTxn<'_>, batch: &[Commit]) -> Result<Vec<Result<(), Error>>, heed::Error> {
        let mut verdicts = Vec::with_capacity(batch.len());
        let mut written = false;
        for (place, commit) in (0..).zip(batch) {
            // This transaction's id is one above that of the last commit, which the snapshot is of if nothing came between.
            let unchanged = commit
                .work
                .snapshot
                .as_ref()
                .is_none_or(|snapshot| snapshot.id() + 1 == txn.id() && !written);
            if unchanged || self.holds(&txn, &commit.work)? {
                self.apply(&mut txn, &commit.work.writes, place)?;
                written = true;
                verdicts.push(Ok(()));
            } else {
                verdicts.push(Err(Error::Conflict));
            }
        }
        if written {
            txn.commit()?;
        }
        Ok(verdicts)
    }

    /// Whether everything the transaction has read is still the same.
    fn holds(&self, txn: &RwTxn<'_>, work: &Work) -> Result<bool, heed::Error> {
        let Some(snapshot) = &work.snapshot else {
            return Ok(true);
        };
        for key in &work.keys {
            if self.data.get(snapshot, key)? != self.data.get(txn, key)? {
                return Ok(false);
            }
        }
        for span in &work.spans {
            let bounds = bounds(span);
            let (mut then, mut now) = (self.data.range(snapshot, &bounds)?, self.data.range(txn, &bounds)?);
            loop {
                match (then.next().transpose()?, now.next().transpose()?) {
                    (None, None) => break,
                    (then, now) if then != now => return Ok(false),
                    _ => {}
                }
            }
        }
        Ok(true)
    }

    fn apply(&self, txn: &mut RwTxn<'_>, writes: &Overlay, place: u16) -> Result<(), heed::Error> {
        for span in writes.cleared() {
            let keys = self
                .data
                .range(txn, &bounds(&span))?
                .map(|entry| entry.map(|(key, _)| key.to_vec()));
            for key in keys.collect::<Result<Vec<_>, _>>()? {
                self.data.delete(txn, &key)?;
            }
        }
        for (key, value) in writes.writes() {
            match value {
                Some(value) => self.data.put(txn, key, value)?,
                None => {
                    self.data.delete(txn, key)?;
                }
            }
        }
        let mut stamp = [0; 10];
        stamp[..8].copy_from_slice(&(txn.id() as u64).to_be_bytes());
        stamp[8..].copy_from_slice(&place.to_be_bytes());
        for append in writes.appends().iter() {
            self.data.put(txn, &append.key(stamp), &append.value)?;
        }
        Ok(())
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        // Matters only if the thread panicked: whoever waits is told, and whoever comes is refused.
        self.queue.close();
        lock(&self.queue.waiting).commits.clear();
    }
}

fn answer(batch: impl IntoIterator<Item = Commit>, verdicts: Vec<Result<(), Error>>) {
    for (commit, verdict) in batch.into_iter().zip(verdicts) {
        // Nobody listens if the run was dropped while its commit was being written.
        let _ = commit.answer.send(verdict);
    }
}

/// The store's error for one of LMDB's.
fn failure(error: &heed::Error) -> Error {
    let why = describe(error);
    match error {
        heed::Error::Io(_) | heed::Error::Mdb(MdbError::MapFull) => Error::Unavailable {
            cause: Cause::Disk { why },
        },
        heed::Error::Mdb(MdbError::ReadersFull) => Error::Unavailable { cause: Cause::Readers },
        heed::Error::Mdb(MdbError::Panic) => Error::Unavailable {
            cause: Cause::Engine { why },
        },
        heed::Error::Mdb(
            MdbError::Corrupted
            | MdbError::PageNotFound
            | MdbError::Invalid
            | MdbError::VersionMismatch
            | MdbError::Incompatible,
        ) => Error::Corrupt { why },
        _ => Error::Engine { why },
    }
}

fn describe(error: &heed::Error) -> String {
    match error {
        // LMDB's answer to a write that the system cut short, which is how a disk says that it has just become full.
        heed::Error::Io(error) if Errno::from_io_error(error) == Some(Errno::IO) => {
            "a write failed or was cut short, as on a disk that is full".to_owned()
        }
        heed::Error::Mdb(MdbError::MapFull) => format!("the store has reached its largest size, {} GiB", MAP_LEN >> 30),
        heed::Error::Mdb(MdbError::Panic) => {
            "an earlier write of its root failed, and this process has to be started again".to_owned()
        }
        heed::Error::Mdb(MdbError::Invalid) => "its files are not LMDB's".to_owned(),
        heed::Error::Mdb(MdbError::VersionMismatch) => "its files are of another version of LMDB".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &Queue) -> u64 {
        queue.push(Work::default(), oneshot::channel().0).unwrap()
    }

    fn drop_pending(queue: &Queue, id: u64, answered: bool) -> bool {
        let undecided = AtomicBool::new(false);
        drop(Pending {
            queue,
            id,
            undecided: &undecided,
            answered,
        });
        undecided.into_inner()
    }

    #[test]
    fn a_commit_dropped_in_the_queue_is_withdrawn_and_one_that_was_taken_is_undecided() {
        let queue = Queue::default();
        let ids = [push(&queue), push(&queue), push(&queue)];
        assert!(!drop_pending(&queue, ids[1], false));

        let taken: Vec<_> = queue.take().iter().map(|commit| commit.id).collect();
        assert_eq!(taken, [ids[0], ids[2]]);
        assert!(drop_pending(&queue, ids[0], false));
        assert!(!drop_pending(&queue, ids[2], true), "it has its answer");
    }

    #[test]
    fn a_batch_is_bounded_and_in_order() {
        let queue = Queue::default();
        let ids: Vec<_> = (0..=MAX_BATCH).map(|_| push(&queue)).collect();
        let batches: Vec<Vec<_>> = (0..3)
            .map(|_| queue.take().iter().map(|commit| commit.id).collect())
            .collect();
        assert_eq!(
            batches,
            [ids[..MAX_BATCH].to_vec(), ids[MAX_BATCH..].to_vec(), Vec::new()]
        );
    }

    #[test]
    fn a_closed_queue_is_emptied_and_then_ends_its_thread() {
        let queue = Queue::default();
        push(&queue);
        queue.close();
        assert!(queue.push(Work::default(), oneshot::channel().0).is_none());
        assert!(queue.wait());
        queue.take();
        assert!(!queue.wait());
    }
}
