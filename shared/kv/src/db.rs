//! A handle on a store, which runs closures as transactions.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use foundationdb_tuple::{Element, TuplePack};

use crate::commit_marker::{self, CommitMarkers, Commits};
use crate::engine::{Engine, Store};
use crate::error::{Error, RunError};
#[cfg(feature = "testing")]
use crate::faulty::{Faults, Plan};
use crate::key::Key;
use crate::limits::MAX_STORE_LEN;
use crate::lmdb::StoreCopy;
use crate::query::{Order, Query, Range};
use crate::run::{Progress, Runner};
use crate::snapshot::Snapshot;
use crate::txn::Txn;
use crate::usage::Counters;
#[cfg(feature = "testing")]
use crate::usage::Usage;

/// How to open a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The engine.
    pub engine: Engine,
    /// First element of every key. Deployments and tests with different roots can share a store.
    pub root: String,
    /// Time limit of one [`Db::run`], for all its attempts together.
    pub deadline: Duration,
    /// Maximum number of attempts of one [`Db::run`].
    pub attempts: u32,
    /// LMDB: largest size of the data file in bytes, at least a few megabytes more than the reserve for deletions. It
    /// is address space, and not disk space, until it is written. If the process has the folder open, its size holds.
    pub max_len: usize,
}

impl Settings {
    /// Settings for `engine` with the root `v5`, a deadline of 5 seconds, 64 attempts and the size [`MAX_STORE_LEN`].
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            root: "v5".to_owned(),
            deadline: Duration::from_secs(5),
            attempts: 64,
            max_len: MAX_STORE_LEN,
        }
    }
}

/// A handle on a store. Clones share the store.
#[derive(Clone)]
pub struct Db(Runner);

impl Db {
    /// Opens the store, and creates it if it is missing. Blocks on disk I/O, so call it at program start.
    pub fn open(settings: Settings) -> Result<Db, Error> {
        let store = Store::open(&settings.engine, settings.max_len)?;
        Ok(Db(Runner {
            markers: store.has_unknown_commits().then(CommitMarkers::new),
            store,
            root: (settings.root,).pack_to_vec().into(),
            usage: Counters::default(),
            deadline: settings.deadline,
            max_attempts: settings.attempts,
            start: None,
            #[cfg(feature = "testing")]
            faults: None,
        }))
    }

