//! Exports: a user works and exports the account, in small steps and parts, on a store with injected faults. Clients
//! disconnect, steps take too long, and exports are replaced. Every file that a client downloads is of one instant, and
//! no chunk is stored that the export does not list.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::audit::{EventLine, Position};
use domain::exports::{self, Export, LinkText, Preparations, PresentedLink, Sizes, ops};
use domain::files::changes::Retention;
use domain::password::Policy;
use domain::sessions::{self, Change, Draft, WorkspacePath};
use domain::text::Name;
use domain::{Caller, Client, Env, Error, Limits, LoginId, SessionId, TenantId, UserId};
use fastrand::Rng;
use serde_json::Value;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use zip::ZipArchive;

use crate::access_tokens::register;
use crate::records::Records;
use crate::scenario::{Scenario, Stored, settle};
use crate::store_folder;

/// The number of runs.
const SEEDS: u64 = 150;

/// The lines of each file of a downloaded export.
type Files = BTreeMap<String, Vec<Value>>;

/// An export that a client has downloaded.
struct Download {
    parts: usize,
    /// Otherwise it has as many parts as it can have, and lacks the newest events.
    is_complete: bool,
    files: Files,
}

impl Download {
    /// The lines of all files in a folder, in their order.
    fn lines(&self, folder: &str) -> impl Iterator<Item = &Value> {
        let files = self.files.iter();
        files
            .filter(move |(name, _)| name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
            .flat_map(|(_, lines)| lines)
    }
}

#[derive(Clone)]
struct ExportClient {
    env: Env,
    rng: Rng,
    user: UserId,
    login: LoginId,
    sessions: Arc<Mutex<Vec<SessionId>>>,
    downloaded: Arc<Mutex<Vec<Download>>>,
}

impl ExportClient {
    async fn run(mut self) {
        for _ in 0..self.rng.usize(15..30) {
            sleep(Duration::from_millis(self.rng.u64(..100))).await;
            let result = match self.rng.u32(..30) {
                0..20 => self.work().await,
                20..26 => self.export().await,
                26..29 => {
                    // The client disconnects.
                    let patience = Duration::from_millis(self.rng.u64(..2000));
                    timeout(patience, self.export()).await.unwrap_or(Ok(()))
                }
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
        let (mut export, _) = ops::request(&self.env, &self.caller()).await?;
        while !export.has_ended() {
            sleep(Duration::from_millis(self.rng.u64(..200))).await;
            let Some(next) = ops::continued(&self.env, &self.caller()).await? else {
                return Ok(());
            };
            export = next;
        }
        // Another client may have a newer link by now.
        let (export, link) = ops::request(&self.env, &self.caller()).await?;
        if !export.has_ended() {
            return Ok(());
        }
        let files = self.download(&export, &link).await?;
        let mut downloaded = self.downloaded.lock().unwrap_or_else(PoisonError::into_inner);
        downloaded.extend(files);
        Ok(())
    }

    /// `None` if the link leads to another export by now.
    async fn download(&self, export: &Export, link: &LinkText) -> domain::Result<Option<Download>> {
        let link = PresentedLink::parse(link.reveal()).expect("a new link is well-formed");
        let mut files = Files::new();
        for (number, part) in (1..).zip(&export.parts) {
            let download = ops::download(&self.env, &Client::default(), &link, number).await?;
            if Some(download.taken_at) != export.taken_at {
                return Ok(None);
            }
            assert_eq!(download.as_ref().len(), part.bytes);
            let mut archive = ZipArchive::new(Cursor::new(download.as_ref())).expect("it is a zip file");
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
        Ok(Some(Download {
            parts: export.parts.len(),
            is_complete: export.is_complete(),
            files,
        }))
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
fn run(folder: &Path, seed: u64) -> (UserId, Vec<Download>, Stored) {
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
            file_changes: Retention::default(),
            passwords: Policy::BASIC,
            requires_verified_email: false,
            deletion_delay: Duration::from_secs(14 * 86_400),
        };
        let sizes = Sizes {
            page: rng.usize(1..6),
            events_of_a_step: rng.usize(6..20),
            // Every line begins a part, or none does.
            part_bytes: if rng.bool() { 1 } else { 600_000 },
            parts: if rng.u32(..3) == 0 { rng.usize(3..12) } else { 1000 },
            same_export: Duration::from_millis(rng.u64(..20_000)),
            // Sometimes shorter than a step takes.
            step: Duration::from_millis(rng.u64(..5000)),
            ..Sizes::default()
        };
        let processes = [(); 2].map(|()| {
            let mut process = scenario.process(&db, start, &limits);
            process.env.preparations = Preparations::with(sizes);
            process
        });
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
fn check(export: &Download, log: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    let events: Vec<_> = export.lines("audit").cloned().map(without_id).collect();
    if !log.starts_with(&events) {
        problems.push(format!("{events:?} is not the start of the log"));
    }
    if !export.is_complete {
        return problems;
    }
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for event in &events {
        let session = event["sessionId"].as_str().unwrap_or_default();
        match event["type"].as_str() {
            Some("session.created") => drop(expected.insert(session, 1)),
            Some("session.changed") => *expected.entry(session).or_default() += 1,
            Some("session.deleted") => drop(expected.remove(session)),
            _ => {}
        }
    }
    let exported: BTreeMap<_, _> = export
        .lines("sessions")
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
    let used = &export.files["usage.jsonl"][0]["used"];
    if *used != exported.len() {
        problems.push(format!("{used} sessions are counted of {}", exported.len()));
    }
    problems
}

/// An event without its id, which is its position.
fn without_id(mut event: Value) -> Value {
    event.as_object_mut().and_then(|event| event.remove("id"));
    event
}

#[test]
fn an_export_is_of_one_instant_under_every_store_fault() {
    let folder = store_folder();
    let (mut complete, mut cut, mut parts) = (0, 0, 0);
    for seed in 0..SEEDS {
        let (user, exports, stored) = run(folder.path(), seed);
        let mut problems: Vec<String> = stored
            .findings
            .iter()
            .map(|finding| format!("{}: {}", finding.key, finding.problem))
            .collect();
        let tenant = TenantId::own(user);
        let mut logs = Records::read(&stored).audit_logs;
        // A registration whose outcome was unknown may have made another account.
        let log = logs.remove(&tenant.uuid()).expect("the user has a log").into_iter();
        let position = Position::from_slice(&[0; 12]).expect("a position has 12 bytes");
        let log: Vec<_> = log
            .map(|event| {
                let line = EventLine::of(tenant, position, event);
                without_id(serde_json::to_value(line).expect("an event is JSON"))
            })
            .collect();
        problems.extend(exports.iter().flat_map(|export| check(export, &log)));
        assert!(problems.is_empty(), "seed {seed}:\n{}", problems.join("\n"));
        let whole = exports.iter().filter(|export| export.is_complete).count();
        complete += whole;
        cut += exports.len() - whole;
        parts += exports.iter().map(|export| export.parts).sum::<usize>();
    }
    println!("{complete} complete exports, {cut} failed ones, {parts} parts");
    assert!(complete > 200 && cut > 10 && parts > 500, "{complete} {cut} {parts}");
}
