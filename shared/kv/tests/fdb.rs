//! FoundationDB only: a server that is killed and restarted, and cluster files that cannot be used.
//!
//! `conformance` is the suite for all engines. These tests start a cluster that they can kill, so they need `fdbserver`
//! and `fdbcli` on the `PATH`.
#![cfg(feature = "fdb")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test and reports the line")]

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use kv::{Cause, Cluster, Db, Engine, Error, Key, Order, Query, Range, Settings, Snapshot};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// A cluster of one process, for one test.
struct Server {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        fs::write(folder.path().join("fdb.cluster"), format!("test:test@127.0.0.1:{port}")).unwrap();
        let process = Self::spawn(&folder, port);
        let server = Self { folder, port, process };
        let made = server.cli("configure new single ssd");
        assert!(made.contains("Database created"), "{made}");
        server
    }

    fn spawn(folder: &TempDir, port: u16) -> Child {
        let path = folder.path();
        let address = format!("127.0.0.1:{port}");
        Command::new("fdbserver")
            .args(["--public-address", &address, "--listen-address", "public"])
            .args([
                "--memory",
                "2GiB",
                "--cache-memory",
                "100MiB",
                "--knob_disable_posix_kernel_aio=1",
            ])
            .arg("--cluster-file")
            .arg(path.join("fdb.cluster"))
            .arg("--datadir")
            .arg(path.join("data"))
            .arg("--logdir")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("fdbserver must be on the PATH for this test: {error}"))
    }

    fn cli(&self, command: &str) -> String {
        let output = Command::new("fdbcli")
            .arg("-C")
            .arg(self.folder.path().join("fdb.cluster"))
            .args(["--timeout", "60", "--exec", command])
            .output()
            .unwrap_or_else(|error| panic!("fdbcli must be on the PATH for this test: {error}"));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn restart(&mut self) {
        self.process = Self::spawn(&self.folder, self.port);
    }

    fn db(&self, deadline: Duration) -> Db {
        let engine = Engine::Fdb(Cluster::File(self.folder.path().join("fdb.cluster")));
        let settings = Settings {
            deadline,
            attempts: u32::MAX,
            ..Settings::new(engine)
        };
        Db::open(settings).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The test may have killed it already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Increments a counter and appends the new value to a log, in one transaction.
async fn count(db: &Db, counter: &Key, log: &Key) -> Result<u64, Error> {
    db.run(|txn| async move {
        let count = txn
            .get(counter)
            .await?
            .map_or(0, |value| u64::from_be_bytes(value.try_into().unwrap()))
            + 1;
        txn.set(counter, count.to_be_bytes())?;
        txn.append(log, count.to_be_bytes())?;
        Ok(count)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_under_load_and_restarted_loses_and_repeats_no_commit() {
    const CLIENTS: u32 = 8;
    let mut server = Server::start();
    let db = server.db(Duration::from_secs(2));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let unavailable = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));

    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (db, acknowledged, unavailable, stop) =
            (db.clone(), acknowledged.clone(), unavailable.clone(), stop.clone());
        clients.spawn(async move {
            let (counter, log) = (Key::of(&("counter", client)), Key::of(&("log", client)));
            let (mut mine, mut open) = (0, 0);
            while !stop.load(SeqCst) {
                match count(&db, &counter, &log).await {
                    Ok(_) => {
                        mine += 1;
                        acknowledged.fetch_add(1, SeqCst);
                    }
                    Err(Error::Unavailable { .. }) => {
                        open += 1;
                        unavailable.fetch_add(1, SeqCst);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            (client, mine, open)
        });
    }

    let until = async |counter: &AtomicU64, more: u64| {
        let goal = counter.load(SeqCst) + more;
        while counter.load(SeqCst) < goal {
            tokio::task::yield_now().await;
        }
    };
    for _ in 0..3 {
        until(&acknowledged, 200).await;
        server.kill();
        // Every client receives an error while the server is down.
        until(&unavailable, u64::from(CLIENTS)).await;
        server.restart();
        until(&acknowledged, 200).await;
    }
    stop.store(true, SeqCst);

    let reader = server.db(Duration::from_secs(60));
    while let Some(client) = clients.join_next().await {
        let (client, mine, open) = client.unwrap();
        let (counter, log) = (Key::of(&("counter", client)), Key::of(&("log", client)));
        let (counter, log) = (&counter, &log);
        let (count, logged) = reader
            .run(|txn| async move {
                let count = txn
                    .get(counter)
                    .await?
                    .map_or(0, |value| u64::from_be_bytes(value.try_into().unwrap()));
                let query = Query {
                    range: Range::below(log),
                    order: Order::Ascending,
                    limit: 1_000_000,
                };
                let logged: Vec<_> = txn
                    .range(&query)
                    .await?
                    .entries
                    .into_iter()
                    .map(|entry| entry.value)
                    .collect();
                Ok::<_, Error>((count, logged))
            })
            .await
            .unwrap();
        assert!(
            (mine..=mine + open).contains(&count),
            "{mine} acknowledged, {open} unknown, and the counter is {count}"
        );
        let expected: Vec<_> = (1..=count).map(|number| number.to_be_bytes().to_vec()).collect();
        assert_eq!(logged, expected, "the log contains every count once, in commit order");
    }
}

#[tokio::test]
async fn a_commit_snapshot_is_the_version_of_the_commit() {
    let server = Server::start();
    let db = &server.db(Duration::from_secs(60));
    let key = &Key::of(&("key",));
    let set = |value: &'static str| db.run_with_snapshot(move |txn| async move { txn.set(key, value) });
    let get = |db: Db| async move { db.run(|txn| async move { txn.get(key).await }).await.unwrap().unwrap() };

    let ((), written) = set("old").await.unwrap();
    let read = db.run_with_snapshot(|txn| async move { txn.get(key).await });
    let (_, read): (_, Snapshot) = read.await.unwrap();
    let idle: Result<_, Error> = db.run_with_snapshot(|_| async move { Ok(()) }).await;
    let ((), idle) = idle.unwrap();
    set("new").await.unwrap();

    // A version requested only now would include the later commit.
    assert_eq!(get(db.reading_from(written.clone())).await, b"old");
    assert_eq!(get(db.reading_from(read)).await, b"old");
    assert_eq!(get(db.reading_from(idle)).await, b"new", "no version was known");

    let before = db.usage();
    let later = db.reading_from(written);
    let copied = later.run(|txn| async move {
        let value = txn.get(key).await?.unwrap();
        txn.set(&Key::of(&("copy",)), &value)?;
        Ok::<_, Error>(value)
    });
    assert_eq!(copied.await.unwrap(), b"new");
    let after = db.usage();
    assert_eq!(after.attempts - before.attempts, 2);
    assert_eq!(after.conflicts - before.conflicts, 1);
}

#[tokio::test]
async fn a_cluster_without_a_response_is_unavailable_by_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fdb.cluster");
    // This listener occupies the port and never responds.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    fs::write(
        &file,
        format!("test:test@127.0.0.1:{}", silent.local_addr().unwrap().port()),
    )
    .unwrap();
    let settings = Settings {
        deadline: Duration::from_millis(300),
        ..Settings::new(Engine::Fdb(Cluster::File(file)))
    };
    let db = Db::open(settings).unwrap();
    let outcome = db.run(|txn| async move { txn.get(&Key::of(&("a",))).await }).await;
    // The client's own timeout fires later, with another cause.
    assert!(
        matches!(
            outcome,
            Err(Error::Unavailable {
                cause: Cause::Deadline { .. }
            })
        ),
        "{outcome:?}"
    );
}

#[test]
fn an_unusable_cluster_file_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let wrong = folder.path().join("wrong");
    fs::write(&wrong, "not a cluster").unwrap();
    for file in [missing, wrong, folder.path().to_owned()] {
        let error = Db::open(Settings::new(Engine::Fdb(Cluster::File(file.clone())))).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(&file.display().to_string()) && text.contains("FDB_CLUSTER_FILE"),
            "{text}"
        );
        assert!(!text.contains('\n'), "one sentence: {text}");
    }
}