    /// The same store, with the faults and the latency of `plan` injected for this handle and its clones.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_faults(&self, plan: Plan) -> Db {
        Db(Runner {
            markers: Some(self.0.markers.clone().unwrap_or_else(CommitMarkers::new)),
            faults: Some(Faults::new(plan)),
            ..self.0.clone()
        })
    }

    /// The same store with another deadline.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Db {
        Db(Runner {
            deadline,
            ..self.0.clone()
        })
    }

    /// The same store, as a handle for one thread: its transactions count their references to the handle's settings
    /// without passing that count's cache line to another core.
    #[must_use]
    pub fn for_thread(&self) -> Db {
        Db(Runner {
            root: Arc::from(&*self.0.root),
            ..self.0.clone()
        })
    }

    /// The same store, for transactions that follow another one: their first attempt reads from `snapshot`, or from a
    /// newer one if that costs nothing. On an engine where a snapshot costs a trip, they save that trip.
    ///
    /// A transaction obtains the snapshot during its reads ([`Txn::snapshot`]) or after its commit
    /// ([`run_with_snapshot`](Self::run_with_snapshot)).
    ///
    /// Consistency does not suffer: an attempt with writes still conflicts if data that it read has changed since the
    /// snapshot, and its retries read from the newest snapshot. Only a transaction without writes returns data as old
    /// as the snapshot.
    #[must_use]
    pub fn reading_from(&self, snapshot: Snapshot) -> Db {
        Db(Runner {
            start: Some(snapshot),
            ..self.0.clone()
        })
    }

    /// Executes `body` as a transaction and returns its result.
    ///
    /// - If `body` returns `Ok`, its writes are committed. If the commit conflicts with another transaction, `body` is
    ///   executed again with a new [`Txn`].
    /// - If `body` returns an error, nothing is committed. `run` returns the error, unless it contains a store error
    ///   that [a retry may resolve](Error::is_retryable).
    /// - `run` always returns by the deadline, and makes no more attempts than the settings allow; it then returns
    ///   [`Error::Unavailable`]. Only the cause [`Cause::Undecided`](crate::Cause::Undecided) leaves open whether the
    ///   writes were committed.
    ///
    /// Dropping the future rolls the transaction back, unless its commit is already in progress.
    pub async fn run<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: Fn(Txn) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: RunError,
    {
        let progress = Progress::default();
        let outcome = {
            let run = pin!(async { Ok(self.0.attempt_until_decided(&body, &progress).await?.0) });
            self.0.by_deadline(run).await
        };
        outcome.unwrap_or_else(|| Err(E::from(progress.deadline_error(self.0.deadline))))
    }

    /// Like [`run`](Self::run), and also returns the store as of the commit, or a newer snapshot, for
    /// [later transactions](Self::reading_from).
    ///
    /// The snapshot includes the writes of this transaction, so a later one reads them and does not conflict with them.
    /// It may lack concurrent writes of others. It costs no trip. After a transaction that neither read nor wrote, it
    /// saves no trip.
    pub async fn run_with_snapshot<T, E, F, Fut>(&self, body: F) -> Result<(T, Snapshot), E>
    where
        F: Fn(Txn) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: RunError,
    {
        let progress = Progress::default();
        let outcome = {
            let run = pin!(async {
                let (value, decided) = self.0.attempt_until_decided(&body, &progress).await?;
                Ok((value, decided.into_snapshot().await))
            });
            self.0.by_deadline(run).await
        };
        outcome.unwrap_or_else(|| Err(E::from(progress.deadline_error(self.0.deadline))))
    }

    /// A transaction that only reads, without a deadline: the store as of now, for as long as the transaction exists.
    /// For exports and checks of a whole store. `None` on FoundationDB, where a transaction ends after five seconds.
    ///
    /// What it writes is never committed. While it exists, LMDB does not reuse the space of deleted and replaced data,
    /// so the data file grows.
    pub fn long_reader(&self) -> Result<Option<Txn>, Error> {
        self.0.begin_read_only()
    }

    /// The commit markers of all processes. Two equal results prove that no transaction has committed between the two
    /// calls. `None` on LMDB, whose transactions write no markers.
    pub async fn commits(&self) -> Result<Option<Commits>, Error> {
        if self.0.markers.is_none() {
            return Ok(None);
        }
        let mut entries = Vec::new();
        let mut next = Some(Query {
            range: commit_marker::all(),
            order: Order::Ascending,
            limit: 500,
        });
        while let Some(query) = &next {
            let page = self.run(|txn| async move { txn.range(query).await }).await?;
            entries.extend(page.entries);
            next = page.next;
        }
        Ok(Some(Commits(entries)))
    }

    /// Starts a copy of an LMDB store as of its newest commit, while this and other processes write. `None` on
    /// FoundationDB, whose own tools back a cluster up.
    ///
    /// The copy contains every root in the folder. Its bytes are those of a [data file](crate::DATA_FILE).
    pub fn copy(&self) -> Result<Option<StoreCopy>, Error> {
        self.0.store.copy()
    }

    /// A handle for each root of an LMDB store, in the order of the roots. `None` on FoundationDB, where other programs
    /// may have roots, too.
    pub async fn every_root(&self) -> Result<Option<Vec<Db>>, Error> {
        let with_root = |root: &[u8]| {
            Db(Runner {
                root: Arc::from(root),
                ..self.0.clone()
            })
        };
        let Some(txn) = with_root(&[]).long_reader()? else {
            return Ok(None);
        };
        let mut query = Query {
            range: Range::below(&Key::of(&())),
            order: Order::Ascending,
            limit: 1,
        };
        let mut roots = Vec::new();
        while let Some(entry) = txn.range(&query).await?.entries.pop() {
            let elements: Vec<Element<'_>> = entry.key.unpack()?;
            let Some(Element::String(root)) = elements.first() else {
                let why = format!("{:?} has no root", entry.key);
                return Err(Error::BadKey { why });
            };
            let root = (&**root,).pack_to_vec();
            // No element of a key starts with this byte.
            let end = Key::from_bytes([&*root, &[0xff]].concat());
            query.range = query.range.after(&end);
            roots.push(with_root(&root));
        }
        Ok(Some(roots))
    }

    /// Removes everything under the root, for tests on shared clusters.
    #[cfg(feature = "testing")]
    pub async fn erase(&self) -> Result<(), Error> {
        // Erasing twice is harmless, so this needs no commit marker, which would remain in the store.
        let unmarked = Db(Runner {
            markers: None,
            ..self.0.clone()
        });
        let everything = &Range::below(&Key::of(&()));
        unmarked
            .run(|txn| async move {
                txn.use_reserve();
                txn.clear_range(everything)
            })
            .await
    }

    /// Removes commit markers older than `age`, which ended processes have left behind, and returns their number.
    ///
    /// Safe at any time and from several processes, if `age` is hours: a process that is frozen for longer than `age`
    /// with an unknown commit would treat the commit as not done.
    ///
    /// The sweep reads all markers without writing, and removes each old one in a transaction of its own. Running
    /// processes write markers all the time, so one transaction that had read them all would always conflict.
    pub async fn sweep_markers(&self, age: Duration) -> Result<usize, Error> {
        let mut removed = 0;
        let mut next = Some(Query {
            range: commit_marker::all(),
            order: Order::Ascending,
            limit: 500,
        });
        while let Some(query) = &next {
            let page = self.run(|txn| async move { txn.range(query).await }).await?;
            let is_old = |value: &[u8]| commit_marker::is_older(value, age);
            for entry in page.entries.iter().filter(|entry| is_old(&entry.value)) {
                let cleared = self.run(|txn| async move {
                    let value = txn.get(&entry.key).await?;
                    let is_unchanged = value.is_some_and(|value| value == entry.value);
                    if is_unchanged {
                        txn.use_reserve();
                        txn.clear(&entry.key)?;
                    }
                    Ok::<_, Error>(is_unchanged)
                });
                removed += usize::from(cleared.await?);
            }
            next = page.next;
        }
        Ok(removed)
    }

    /// Counts of what this handle and its clones have done.
    #[cfg(feature = "testing")]
    pub fn usage(&self) -> Usage {
        self.0.usage.read()
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db")
            .field("deadline", &self.0.deadline)
            .field("attempts", &self.0.max_attempts)
            .finish_non_exhaustive()
    }
}
