//! The gateway as a process: starting, stopping, refusing to start, and what it does when the disk is full.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};

use axum::http::Method;
use serde_json::{Value, json};
use testkit::{Code, Process, Remote, Target as _, TestResponse, TestStore};

/// The key of RFC 8032, section 7.1, test 2, which everybody knows, as the base64 of its PKCS#8 form.
pub const PRIVATE_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7";

pub fn gateway(store: &TestStore) -> Command {
    let mut command = Process::command(env!("CARGO_BIN_EXE_gateway"));
    command.envs(store.env());
    command
}

async fn register(remote: &Remote, email: &str) -> String {
    let account = json!({ "email": email, "password": "password123" });
    let data = remote.post("/v5/auth/register").json(&account).send().await.created();
    data["token"].as_str().unwrap().to_owned()
}

/// Runs a command that is expected to refuse to start, and returns what it says.
pub fn refusal(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "it started");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.trim().lines().count(), 1, "one sentence: {text}");
    text
}

#[test]
fn without_a_secret_it_refuses_to_start_and_says_how_to_make_one() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env_remove("JWT_SECRET");
    let text = refusal(command);
    assert!(text.contains("JWT_SECRET") && text.contains("openssl rand"), "{text}");

    let mut command = gateway(&store);
    command.env("JWT_SECRET", "0123456789012345678901234567890");
    let text = refusal(command);
    assert!(text.contains("JWT_SECRET") && text.contains("at least 32"), "{text}");
}

#[test]
fn without_a_private_key_it_refuses_to_start_where_one_is_to_sign() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env("JWT_ALGORITHM", "EdDSA");
    let text = refusal(command);
    assert!(
        text.contains("JWT_PRIVATE_KEY") && text.contains("openssl genpkey"),
        "{text}"
    );

    let mut command = gateway(&store);
    command.env("JWT_ALGORITHM", "none");
    let text = refusal(command);
    assert!(text.contains("JWT_ALGORITHM") && text.contains("EdDSA"), "{text}");
}

#[tokio::test]
async fn a_change_of_algorithm_logs_nobody_out() {
    let store = TestStore::new();
    let one = Process::start(gateway(&store));
    let before = register(&one.remote(), "before@example.com").await;
    drop(one);

    let mut command = gateway(&store);
    command
        .env("JWT_ALGORITHM", "EdDSA")
        .env("JWT_PRIVATE_KEY", PRIVATE_KEY)
        .env("JWT_SECRET_PREVIOUS", "a secret that only these tests sign with");
    let two = Process::start(command);
    let after = register(&two.remote(), "after@example.com").await;
    for token in [before, after] {
        two.remote().get("/v5/sessions").bearer(&token).send().await.ok();
    }
}

