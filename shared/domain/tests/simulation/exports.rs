//! Exports: a user works and exports the account, on a store with injected faults. Every file that a client downloads
//! is of one instant.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::exports::{self, Export, LinkText, PresentedLink, ops};
use domain::password::Policy;
use domain::sessions::{self, Change, Draft, WorkspacePath};
use domain::text::Name;
use domain::{Caller, Client, Env, Error, Limits, LoginId, SessionId, TenantId, UserId};
use fastrand::Rng;
use serde_json::Value;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use zip::ZipArchive;

use crate::access_tokens::register;
use crate::records::Records;
use crate::scenario::{Scenario, Stored, settle};
use crate::store_folder;

/// The number of runs.
const SEEDS: u64 = 100;

/// The lines of each file of a downloaded export.
type Files = BTreeMap<String, Vec<Value>>;

#[derive(Clone)]
struct ExportClient {
    env: Env,
    rng: Rng,
    user: UserId,
    login: LoginId,
    sessions: Arc<Mutex<Vec<SessionId>>>,
    downloaded: Arc<Mutex<Vec<Files>>>,
}

impl ExportClient {
    async fn run(mut self) {
        for _ in 0..self.rng.usize(10..25) {
            sleep(Duration::from_millis(self.rng.u64(..100))).await;
            let result = match self.rng.u32(..10) {
                0..6 => self.work().await,
                6..9 => self.export().await,
                _ => self.remove().await,
            };
            match result {
                // The export was removed or replaced meanwhile, or another client has deleted the session, or the store
                // failed.
                Ok(())
                | Err(
                    Error::NotFound
                    | Error::Revoked
                    | Error::Store(kv::Error::Unavailable { .. } | kv::Error::Full { .. }),
                ) => {}
                Err(error) => panic!("unexpected: {error}"),
            }
        }
    }

    fn caller(&self) -> Caller {
        let tenant = TenantId::own(self.user);
        Caller::verified(self.user, tenant, self.login, self.env.clock.now(), Client::default())
    }

    async fn work(&mut self) -> domain::Result<()> {
        let caller = self.caller();
        let known = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (self.rng.u32(..4), self.rng.choice(&known)) {
            (0, Some(id)) => sessions::ops::delete(&self.env, &caller, *id, |_| true).await,
            (1, Some(id)) => {
                let change = Change {
                    name: Some(name(&format!("{}", self.rng.u32(..)))),
                    workspace_path: None,
                };
                sessions::ops::change(&self.env, &caller, *id, &change, |_| true)
                    .await
                    .map(drop)
            }
            _ => {
                let draft = Draft {
                    name: name("a session"),
                    workspace_path: WorkspacePath::parse("/workspace").expect("the path is valid"),
                };
                let session = sessions::ops::create(&self.env, &caller, draft, None)
                    .await?
                    .into_inner();
                let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
                sessions.push(session.id);
                Ok(())
            }
        }
    }

    async fn export(&mut self) -> domain::Result<()> {
        let (mut export, link) = ops::request(&self.env, &self.caller()).await?;
        while !export.is_complete() {
            let Some(next) = ops::get(&self.env, &self.caller()).await? else {
                return Ok(());
            };
            export = next;
        }
        let files = self.download(&export, &link).await?;
        self.downloaded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(files);
        Ok(())
    }

    async fn download(&self, export: &Export, link: &LinkText) -> domain::Result<Files> {
        let link = PresentedLink::parse(link.reveal()).expect("a new link is well-formed");
        let mut files = Files::new();
        for (number, part) in (1..).zip(&export.parts) {
            let mut download = ops::download(&self.env, &link, number).await?;
            let mut bytes = Vec::new();
            while let Some(chunk) = download.chunk().await? {
                bytes.extend(chunk);
            }
            // The link may lead to a newer export by now, whose parts have other lengths.
            if bytes.len() == part.bytes {
                assert_eq!(bytes.len(), download.bytes());
            }
            let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("it is a zip file");
            for index in 0..archive.len() {
                let mut file = archive.by_index(index).expect("the file is readable");
                let mut text = String::new();
                file.read_to_string(&mut text).expect("the file is text");
                let lines = text
                    .lines()
                    .map(|line| serde_json::from_str(line).expect("a line is JSON"));
                let name = file.name().expect("the name is UTF-8").into_owned();
                assert_eq!(
                    files.insert(name, lines.collect()),
                    None,
                    "two parts have a file of one name"
                );
            }
        }
        Ok(files)
    }

