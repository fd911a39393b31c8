//! Helpers of the suite: keys of the form `("k", n)`, one-off transactions, and interfering writes.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use kv::{Db, Entry, Error, Key, Order, Query, Range, RunError, Txn};

pub(crate) fn k(n: u32) -> Key {
    Key::of(&("k", n))
}

pub(crate) fn all() -> Range {
    Range::below(&Key::of(&("k",)))
}

pub(crate) fn query(range: Range, order: Order, limit: usize) -> Query {
    Query { range, order, limit }
}

/// Commits `writes` (`None` clears) in a transaction that reads nothing.
pub(crate) async fn put(db: &Db, writes: &[(u32, Option<&str>)]) {
    let written: Result<(), Error> = db
        .run(|txn| async move {
            writes.iter().try_for_each(|(n, value)| match value {
                Some(value) => txn.set(&k(*n), value),
                None => txn.clear(&k(*n)),
            })
        })
        .await;
    written.expect("a plain write is committed");
}

pub(crate) async fn get(db: &Db, key: &Key) -> Option<Vec<u8>> {
    db.run(|txn| async move { txn.get(key).await })
        .await
        .expect("a plain read")
}

/// The numbers and values of a range, read page by page.
pub(crate) async fn walk(txn: &Txn, mut query: Query) -> Result<Vec<(u32, String)>, Error> {
    let mut found = Vec::new();
    loop {
        let page = txn.range(&query).await?;
        found.extend(page.entries.iter().map(readable));
        match page.next {
            Some(next) => query = next,
            None => return Ok(found),
        }
    }
}

pub(crate) fn readable(entry: &Entry) -> (u32, String) {
    let (_, n): (String, u32) = entry.key.unpack().expect("a key of the test");
    (n, String::from_utf8_lossy(&entry.value).into_owned())
}

pub(crate) async fn contents(db: &Db) -> Vec<(u32, String)> {
    db.run(|txn| async move { walk(&txn, query(all(), Order::Ascending, usize::MAX)).await })
        .await
        .expect("a plain read")
}

pub(crate) fn pairs(expected: &[(u32, &str)]) -> Vec<(u32, String)> {
    expected.iter().map(|(n, value)| (*n, (*value).to_owned())).collect()
}

/// Executes `read` and then a write of another key in one transaction. During the first attempt, commits `meanwhile`
/// between the two. Returns the number of attempts: one if `meanwhile` was no conflict, two if it was one.
pub(crate) async fn attempts_with<F>(
    db: &Db,
    read: impl Fn(Txn) -> F + Send + Sync,
    meanwhile: &[(u32, Option<&str>)],
) -> u32
where
    F: Future<Output = Result<(), Error>> + Send,
{
    let attempts = AtomicU32::new(0);
    let (attempts, read) = (&attempts, &read);
    let run: Result<(), Error> = db
        .run(|txn| async move {
            read(txn.clone()).await?;
            if attempts.fetch_add(1, SeqCst) == 0 {
                put(db, meanwhile).await;
            }
            txn.set(&Key::of(&("elsewhere",)), "")
        })
        .await;
    run.expect("the transaction is committed");
    attempts.load(SeqCst)
}

/// An error type such as callers of the store define.
#[derive(Debug, PartialEq)]
pub(crate) enum Rejection {
    Taken,
    Store(Error),
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl RunError for Rejection {
    fn kv(&self) -> Option<&Error> {
        match self {
            Self::Taken => None,
            Self::Store(error) => Some(error),
        }
    }
}

pub(crate) fn number(value: Option<Vec<u8>>) -> u64 {
    value.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes")))
}

pub(crate) fn counter() -> Key {
    Key::of(&("counter",))
}

/// Increments the counter `times` times.
pub(crate) async fn count(db: &Db, times: u32) {
    for _ in 0..times {
        let run: Result<(), Error> = db
            .run(|txn| async move {
                let count = number(txn.get(&counter()).await?);
                txn.set(&counter(), (count + 1).to_be_bytes())
            })
            .await;
        run.expect("committed");
    }
}