#[test]
fn a_store_that_can_not_be_opened_is_named_with_the_reason() {
    let store = TestStore::new();
    let file = store.folder().join("a-file");
    fs::write(&file, "").unwrap();
    for place in [file.clone(), file.join("below")] {
        let mut command = gateway(&store);
        command.env("STORE", format!("lmdb:{}", place.display()));
        let text = refusal(command);
        assert!(text.contains(&place.display().to_string()), "{text}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let store = TestStore::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = gateway(&store);
    command.env("PORT", &port);
    let text = refusal(command);
    assert!(text.contains(&port) && text.contains("PORT"), "{text}");
}

#[tokio::test]
async fn what_one_process_writes_another_reads_and_a_restart_keeps() {
    let store = TestStore::new();
    let (one, two) = (Process::start(gateway(&store)), Process::start(gateway(&store)));
    let token = register(&one.remote(), "test@example.com").await;
    two.remote().get("/v5/sessions").bearer(&token).send().await.ok();
    two.remote().post("/v5/auth/logout").bearer(&token).send().await.ok();
    one.remote()
        .get("/v5/sessions")
        .bearer(&token)
        .send()
        .await
        .assert_problem(401, Code::RevokedToken);

    let token = register(&two.remote(), "other@example.com").await;
    drop((one, two));
    let three = Process::start(gateway(&store));
    three.remote().get("/v5/sessions").bearer(&token).send().await.ok();
}

#[tokio::test]
async fn asked_to_stop_it_finishes_what_is_in_flight_and_exits_with_success() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    let body = json!({ "email": "test@example.com", "password": "password123" }).to_string();
    let (first, rest) = body.split_at(10);

    let mut stream = TcpStream::connect(process.address().trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /v5/auth/register HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    write!(stream, "{head}{first}").unwrap();
    // The handler is waiting for the body once this comes.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");

    process.terminate();
    while !process
        .log_line()
        .expect("it says that it is stopping")
        .contains("stopping")
    {}
    write!(stream, "{rest}").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = TestResponse::parse_http1(&Method::POST, "/v5/auth/register", &answer);
    answer.expect("it is answered").created();
    let (status, _) = process.wait();
    assert!(status.success(), "{status}");
}

/// What the gateway says to `gateway health` with this host and port.
fn health(host: &str, port: &str) -> Output {
    // It needs nothing else, the secret least of all.
    let mut command = Process::command(env!("CARGO_BIN_EXE_gateway"));
    command.env_remove("JWT_SECRET").envs([("HOST", host), ("PORT", port)]);
    command.arg("health").output().unwrap()
}

#[track_caller]
fn unwell(output: &Output, why: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert_eq!(text.trim().lines().count(), 1, "one sentence: {text}");
    assert!(text.contains(why), "{text}");
}

#[test]
fn asked_how_it_is_from_beside_it_a_gateway_that_answers_is_well() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    let port = process.address().rsplit(':').next().unwrap().to_owned();
    // In a container it listens on every address there is.
    for host in ["127.0.0.1", "0.0.0.0"] {
        let output = health(host, &port);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    process.terminate();
    process.wait();
    unwell(&health("127.0.0.1", &port), &port);
    unwell(&health("127.0.0.1", "none"), "PORT must be a port number");
    unwell(&health("::1", &port), "[::1]");
}

#[test]
fn what_answers_something_else_is_not_well() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for (answer, why) in [
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "503"),
        ("SSH-2.0-OpenSSH\r\n", "SSH-2.0"),
        ("HTTP", &port),
    ] {
        let server = listener.try_clone().unwrap();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let asked = lines.next().unwrap().unwrap();
            // To the end of the head: what is left unread would have the answer dropped.
            lines.find(|line| line.as_ref().unwrap().is_empty());
            stream.write_all(answer.as_bytes()).unwrap();
            asked
        });
        unwell(&health("127.0.0.1", &port), why);
        assert_eq!(answering.join().unwrap(), "GET /v5/health HTTP/1.1");
    }
}

#[test]
fn what_the_program_does_not_know_is_answered_with_what_it_knows() {
    for (arguments, succeeds) in [
        (&["help"][..], true),
        (&["--help"], true),
        (&["serve"], false),
        (&["health", "x"], false),
    ] {
        let output = gateway(&TestStore::new()).args(arguments).output().unwrap();
        assert_eq!(output.status.success(), succeeds, "{output:?}");
        let said = if succeeds { output.stdout } else { output.stderr };
        assert!(String::from_utf8(said).unwrap().contains("gateway health"));
    }
}

/// If each thread's runtime hashed for itself, all of their threads would come to keep 19 MiB.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_serves_on_as_many_threads_as_there_are_cores_and_hashes_on_as_many_others() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    let mut registering = tokio::task::JoinSet::new();
    for number in 0..8 {
        // Each has a connection of its own.
        let remote = process.remote();
        registering.spawn(async move { register(&remote, &format!("user{number}@example.com")).await });
    }
    registering.join_all().await;

    let threads = fs::read_dir(format!("/proc/{}/task", process.pid().as_raw_nonzero())).unwrap();
    let names = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("comm")).unwrap());
    let names: Vec<_> = names.map(|name| name.trim_end().to_owned()).collect();
    let count = |start| names.iter().filter(|name| name.starts_with(start)).count();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(count("serve-"), cores, "{names:?}");
    assert!((1..=cores).contains(&count("hash")), "{names:?}");
    // What a runtime's other threads are called, if it has any.
    assert_eq!(count("tokio"), 0, "{names:?}");
}