    /// Removes the export, as removing the account does.
    async fn remove(&self) -> domain::Result<()> {
        let user = self.user;
        let removal = self
            .env
            .db
            .run(|txn| async move { exports::store::remove_all(&txn, user).await });
        removal.await
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("the name is valid")
}

/// Runs one seed. Returns the user, the exports, and the store afterwards.
fn run(folder: &Path, seed: u64) -> (UserId, Vec<Files>, Stored) {
    let mut scenario = Scenario::from_seed(folder, seed);
    fastrand::seed(seed);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a single-threaded runtime can be built");
    runtime.block_on(async {
        let (start, db, mut rng) = (Instant::now(), scenario.open(), scenario.fork_rng());
        let limits = Limits {
            login: domain::logins::Lifetime {
                idle: Duration::from_secs(86_400),
                absolute: Duration::from_secs(86_400),
            },
            throttle: None,
            quotas: None,
            audit_retention: Duration::from_secs(365 * 86_400),
            passwords: Policy::BASIC,
            requires_verified_email: false,
            deletion_delay: Duration::from_secs(14 * 86_400),
        };
        let processes = [(); 2].map(|()| scenario.process(&db, start, &limits));
        let (user, login) = register(&processes[0].serve()).await;
        let (sessions, downloaded) = (Arc::default(), Arc::default());
        let mut running = JoinSet::new();
        for number in 0..rng.usize(2..6) {
            let client = ExportClient {
                env: processes[number % 2].serve(),
                rng: rng.fork(),
                user,
                login,
                sessions: Arc::clone(&sessions),
                downloaded: Arc::clone(&downloaded),
            };
            running.spawn(client.run());
        }
        while let Some(joined) = running.join_next().await {
            joined.expect("a client does not panic");
        }
        let stored = settle(&db, &processes[0]).await;
        let files = std::mem::take(&mut *downloaded.lock().unwrap_or_else(PoisonError::into_inner));
        (user, files, stored)
    })
}

/// Every contradiction between an export and the log of all events.
fn check(files: &Files, log: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    let events = &files["audit/0001.jsonl"];
    let actions: Vec<_> = events.iter().map(|event| event["action"].clone()).collect();
    if !log.starts_with(&actions) {
        problems.push(format!("{actions:?} is not the start of the log"));
    }
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for action in &actions {
        let session = action["session"].as_str().unwrap_or_default();
        match action["type"].as_str() {
            Some("session.created") => drop(expected.insert(session, 1)),
            Some("session.changed") => *expected.entry(session).or_default() += 1,
            Some("session.deleted") => drop(expected.remove(session)),
            _ => {}
        }
    }
    let sessions = files["sessions/0001.jsonl"].iter();
    let exported: BTreeMap<_, _> = sessions
        .map(|session| {
            let id = session["id"].as_str().unwrap_or_default();
            (id, session["version"].as_u64().unwrap_or_default())
        })
        .collect();
    if exported != expected {
        problems.push(format!(
            "the events leave {expected:?}, and the export has {exported:?}"
        ));
    }
    let used = &files["usage.jsonl"][0]["used"];
    if *used != exported.len() {
        problems.push(format!("{used} sessions are counted of {}", exported.len()));
    }
    problems
}

#[test]
fn an_export_is_of_one_instant_under_every_store_fault() {
    let folder = store_folder();
    let mut count = 0;
    for seed in 0..SEEDS {
        let (user, exports, stored) = run(folder.path(), seed);
        let mut problems: Vec<String> = stored
            .findings
            .iter()
            .map(|finding| format!("{}: {}", finding.key, finding.problem))
            .collect();
        let logs = Records::read(&stored).audit_logs;
        // A registration whose outcome was unknown may have made another account.
        let log = logs.get(&TenantId::own(user).uuid()).expect("the user has a log");
        let log: Vec<_> = log
            .iter()
            .map(|event| serde_json::to_value(&event.action).expect("an action is JSON"))
            .collect();
        problems.extend(exports.iter().flat_map(|files| check(files, &log)));
        assert!(problems.is_empty(), "seed {seed}:\n{}", problems.join("\n"));
        count += exports.len();
    }
    println!("{count} exports");
    assert!(count > 300, "{count}");
}
