//! Lambda's side of a function: the Runtime API, for tests that send events through the real programs.
//!
//! The endpoints and headers are those of
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html> and of the Extensions API beside it.

use std::collections::HashMap;
use std::future::pending;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// For one step of a function: its start, or one event.
const LIMIT: Duration = Duration::from_secs(60);

/// One process of a function in a sandbox of its own, which is given the test's events one after another. The process ends with this,
/// or with the test's runtime.
pub struct RuntimeApi {
    sandbox: Arc<Sandbox>,
    events: mpsc::UnboundedSender<Invocation>,
    count: AtomicU64,
    process: tokio::sync::Mutex<Child>,
    init: Duration,
    /// Each until its stream ends.
    logs: JoinSet<()>,
    /// Ended when this is dropped.
    _tasks: JoinSet<()>,
}

/// What the function's side reaches.
struct Sandbox {
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    answers: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
    /// How often the function has asked for an event.
    polls: watch::Sender<u64>,
    log: Mutex<String>,
}

struct Invocation {
    number: u64,
    id: String,
    event: String,
}

/// A function's answer, or what it reported instead.
type Outcome = Result<Value, Value>;

impl RuntimeApi {
    /// What the function is called.
    pub const FUNCTION_NAME: &str = "test";

    /// Starts a function, with a command such as `Process::command` makes, and waits until it asks for its
    /// first event.
    ///
    /// # Panics
    /// If it ends instead, with what it wrote.
    pub async fn start(mut command: Command) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it listens").to_string();
        command
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", Self::FUNCTION_NAME)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());

        let (events, receiver) = mpsc::unbounded_channel();
        let sandbox = Arc::new(Sandbox {
            events: tokio::sync::Mutex::new(receiver),
            answers: Mutex::default(),
            polls: watch::Sender::default(),
            log: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, routes(sandbox.clone())));

        let started = Instant::now();
        let mut process = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .expect("the program can be started");
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        let mut logs = JoinSet::new();
        logs.spawn(keep_log(stdout.expect("it is piped"), sandbox.clone()));
        logs.spawn(keep_log(stderr.expect("it is piped"), sandbox.clone()));
        tokio::select! {
            () = sandbox.polled(1) => {}
            ended = process.wait() => panic!("the function ended with {ended:?}: {}", sandbox.log()),
        }
        Self {
            sandbox,
            events,
            count: AtomicU64::new(0),
            process: tokio::sync::Mutex::new(process),
            init: started.elapsed(),
            logs,
            _tasks: tasks,
        }
    }

    /// How long it took from the start of the process until it asked for its first event.
    pub fn init_duration(&self) -> Duration {
        self.init
    }

    /// Gives the function an event and takes its answer; `Err` is the error that it reported instead.
    ///
    /// # Panics
    /// If it ends, or does nothing of this in time.
    pub async fn invoke(&self, event: &Value) -> Result<Value, Value> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let id = request_id(number);
        let (sender, answer) = oneshot::channel();
        locked(&self.sandbox.answers).insert(id.clone(), sender);
        let event = event.to_string();
        self.events
            .send(Invocation { number, id, event })
            .expect("the sandbox lives as long as this");
        let ended = async { self.process.lock().await.wait().await };
        tokio::select! {
            answer = timeout(LIMIT, answer) => answer.expect("the function answers in time").expect("its sender is kept until then"),
            ended = ended => panic!("the function ended with {ended:?}: {}", self.log()),
        }
    }

    /// The id of the request that [`RuntimeApi::invoke`] was called with last.
    ///
    /// # Panics
    /// If there was none.
    pub fn last_request_id(&self) -> String {
        let count = self.count.load(Ordering::Relaxed);
        request_id(count.checked_sub(1).expect("there was a request"))
    }

    /// What the function has written to its log, as far as it has been read: on either stream, as Lambda takes it.
    pub fn log(&self) -> String {
        self.sandbox.log()
    }

    /// Ends the sandbox as Lambda does where it is told of, and answers with all that the function has written to its log.
    ///
    /// # Panics
    /// If the function does not end in time, or not with success.
    pub async fn stop(mut self) -> String {
        let process = self.process.get_mut();
        let id = process.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        kill_process(id.expect("it has not ended yet"), Signal::TERM).expect("it is running");
        let ended = timeout(LIMIT, process.wait()).await.expect("the function ends in time");
        while self.logs.join_next().await.is_some() {}
        assert!(ended.is_ok_and(|status| status.success()), "{}", self.log());
        self.log()
    }

    /// Ends the sandbox as Lambda may at any time once the function asks for its next event: without a word. Answers with all that the function
    /// has written to its log.
    ///
    /// # Panics
    /// If the function does not ask in time.
    pub async fn kill(mut self) -> String {
        self.sandbox.polled(self.count.load(Ordering::Relaxed) + 1).await;
        let process = self.process.get_mut();
        process.kill().await.expect("it is running");
        while self.logs.join_next().await.is_some() {}
        self.log()
    }

    /// The trace that Lambda says the test's invocation of this number belongs to, as 32 digits.
    pub fn trace_id(number: u64) -> String {
        format!("{TRACE_TIME}{number:024x}")
    }
}