/// A log that can not be written must not take the service down: its disk may be the one that is full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_serves_on_when_its_log_can_not_be_written() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.stderr(fs::File::create("/dev/full").unwrap());
    let process = Process::start(command);
    register(&process.remote(), "test@example.com").await;
    process
        .remote()
        .get("/v5/nothing")
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    process.terminate();
    let (status, _) = process.wait();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn every_request_is_one_json_line_with_its_id_and_no_secret() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env("RUST_LOG", "trace");
    let process = Process::start(command);
    let remote = process.remote();
    let token = register(&remote, "test@example.com").await;
    let answer = remote.get("/v5/sessions?q=marked-query").bearer(&token).send().await;
    let id = answer.header("x-request-id").unwrap().to_owned();
    remote
        .get("/v5/sessions")
        .bearer("marked-junk")
        .send()
        .await
        .assert_problem(401, Code::InvalidToken);
    process.terminate();
    let (_, lines) = process.wait();

    let requests: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("a line is not JSON: {line}")))
        .filter(|line| line["message"] == "request")
        .collect();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[1]["request_id"], id);
    assert_eq!(requests[1]["route"], "/v5/sessions");
    assert_eq!(requests[1]["status"], 200);
    assert_eq!(requests[2]["code"], "INVALID_TOKEN");
    for secret in [
        "password123",
        &token,
        "marked-junk",
        "marked-query",
        "only these tests sign with",
        "$argon2",
    ] {
        assert!(
            !lines.iter().any(|line| line.contains(secret)),
            "{secret} is in the log"
        );
    }
}

/// A full disk, made without privileges: a limit on the size of the files that the process may write. The signal that
/// comes with it is ignored, so that a write beyond it fails as it does on a full disk.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_a_503_that_leaves_nothing_half_written_and_passes() {
    use rustix::process::{Resource, Rlimit, prlimit};

    let store = TestStore::new();
    let mut command = Process::command("sh");
    command
        .env("PATH", "/usr/bin:/bin")
        .env("STORE", format!("lmdb:{}", store.folder().join("store").display()))
        .args([
            "-c",
            "trap '' XFSZ; ulimit -S -f 600; exec \"$0\"",
            env!("CARGO_BIN_EXE_gateway"),
        ]);
    let process = Process::start(command);
    let remote = process.remote();
    let token = register(&remote, "test@example.com").await;
    let draft = json!({ "name": "x".repeat(200), "workspacePath": format!("/{}", "y".repeat(1000)) });

    let mut made = Vec::new();
    let refused = loop {
        let answer = remote.post("/v5/sessions").bearer(&token).json(&draft).send().await;
        if answer.status != 201 {
            break answer;
        }
        made.push(answer.created()["id"].as_str().unwrap().to_owned());
        assert!(made.len() < 10_000, "the limit has no effect");
    };
    assert!(refused.header("retry-after").is_some());
    refused.assert_problem(503, Code::StoreUnavailable);

    // Full, it still reads, and shows just what it acknowledged.
    assert_eq!(
        listed(&remote, &token).await,
        made.iter().rev().cloned().collect::<Vec<_>>()
    );

    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    prlimit(Some(process.pid()), Resource::Fsize, unlimited).unwrap();
    let session = remote
        .post("/v5/sessions")
        .bearer(&token)
        .json(&draft)
        .send()
        .await
        .created();
    made.push(session["id"].as_str().unwrap().to_owned());
    assert_eq!(
        listed(&remote, &token).await,
        made.iter().rev().cloned().collect::<Vec<_>>()
    );
}

#[cfg(any(target_os = "linux", feature = "fdb"))]
pub async fn listed(remote: &Remote, token: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = remote
            .get(&format!("/v5/sessions?limit=100{cursor}"))
            .bearer(token)
            .send()
            .await
            .ok();
        let sessions = page["sessions"].as_array().unwrap();
        ids.extend(
            sessions
                .iter()
                .map(|session| session["id"].as_str().unwrap().to_owned()),
        );
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}
