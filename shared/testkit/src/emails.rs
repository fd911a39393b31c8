//! The emails that wait in a store.

use kv::{Db, Key, Order, Query, Range};
use serde_json::Value;

/// The token in the newest email of this type to this address that waits in the store. `kind` is the stored type, such
/// as `password.recovery`.
///
/// # Panics
/// If there is no such email.
pub async fn mail_token(db: &Db, to: &str, kind: &str) -> String {
    let emails = waiting_emails(db).await;
    let mut found = emails
        .iter()
        .filter(|email| email["to"] == to && email["message"]["type"] == kind);
    // Ids ascend in the order in which a process makes them.
    let newest = found
        .by_ref()
        .max_by_key(|email| email["id"].as_str().map(str::to_owned));
    let newest = newest.unwrap_or_else(|| panic!("no email {kind} to {to} in {emails:#?}"));
    let token = newest["message"]["token"].as_str();
    token.expect("the email has a token").to_owned()
}

/// The records of all emails that wait in the store.
pub async fn waiting_emails(db: &Db) -> Vec<Value> {
    let all = &Query {
        range: Range::below(&Key::of(&("outbox",))),
        order: Order::Ascending,
        limit: 10_000,
    };
    let page = db.run(|txn| async move { txn.range(all).await }).await;
    let entries = page.expect("the store is readable").entries;
    let records = entries
        .iter()
        .filter_map(|entry| serde_json::from_slice::<Value>(&entry.value).ok());
    records.map(|mut record| record["data"].take()).collect()
}
