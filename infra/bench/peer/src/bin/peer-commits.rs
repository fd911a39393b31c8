//! What LMDB can do if one transaction at a time is committed, durably: the limit that a single client of the embedded store has.
//!
//! `peer-commits FOLDER SECONDS KEY:VALUE…` writes transactions of such entries, whose keys begin with these bytes (in hexadecimal) and
//! end, in their last eight, with a number that grows, and whose values have this many bytes; and prints how many it committed per second.

use std::time::Duration;

use heed::types::Bytes;
use heed::{CommitOrAbort, EnvOpenOptions};
use tokio::time::Instant;

struct Entry {
    key: Vec<u8>,
    value: Vec<u8>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("name the folder");
    let seconds: u64 = arguments
        .next()
        .and_then(|seconds| seconds.parse().ok())
        .expect("say for how many seconds");
    let mut entries: Vec<Entry> = arguments.map(|argument| entry(&argument)).collect();

    let mut options = EnvOpenOptions::new();
    options.map_size(4 << 30);
    // SAFETY: the folder was made for this run, and nothing else opens it.
    #[expect(
        unsafe_code,
        reason = "LMDB maps its file, and no type can promise that nobody truncates it"
    )]
    let env = unsafe { options.open(folder) }.expect("the folder is there and empty");
    let txn = env.write_txn().expect("nobody else writes");
    let data = env
        .create_databases_and_commit(txn, |opener, txn| {
            let data = opener.create_database::<Bytes, Bytes>(txn, None)?;
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(data))
        })
        .expect("there is room")
        .unwrap_commit();

    let begun = Instant::now();
    let mut commits = 0_u64;
    while begun.elapsed() < Duration::from_secs(seconds) {
        commits += 1;
        let mut txn = env.write_txn().expect("nobody else writes");
        for entry in &mut entries {
            let place = entry.key.len() - 8;
            entry.key[place..].copy_from_slice(&commits.to_be_bytes());
            data.put(&mut txn, &entry.key, &entry.value).expect("there is room");
        }
        txn.commit().expect("there is room");
    }
    #[expect(clippy::cast_precision_loss, reason = "nobody commits 2^52 times")]
    let rate = commits as f64 / begun.elapsed().as_secs_f64();
    println!("{rate}");
}

fn entry(argument: &str) -> Entry {
    let (key, value) = argument.split_once(':').expect("a key, a colon, and a number of bytes");
    let bytes = (0..key.len()).step_by(2);
    let key = bytes.map(|at| u8::from_str_radix(&key[at..at + 2], 16).expect("two hexadecimal digits"));
    let value = value.parse().expect("a number of bytes");
    Entry {
        key: key.collect(),
        value: vec![b'x'; value],
    }
}
