//! Counts the visits of a user and logs each one: `cargo run -p kv --example transactions`.

use kv::{Db, Engine, Error, Key, Order, Query, Range, Settings, Txn};

/// A store function takes a `&Txn` and never commits, so that callers can combine several in one transaction.
async fn add_visit(txn: &Txn, user: u32) -> Result<u8, Error> {
    let key = Key::of(&("visits", user));
    let count = txn.get(&key).await?.map_or(0, |value| value[0]) + 1;
    txn.set(&key, [count])?;
    // The commit completes the key, so that the log is in commit order.
    txn.append(&Key::of(&("log",)), format!("visit {count} of user {user}"))?;
    Ok(count)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let db = Db::open(Settings::new(Engine::Lmdb(folder.path().join("store"))))?;

    // `run` executes the closure again if another transaction changes the count before the commit.
    for _ in 0..2 {
        db.run(|txn| async move { add_visit(&txn, 7).await }).await?;
    }

    let log = &Query {
        range: Range::below(&Key::of(&("log",))),
        order: Order::Ascending,
        limit: 10,
    };
    let page = db.run(|txn| async move { txn.range(log).await }).await?;
    for entry in page.entries {
        println!("{}", String::from_utf8(entry.value)?);
    }
    kv::shutdown();
    Ok(())
}
