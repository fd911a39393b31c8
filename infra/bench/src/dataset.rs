//! Whether session calls take longer with more data: more sessions in the tenant, or more tenants in the store.

use kv::{Db, Engine, Entry, Key, Settings};
use serde_json::json;
use uuid::Uuid;

use crate::account::Account;
use crate::report::{Goal, Row};
use crate::sandbox::{OneCpu, Sandbox};
use crate::stats::alternate_batches;
use crate::throughput::entries;

/// Builds the event of a call for an account.
type Event<'a> = &'a dyn Fn(&Account) -> Vec<u8>;

const BATCH: usize = 100;

/// Number of sessions written per transaction.
const PER_TRANSACTION: usize = 4000;

/// The first page of 50 in a tenant with `sessions` sessions, beside a tenant with 1,000.
pub(crate) async fn tenant(sessions: usize, rounds: usize) -> Vec<Row> {
    let [large, small] = [account(1, sessions).await, account(1, 1000).await];
    let event = |account: &Account| account.event("GET", "/v5/sessions", None);
    let [measured, baseline] = side_by_side(&large, &small, event, rounds);
    let name = format!("first page of 50, {sessions} sessions in the tenant");
    vec![Row::paired(
        name,
        "µs",
        &measured,
        ("1000 sessions", &baseline),
        Goal::AtMost(1.2),
    )]
}

/// Get, list and create in a store with `tenants` tenants of 1,000 sessions each, beside a store with one.
pub(crate) async fn store(tenants: usize, rounds: usize) -> Vec<Row> {
    let [large, small] = [account(tenants, 1000).await, account(1, 1000).await];
    let draft = json!({ "name": "My Project", "workspacePath": "/workspace/test" });
    let calls: [(&str, Event<'_>); 3] = [
        ("get", &|account| account.event("GET", &account.session_path(), None)),
        ("list of 50", &|account| account.event("GET", "/v5/sessions", None)),
        ("create", &|account| account.event("POST", "/v5/sessions", Some(&draft))),
    ];
    let rows = calls.into_iter().map(|(name, event)| {
        let [measured, baseline] = side_by_side(&large, &small, event, rounds);
        let name = format!("{name}, {} sessions in the store", tenants * 1000);
        let baseline = ("1000 sessions", &baseline[..]);
        Row::paired(name, "µs", &measured, baseline, Goal::AtMost(1.3))
    });
    rows.collect()
}

/// The median time of each round's calls on two stores, in µs.
///
/// On one CPU: if the scheduler moved one of the two functions to another CPU than this thread's, each of its calls
/// would wait twice for a CPU to wake up, which takes longer than a get.
fn side_by_side(large: &Account, small: &Account, event: impl Fn(&Account) -> Vec<u8>, rounds: usize) -> [Vec<f64>; 2] {
    let _one = OneCpu::take();
    let mut sides = [large, small].map(|account| (Sandbox::start(account.function("sessions")).0, event(account)));
    alternate_batches(rounds, BATCH, |side| {
        let (sandbox, event) = &mut sides[side];
        sandbox.time_of(event)
    })
}

/// An account with `sessions` sessions, in a store with `tenants` tenants that have as many each. All are copies of one
/// session that the API created.
async fn account(tenants: usize, sessions: usize) -> Account {
    let account = Account::with_sessions(1).await;
    let [session, tenant] =
        [account.session_id(), account.tenant_id()].map(|id| Uuid::parse_str(id).expect("the API returns valid ids"));
    let model: Vec<Entry> = entries(&account.store()).await;
    let model: Vec<&Entry> = model
        .iter()
        // The audit log names the session, too, but only a commit can create its keys.
        .filter(|entry| !contains(entry.key.as_bytes(), b"audit"))
        .filter(|entry| contains(entry.key.as_bytes(), session.as_bytes()))
        .collect();
    assert_eq!(model.len(), 2, "a session has a record and an index entry");

    let db = Db::open(Settings::new(Engine::Lmdb(account.store()))).expect("the store opens");
    // The first session exists.
    let numbers: Vec<usize> = (1..tenants * sessions).collect();
    for numbers in numbers.chunks(PER_TRANSACTION) {
        let model = &model;
        let written = db.run(|txn| async move {
            for number in numbers {
                // Ids of the same millisecond, in the order of the numbers.
                let id = Uuid::from_u64_pair(session.as_u64_pair().0, (1 << 63) | *number as u64);
                let target = match number / sessions {
                    0 => tenant,
                    other => Uuid::from_u64_pair(tenant.as_u64_pair().0, (1 << 63) | other as u64),
                };
                for entry in model {
                    let key = replaced(entry.key.as_bytes(), session, id);
                    let value = replaced(&entry.value, session, id);
                    let (key, value) = (replaced(&key, tenant, target), replaced(&value, tenant, target));
                    txn.set(&Key::from_bytes(key), value)?;
                }
            }
            Ok::<_, kv::Error>(())
        });
        written.await.expect("the disk has space");
    }
    account
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// `bytes` with one id replaced by another, in binary and in text form.
fn replaced(bytes: &[u8], from: Uuid, to: Uuid) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let forms = [
        (from.as_bytes().to_vec(), to.as_bytes().to_vec()),
        (from.to_string().into_bytes(), to.to_string().into_bytes()),
    ];
    for (from, to) in forms {
        let positions: Vec<usize> = (0..bytes.len())
            .filter(|position| bytes[*position..].starts_with(&from))
            .collect();
        for position in positions {
            bytes[position..position + to.len()].copy_from_slice(&to);
        }
    }
    bytes
}
