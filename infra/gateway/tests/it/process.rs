//! The gateway as a process: start, stop, start-up errors, threads, and its log.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use axum::http::Method;
use serde_json::{Value, json};
use testkit::{Code, Process, Remote, Target as _, TestResponse, TestStore};

/// The published key of RFC 8032, section 7.1, test 2, as the base64 of its PKCS#8 form.
pub const PRIVATE_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7";

/// The gateway program on this store.
pub fn gateway(store: &TestStore) -> Command {
    let mut command = Process::command(env!("CARGO_BIN_EXE_gateway"));
    command.envs(store.env());
    command
}

/// Registers an account, and returns its access token.
pub async fn register(remote: &Remote, email: &str) -> String {
    let account = json!({ "email": email, "password": "password123" });
    let data = remote.post("/v5/auth/register").json(&account).send().await.created();
    data["token"].as_str().unwrap().to_owned()
}

/// Runs a command that must fail at start, and returns its error message.
pub fn startup_error(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "the command succeeded");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.trim().lines().count(), 1, "one sentence: {text}");
    text
}

/// The command, when it may write files of at most 1 MB or 0.5 MB, depending on the shell's unit.
pub fn with_little_disk(command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -S -f 1000; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("PATH", "/usr/bin:/bin");
    limited
}

#[test]
fn a_missing_or_short_secret_is_a_startup_error_that_says_how_to_create_one() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env_remove("JWT_SECRET");
    let text = startup_error(command);
    assert!(text.contains("JWT_SECRET") && text.contains("openssl rand"), "{text}");

    let mut command = gateway(&store);
    command.env("JWT_SECRET", "0123456789012345678901234567890");
    let text = startup_error(command);
    assert!(text.contains("JWT_SECRET") && text.contains("at least 32"), "{text}");
}

#[test]
fn a_missing_private_key_or_unknown_algorithm_is_a_startup_error() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env("JWT_ALGORITHM", "EdDSA");
    let text = startup_error(command);
    assert!(
        text.contains("JWT_PRIVATE_KEY") && text.contains("openssl genpkey"),
        "{text}"
    );

    let mut command = gateway(&store);
    command.env("JWT_ALGORITHM", "none");
    let text = startup_error(command);
    assert!(text.contains("JWT_ALGORITHM") && text.contains("EdDSA"), "{text}");
}

#[tokio::test]
async fn tokens_stay_valid_when_the_algorithm_changes() {
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
fn an_unusable_store_folder_is_named_in_the_error() {
    let store = TestStore::new();
    let file = store.folder().join("a-file");
    fs::write(&file, "").unwrap();
    for place in [file.clone(), file.join("below")] {
        let mut command = gateway(&store);
        command.env("STORE", format!("lmdb:{}", place.display()));
        let text = startup_error(command);
        assert!(text.contains(&place.display().to_string()), "{text}");
    }
}

#[test]
fn a_bad_object_store_is_named_in_the_error() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env("OBJECTS", "s3://My-Bucket?region=eu-central-1");
    let error = startup_error(command);
    assert!(error.starts_with("error: OBJECTS names no bucket"), "{error}");
}

#[test]
fn a_port_in_use_is_named_in_the_error() {
    let store = TestStore::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = gateway(&store);
    command.env("PORT", &port);
    let text = startup_error(command);
    assert!(text.contains(&port) && text.contains("PORT"), "{text}");
}

#[tokio::test]
async fn processes_share_the_store_and_a_restart_keeps_it() {
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
async fn sigterm_finishes_requests_in_flight_and_exits_with_success() {
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
    // The interim response means that the handler waits for the body.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");

    process.terminate();
    while !process.log_line().expect("the stop is logged").contains("stopping") {}
    write!(stream, "{rest}").unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    let response = TestResponse::parse_http1(&Method::POST, "/v5/auth/register", &response);
    response.expect("a complete response").created();
    let (status, _) = process.wait();
    assert!(status.success(), "{status}");
}

#[test]
fn unknown_arguments_print_the_usage_and_fail() {
    for (arguments, succeeds) in [
        (&["help"][..], true),
        (&["--help"], true),
        (&["serve"], false),
        (&["health", "x"], false),
    ] {
        let output = gateway(&TestStore::new()).args(arguments).output().unwrap();
        assert_eq!(output.status.success(), succeeds, "{output:?}");
        let output = if succeeds { output.stdout } else { output.stderr };
        assert!(String::from_utf8(output).unwrap().contains("Usage: gateway"));
    }
}

#[test]
fn a_command_prints_its_result_as_text_or_as_json() {
    let print = |arguments: &[&str]| {
        let output = gateway(&TestStore::new()).args(arguments).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let json: Value = serde_json::from_str(&print(&["version", "--json"])).unwrap();
    assert_eq!(json["version"], api::VERSION);
    assert!(print(&["version"]).starts_with(&format!("{} ", api::VERSION)));
    assert_eq!(print(&["--version"]), format!("gateway {}", print(&["version"])));
}

/// Each hashing thread keeps 19 MiB, so the serving threads share them instead of having their own.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_has_one_serving_thread_per_core_and_at_most_as_many_hashing_threads() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    let mut registering = tokio::task::JoinSet::new();
    for number in 0..8 {
        // One connection per client.
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
    // The name of the blocking threads that a runtime would start.
    assert_eq!(count("tokio"), 0, "{names:?}");
}

/// An unwritable log must not stop the service, for example when its disk is full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_serves_requests_while_its_log_is_unwritable() {
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
async fn every_request_has_one_json_line_with_its_id_and_without_secrets() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env("RUST_LOG", "trace");
    let process = Process::start(command);
    let remote = process.remote();
    let token = register(&remote, "test@example.com").await;
    let response = remote.get("/v5/sessions?q=marked-query").bearer(&token).send().await;
    let id = response.header("x-request-id").unwrap().to_owned();
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

/// The ids of all sessions, newest first.
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