fn request_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

impl Sandbox {
    /// Waits until the function has asked so often for an event.
    async fn polled(&self, times: u64) {
        let mut polls = self.polls.subscribe();
        let polled = timeout(LIMIT, polls.wait_for(|polls| *polls >= times)).await;
        polled
            .expect("the function asks for an event in time")
            .expect("the sandbox counts as long as it is there");
    }

    fn log(&self) -> String {
        locked(&self.log).clone()
    }

    fn answer(&self, id: &str, outcome: Outcome) -> StatusCode {
        match locked(&self.answers).remove(id) {
            // Whoever waited for it may have given up.
            Some(sender) => sender.send(outcome).map_or(StatusCode::GONE, |()| StatusCode::ACCEPTED),
            None => StatusCode::BAD_REQUEST,
        }
    }
}

fn routes(sandbox: Arc<Sandbox>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2020-01-01/extension/register", post(register_extension))
        // An extension that wants no events waits here until the sandbox ends.
        .route("/2020-01-01/extension/event/next", get(pending::<StatusCode>))
        .with_state(sandbox)
}

/// When the traces of all invocations have begun, as X-Ray writes it.
const TRACE_TIME: &str = "5759e988";

async fn next(State(sandbox): State<Arc<Sandbox>>) -> Response<Body> {
    sandbox.polls.send_modify(|polls| *polls += 1);
    let invocation = sandbox.events.lock().await.recv().await;
    let Invocation { number, id, event } = invocation.expect("the test holds the sender as long as it serves");
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", id)
        // In the year 2100.
        .header("lambda-runtime-deadline-ms", "4102444800000")
        .header(
            "lambda-runtime-trace-id",
            format!("Root=1-{TRACE_TIME}-{number:024x};Parent=53995c3f42cd8ad8;Sampled=0"),
        )
        .header(
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:123456789012:function:test",
        )
        .body(event.into())
        .expect("its headers are valid")
}

async fn response(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    sandbox.answer(&id, Ok(parsed(&body)))
}

async fn error(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    sandbox.answer(&id, Err(parsed(&body)))
}

async fn register_extension() -> Response<Body> {
    let function = json!({ "functionName": "test", "functionVersion": "$LATEST", "handler": "bootstrap" });
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-extension-identifier", "00000000-0000-4000-8000-00000000e000")
        .body(function.to_string().into())
        .expect("its headers are valid")
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("the function sends JSON")
}

async fn serve(listener: TcpListener, routes: Router) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("a connection can be accepted");
        let service = TowerToHyperService::new(routes.clone());
        // The process that ends leaves its connections as they are.
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Reads to the end, so that the function never waits for a full pipe.
async fn keep_log(stream: impl AsyncRead + Unpin, sandbox: Arc<Sandbox>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = locked(&sandbox.log);
        log.push_str(&line);
        log.push('\n');
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
