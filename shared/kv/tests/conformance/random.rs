//! Random transactions against a model: a `BTreeMap`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use kv::{Db, Entry, Error, Order, Range, RunError, Settings, Txn, counter};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::common::Harness;
use crate::support::{all, k, query, readable};

#[derive(Debug, Clone)]
enum Op {
    Set(u32, u8),
    Clear(u32),
    ClearRange(u32, u32),
    Add(u32, i64),
    Get(u32),
    Peek(u32),
    Read {
        after: u32,
        before: u32,
        order: Order,
        limit: usize,
    },
}

const KEYS: u32 = 12;

fn op() -> impl Strategy<Value = Op> {
    let key = || 0..KEYS;
    let order = prop_oneof![Just(Order::Ascending), Just(Order::Descending)];
    prop_oneof![
        4 => (key(), any::<u8>()).prop_map(|(key, value)| Op::Set(key, value)),
        2 => key().prop_map(Op::Clear),
        1 => (key(), key()).prop_map(|(after, before)| Op::ClearRange(after, before)),
        3 => (key(), any::<i64>()).prop_map(|(key, delta)| Op::Add(key, delta)),
        2 => key().prop_map(Op::Get),
        1 => key().prop_map(Op::Peek),
        4 => (key(), key(), order, 0..6_usize)
            .prop_map(|(after, before, order, limit)| Op::Read { after, before, order, limit }),
    ]
}

type Model = BTreeMap<u32, Vec<u8>>;

fn between(after: u32, before: u32) -> Range {
    all().after(&k(after)).before(&k(before))
}

/// Applies `ops` to the transaction and to the model, and fails at the first difference.
async fn compare(txn: &Txn, model: &mut Model, ops: &[Op]) -> Result<(), Divergence> {
    let entry = |entry: &Entry| (readable(entry).0, entry.value.clone());
    for op in ops {
        match *op {
            Op::Set(key, value) => {
                txn.set(&k(key), [value])?;
                model.insert(key, vec![value]);
            }
            Op::Clear(key) => {
                txn.clear(&k(key))?;
                model.remove(&key);
            }
            Op::ClearRange(after, before) => {
                txn.clear_range(&between(after, before))?;
                model.retain(|key, _| *key <= after || before <= *key);
            }
            Op::Add(key, delta) => {
                txn.add(&k(key), delta)?;
                let value = model.entry(key).or_default();
                *value = counter(Some(value)).wrapping_add(delta).to_le_bytes().to_vec();
            }
            Op::Get(key) => Divergence::check(op, &txn.get(&k(key)).await?.as_ref(), &model.get(&key))?,
            Op::Peek(key) => Divergence::check(op, &txn.peek(&k(key)).await?.as_ref(), &model.get(&key))?,
            Op::Read {
                after,
                before,
                order,
                limit,
            } => {
                let mut expected: Vec<_> = model
                    .iter()
                    .map(|(k, v)| (*k, v.clone()))
                    .filter(|(key, _)| after < *key && *key < before)
                    .collect();
                if order == Order::Descending {
                    expected.reverse();
                }
                let start = query(between(after, before), order, limit);
                let page = txn.range(&start).await?;
                let found: Vec<_> = page.entries.iter().map(entry).collect();
                Divergence::check(op, &found, &expected[..expected.len().min(limit)].to_vec())?;

                let (mut walked, mut next) = (found, page.next);
                while let Some(query) = next {
                    let page = txn.range(&query).await?;
                    walked.extend(page.entries.iter().map(entry));
                    next = page.next;
                }
                if limit > 0 {
                    Divergence::check(op, &walked, &expected)?;
                }
            }
        }
    }
    Ok(())
}

/// The reason why a random transaction was not committed.
enum Divergence {
    Differs(String),
    /// The test rolled it back.
    RolledBack,
    Store(Error),
}

impl Divergence {
    fn check<T: PartialEq + fmt::Debug>(op: &Op, found: &T, expected: &T) -> Result<(), Self> {
        if found == expected {
            return Ok(());
        }
        Err(Self::Differs(format!("{op:?}: found {found:?}, expected {expected:?}")))
    }
}

impl From<Error> for Divergence {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl RunError for Divergence {
    fn kv(&self) -> Option<&Error> {
        None
    }
}

pub(crate) async fn random_transactions_agree_with_a_map(harness: &Harness) {
    let transactions = proptest::collection::vec(
        (proptest::collection::vec(op(), 1..16), proptest::bool::weighted(0.8)),
        1..6,
    );
    let mut runner = TestRunner::new(Config {
        cases: 96,
        failure_persistence: None,
        ..Config::default()
    });
    let root = AtomicU32::new(0);
    let outcome = runner.run(&transactions, |transactions| {
        let root = format!("{}-{}", harness.root, root.fetch_add(1, SeqCst));
        let db = Db::open(Settings {
            root,
            ..harness.settings()
        })
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
        block_in_place(|| Handle::current().block_on(compare_all(&db, &transactions))).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

async fn compare_all(db: &Db, transactions: &[(Vec<Op>, bool)]) -> Result<(), String> {
    let mut model = Model::new();
    for (ops, commit) in transactions {
        let before = &model;
        let run = db
            .run(|txn| async move {
                let mut model = before.clone();
                compare(&txn, &mut model, ops).await?;
                if *commit {
                    Ok(model)
                } else {
                    Err(Divergence::RolledBack)
                }
            })
            .await;
        match run {
            Ok(after) => model = after,
            Err(Divergence::RolledBack) => {}
            Err(Divergence::Differs(difference)) => return Err(difference),
            Err(Divergence::Store(error)) => return Err(error.to_string()),
        }
        let stored: Vec<_> = model.iter().map(|(key, value)| (*key, value.clone())).collect();
        let found: Vec<_> = db
            .run(|txn| async move { txn.range(&query(all(), Order::Ascending, usize::MAX)).await })
            .await
            .map_err(|error| error.to_string())?
            .entries
            .iter()
            .map(|entry| (readable(entry).0, entry.value.clone()))
            .collect();
        if found != stored {
            return Err(format!("stored {found:?}, expected {stored:?}"));
        }
    }
    Ok(())
}
