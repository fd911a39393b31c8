//! Lower bound for requests on FoundationDB: the client alone makes the same trips.
//!
//! `peer-trips CLUSTER_FILE ROOT` reads one command per line, and responds with one line of numbers:
//!
//! | command | response |
//! | --- | --- |
//! | `time PLAN` | nanoseconds of one execution |
//! | `rate TASKS SECONDS PLAN` | executions per second of concurrent tasks, each one after the other |
//! | `contend TASKS SECONDS` | commits per second, and attempts per commit, of tasks that all change one record |
//! | `clear ROOT` | `0`, after it has removed everything under that root |
//!
//! A plan is a list of steps. `read:N` reads N records at the same time, and `read:N+M` at the same time a range of M
//! entries of an index; `read:N+Mr` a range of M records instead. `commit:NxL` writes N values of L bytes and commits.
//! `then` begins the next transaction, which reads from the commit of the last one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use foundationdb::options::StreamingMode;
use foundationdb::tuple::{Subspace, pack};
use foundationdb::{Database, FdbError, FdbResult, RangeOption, Transaction};
use futures_util::future::try_join_all;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Number of records and entries to read.
const RECORDS: u64 = 100;

/// Bytes of a record: about those of a stored session.
const RECORD_LEN: usize = 200;

/// Bytes of an entry of an index.
const ENTRY_LEN: usize = 16;

#[derive(Clone, Copy)]
enum Step {
    Read {
        records: u64,
        range: Option<(&'static str, usize)>,
    },
    Commit {
        values: u64,
        len: usize,
    },
    Then,
}

struct Client {
    database: Database,
    root: Subspace,
    written: AtomicU64,
}

#[tokio::main]
async fn main() -> FdbResult<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("the first argument names the cluster file");
    let root = arguments.next().expect("the second argument is a root");
    // SAFETY: the handle is dropped at the end of `main`, before the process exits.
    #[expect(
        unsafe_code,
        reason = "the binding cannot check that the network is stopped before the process exits"
    )]
    let _network = unsafe { foundationdb::boot() };
    let client = Arc::new(Client {
        database: Database::from_path(&file)?,
        root: Subspace::from_bytes(pack(&(root,))),
        written: AtomicU64::new(0),
    });
    client.prepare().await?;

    // Nothing else runs between two commands, so that the thread may block.
    for line in std::io::stdin().lines() {
        let line = line.expect("standard input is text");
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["time", ref plan @ ..] => {
                let plan = parse(plan);
                let start = Instant::now();
                client.execute(&plan).await?;
                println!("{}", start.elapsed().as_nanos());
            }
            ["rate", tasks, seconds, ref plan @ ..] => {
                println!("{}", client.rate(number(tasks), number(seconds), parse(plan)).await?);
            }
            ["contend", tasks, seconds] => {
                let (rate, attempts) = client.contend(number(tasks), number(seconds)).await?;
                println!("{rate} {attempts}");
            }
            ["clear", root] => {
                clear(&client.database, &Subspace::from_bytes(pack(&(root,)))).await?;
                println!("0");
            }
            _ => panic!("{line} is no command"),
        }
    }
    clear(&client.database, &client.root).await
}

