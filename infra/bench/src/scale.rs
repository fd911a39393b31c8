//! Whether it costs more to work with sessions when there are more of them: in the tenant, and in the store.

use kv::{Db, Engine, Entry, Key, Settings};
use serde_json::json;
use uuid::Uuid;

use crate::account::Account;
use crate::load::entries;
use crate::report::{Reach, Row};
use crate::sandbox::Sandbox;
use crate::stats::{micros, quantile_of};

/// Makes the event of a call for an account.
type Event<'a> = &'a dyn Fn(&Account) -> Vec<u8>;

const BATCH: usize = 100;

/// How many sessions are written in one transaction.
const TOGETHER: usize = 4000;

/// The first page of 50 in a tenant with `many` sessions, beside one with a thousand.
pub(crate) async fn tenant(many: usize, rounds: usize) -> Vec<Row> {
    let [large, small] = [account(1, many).await, account(1, 1000).await];
    let event = |account: &Account| account.event("GET", "/v5/sessions", None);
    let [ours, theirs] = side_by_side(&large, &small, event, rounds);
    let what = format!("first page of 50, {many} sessions in the tenant");
    vec![Row::paired(
        what,
        "µs",
        &ours,
        ("1000 sessions", &theirs),
        Reach::AtMost(1.2),
    )]
}

/// Get, create and list in a store with `tenants` times a thousand sessions, beside one with a thousand.
pub(crate) async fn store(tenants: usize, rounds: usize) -> Vec<Row> {
    let [large, small] = [account(tenants, 1000).await, account(1, 1000).await];
    let draft = json!({ "name": "My Project", "workspacePath": "/workspace/test" });
    let calls: [(&str, Event<'_>); 3] = [
        ("get", &|account| account.event("GET", &account.session_path(), None)),
        ("list of 50", &|account| account.event("GET", "/v5/sessions", None)),
        ("create", &|account| account.event("POST", "/v5/sessions", Some(&draft))),
    ];
    let rows = calls.into_iter().map(|(name, event)| {
        let [ours, theirs] = side_by_side(&large, &small, event, rounds);
        let what = format!("{name}, {} sessions in the store", tenants * 1000);
        Row::paired(what, "µs", &ours, ("1000 sessions", &theirs), Reach::AtMost(1.3))
    });
    rows.collect()
}

/// The median of each round's calls on two stores.
fn side_by_side(large: &Account, small: &Account, event: impl Fn(&Account) -> Vec<u8>, rounds: usize) -> [Vec<f64>; 2] {
    let mut sides = [large, small].map(|account| (Sandbox::start(account.function("sessions")).0, event(account)));
    let mut medians = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for which in [round % 2, 1 - round % 2] {
            let (sandbox, event) = &mut sides[which];
            let batch = (0..BATCH).map(|_| {
                let (took, answer) = sandbox.call(event);
                assert!(
                    answer.starts_with(b"{\"statusCode\":20"),
                    "{}",
                    String::from_utf8_lossy(&answer)
                );
                micros(took)
            });
            let batch: Vec<f64> = batch.collect();
            if round > 0 {
                medians[which].push(quantile_of(&batch, 0.5));
            }
        }
    }
    medians
}

/// An account with so many sessions, and as many in each of the other tenants: copies of one that was made through the API.
async fn account(tenants: usize, sessions: usize) -> Account {
    let account = Account::with_sessions(1).await;
    let [session, tenant] = [account.session_id(), account.tenant_id()]
        .map(|id| Uuid::parse_str(id).expect("the API answers an id as it should be"));
    let model: Vec<Entry> = entries(&account.store()).await;
    let model: Vec<&Entry> = model
        .iter()
        // The audit log tells of it as well, under keys that only a commit makes.
        .filter(|entry| !contains(entry.key.as_bytes(), b"audit"))
        .filter(|entry| contains(entry.key.as_bytes(), session.as_bytes()))
        .collect();
    assert_eq!(
        model.len(),
        2,
        "a session is a record and an entry in the tenant's list"
    );

    let db = Db::open(Settings::new(Engine::Lmdb(account.store()))).expect("the store opens");
    // One is there.
    let numbers: Vec<usize> = (1..tenants * sessions).collect();
    for numbers in numbers.chunks(TOGETHER) {
        let model = &model;
        let written = db.run(|txn| async move {
            for number in numbers {
                // In the order of their numbers, behind or before the model within its millisecond.
                let id = Uuid::from_u64_pair(session.as_u64_pair().0, (1 << 63) | *number as u64);
                let place = match number / sessions {
                    0 => tenant,
                    other => Uuid::from_u64_pair(tenant.as_u64_pair().0, (1 << 63) | other as u64),
                };
                for entry in model {
                    let key = replaced(entry.key.as_bytes(), session, id);
                    let value = replaced(&entry.value, session, id);
                    let (key, value) = (replaced(&key, tenant, place), replaced(&value, tenant, place));
                    txn.set(&Key::from_bytes(key), value)?;
                }
            }
            Ok::<_, kv::Error>(())
        });
        written.await.expect("there is room");
    }
    account
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// `bytes` with another id for this one, however it is written.
fn replaced(bytes: &[u8], from: Uuid, to: Uuid) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let forms = [
        (from.as_bytes().to_vec(), to.as_bytes().to_vec()),
        (from.to_string().into_bytes(), to.to_string().into_bytes()),
    ];
    for (from, to) in forms {
        let places: Vec<usize> = (0..bytes.len())
            .filter(|place| bytes[*place..].starts_with(&from))
            .collect();
        for place in places {
            bytes[place..place + to.len()].copy_from_slice(&to);
        }
    }
    bytes
}
