//! Lower bound for writes: LMDB committing one transaction at a time, durably, as a single client of the embedded store
//! would.
//!
//! `peer-commits FOLDER SECONDS KEY:LENGTH…` commits transactions with these entries and prints the commits per second.
//! A key is hexadecimal; its last eight bytes are replaced by a growing number. A value has the given length in bytes.

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
    let folder = arguments.next().expect("the first argument names the folder");
    let seconds: u64 = arguments
        .next()
        .and_then(|seconds| seconds.parse().ok())
        .expect("the second argument is a number of seconds");
    let mut entries: Vec<Entry> = arguments.map(|argument| entry(&argument)).collect();

    let mut options = EnvOpenOptions::new();
    options.map_size(4 << 30);
    // SAFETY: the folder was created for this run, and nothing else opens it.
    #[expect(
        unsafe_code,
        reason = "LMDB maps its file, and no type can prevent another process from truncating it"
    )]
    let env = unsafe { options.open(folder) }.expect("the folder exists and is empty");
    let txn = env.write_txn().expect("no other process writes");
    let data = env
        .create_databases_and_commit(txn, |opener, txn| {
            let data = opener.create_database::<Bytes, Bytes>(txn, None)?;
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(data))
        })
        .expect("the disk has space")
        .unwrap_commit();

    let start = Instant::now();
    let mut commits = 0_u64;
    while start.elapsed() < Duration::from_secs(seconds) {
        commits += 1;
        let mut txn = env.write_txn().expect("no other process writes");
        for entry in &mut entries {
            let counter = entry.key.len() - 8;
            entry.key[counter..].copy_from_slice(&commits.to_be_bytes());
            data.put(&mut txn, &entry.key, &entry.value)
                .expect("the disk has space");
        }
        txn.commit().expect("the disk has space");
    }
    #[expect(clippy::cast_precision_loss, reason = "a run commits fewer than 2^52 times")]
    let rate = commits as f64 / start.elapsed().as_secs_f64();
    println!("{rate}");
}

fn entry(argument: &str) -> Entry {
    let (key, length) = argument
        .split_once(':')
        .expect("an entry is a key, a colon and a length");
    let bytes = (0..key.len()).step_by(2);
    let key = bytes.map(|at| u8::from_str_radix(&key[at..at + 2], 16).expect("the key is hexadecimal"));
    let length = length.parse().expect("the length is a number of bytes");
    Entry {
        key: key.collect(),
        value: vec![b'x'; length],
    }
}