fn parse(plan: &[&str]) -> Vec<Step> {
    let step = |word: &&str| match word.split_once(':') {
        Some(("read", counts)) => match counts.split_once('+') {
            None => Step::Read {
                records: number(counts),
                range: None,
            },
            Some((records, entries)) => Step::Read {
                records: number(records),
                range: Some(match entries.strip_suffix('r') {
                    Some(entries) => ("record", number(entries)),
                    None => ("entry", number(entries)),
                }),
            },
        },
        Some(("commit", writes)) => {
            let (values, len) = writes.split_once('x').expect("writes have a number and a length");
            Step::Commit {
                values: number(values),
                len: number(len),
            }
        }
        _ if *word == "then" => Step::Then,
        _ => panic!("{word} is no step"),
    };
    plan.iter().map(step).collect()
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

impl Client {
    async fn prepare(&self) -> FdbResult<()> {
        let txn = self.database.create_trx()?;
        for record in 0..RECORDS {
            txn.set(&self.record(record), &[0; RECORD_LEN]);
            txn.set(&self.root.pack(&("entry", record)), &[0; ENTRY_LEN]);
        }
        txn.commit().await?;
        Ok(())
    }

    fn record(&self, number: u64) -> Vec<u8> {
        self.root.pack(&("record", number))
    }

    async fn execute(&self, plan: &[Step]) -> FdbResult<()> {
        let mut txn = self.database.create_trx()?;
        let mut version = None;
        for step in plan {
            match *step {
                Step::Read { records, range } => {
                    let reads = (0..records).map(|record| txn.get(&self.record(record), false));
                    let range = async {
                        let Some((kind, limit)) = range else { return Ok(()) };
                        let range = RangeOption {
                            limit: Some(limit),
                            mode: StreamingMode::WantAll,
                            ..RangeOption::from(&self.root.subspace(&kind))
                        };
                        txn.get_range(&range, 1, false).await.map(drop)
                    };
                    tokio::try_join!(try_join_all(reads), range)?;
                }
                Step::Commit { values, len } => {
                    let first = self.written.fetch_add(values, Relaxed);
                    for number in first..first + values {
                        txn.set(&self.root.pack(&("written", number)), &vec![0; len]);
                    }
                    let done = std::mem::replace(&mut txn, self.database.create_trx()?).commit().await;
                    version = Some(done.map_err(FdbError::from)?.committed_version()?);
                }
                Step::Then => txn.set_read_version(version.expect("a commit precedes `then`")),
            }
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a run executes fewer than 2^52 times")]
    async fn rate(self: &Arc<Self>, tasks: u32, seconds: u64, plan: Vec<Step>) -> FdbResult<f64> {
        let start = Instant::now();
        let end = start + Duration::from_secs(seconds);
        let mut running = JoinSet::new();
        for _ in 0..tasks {
            let (client, plan) = (self.clone(), plan.clone());
            running.spawn(async move {
                let mut executed = 0_u64;
                while Instant::now() < end {
                    client.execute(&plan).await?;
                    executed += 1;
                }
                FdbResult::Ok(executed)
            });
        }
        let executed = running.join_all().await.into_iter().sum::<FdbResult<u64>>()?;
        Ok(executed as f64 / start.elapsed().as_secs_f64())
    }

    #[expect(clippy::cast_precision_loss, reason = "a run commits fewer than 2^52 times")]
    async fn contend(self: &Arc<Self>, tasks: u32, seconds: u64) -> FdbResult<(f64, f64)> {
        let start = Instant::now();
        let end = start + Duration::from_secs(seconds);
        let mut running = JoinSet::new();
        for _ in 0..tasks {
            let client = self.clone();
            running.spawn(async move {
                let (mut commits, mut attempts) = (0_u64, 0_u64);
                while Instant::now() < end {
                    attempts += client.change_one_record().await?;
                    commits += 1;
                }
                FdbResult::Ok((commits, attempts))
            });
        }
        let (mut commits, mut attempts) = (0, 0);
        for counted in running.join_all().await {
            let (more_commits, more_attempts) = counted?;
            commits += more_commits;
            attempts += more_attempts;
        }
        Ok((
            commits as f64 / start.elapsed().as_secs_f64(),
            attempts as f64 / commits as f64,
        ))
    }

    /// Reads and writes the same record as all other tasks. Returns the number of attempts.
    async fn change_one_record(&self) -> FdbResult<u64> {
        let mut txn: Transaction = self.database.create_trx()?;
        let key = self.record(0);
        let mut attempts = 1;
        loop {
            if let Err(error) = txn.get(&key, false).await {
                txn = txn.on_error(error).await?;
            } else {
                txn.set(&key, &[0; RECORD_LEN]);
                match txn.commit().await {
                    Ok(_) => return Ok(attempts),
                    Err(error) => txn = error.on_error().await?,
                }
            }
            attempts += 1;
        }
    }
}

async fn clear(database: &Database, root: &Subspace) -> FdbResult<()> {
    let txn = database.create_trx()?;
    let (begin, end) = root.range();
    txn.clear_range(&begin, &end);
    txn.commit().await?;
    Ok(())
}
