//! A Lambda sandbox with the Runtime API, for tests that send events to the real programs.
//!
//! It implements the endpoints and headers of the Runtime API
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>) and of the Extensions API.

use std::collections::HashMap;
use std::future::pending;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
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

/// The limit for one step of a function: its start, or one event.
const LIMIT: Duration = Duration::from_secs(60);

/// The largest output that Lambda accepts, in bytes.
const OUTPUT_MAX_BYTES: usize = 6 * 1024 * 1024;

/// A sandbox with one function process, which receives the test's events one after another.
///
/// The process is killed when this is dropped, or when the test's runtime ends.
pub struct RuntimeApi {
    sandbox: Arc<Sandbox>,
    events: mpsc::UnboundedSender<Invocation>,
    invocations: AtomicU64,
    process: tokio::sync::Mutex<Child>,
    init: Duration,
    /// One task per output stream; each ends with its stream.
    logs: JoinSet<()>,
    /// The server, which stops when this is dropped.
    _tasks: JoinSet<()>,
}

/// The state behind the Runtime API's endpoints.
struct Sandbox {
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    /// The receivers of outputs, by request id.
    pending: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
    /// The number of times that the function has polled for an event.
    polls: watch::Sender<u64>,
    log: Mutex<String>,
}

struct Invocation {
    number: u64,
    id: String,
    event: String,
}

/// A function's output, or the error that it reported.
type Outcome = Result<Value, Value>;

impl RuntimeApi {
    /// The function's name, as Lambda reports it to the process.
    pub const FUNCTION_NAME: &str = "test";

    /// Starts a function with a command from `Process::command`, and waits until it polls for its first event.
    ///
    /// # Panics
    /// If the function exits instead.
    pub async fn start(mut command: Command) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("the listener is bound").to_string();
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
            pending: Mutex::default(),
            polls: watch::Sender::default(),
            log: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, routes(sandbox.clone())));

        let started = Instant::now();
        let mut process = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        let mut logs = JoinSet::new();
        logs.spawn(keep_log(stdout.expect("standard output is piped"), sandbox.clone()));
        logs.spawn(keep_log(stderr.expect("standard error is piped"), sandbox.clone()));
        tokio::select! {
            () = sandbox.polled(1) => {}
            ended = process.wait() => panic!("the function exited with {ended:?}: {}", sandbox.log()),
        }
        Self {
            sandbox,
            events,
            invocations: AtomicU64::new(0),
            process: tokio::sync::Mutex::new(process),
            init: started.elapsed(),
            logs,
            _tasks: tasks,
        }
    }

    /// The time from the start of the process to its first poll.
    pub fn init_duration(&self) -> Duration {
        self.init
    }

    /// Sends the function an event and returns its output; `Err` is an error that the function reported.
    ///
    /// # Panics
    /// If the function exits, or does not respond in time.
    pub async fn invoke(&self, event: &Value) -> Result<Value, Value> {
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        let id = request_id(number);
        let (sender, outcome) = oneshot::channel();
        locked(&self.sandbox.pending).insert(id.clone(), sender);
        let event = event.to_string();
        self.events
            .send(Invocation { number, id, event })
            .expect("the sandbox exists until this is dropped");
        let ended = async { self.process.lock().await.wait().await };
        tokio::select! {
            outcome = timeout(LIMIT, outcome) => outcome
                .expect("the function responds in time")
                .expect("the sandbox keeps the sender until then"),
            ended = ended => panic!("the function exited with {ended:?}: {}", self.log()),
        }
    }

    /// The id of the function's process.
    ///
    /// # Panics
    /// If the process has exited.
    pub async fn pid(&self) -> Pid {
        let id = self.process.lock().await.id();
        let id = id.and_then(|id| Pid::from_raw(id.try_into().ok()?));
        id.expect("the function has not exited yet")
    }

    /// The request id of the last [`RuntimeApi::invoke`].
    ///
    /// # Panics
    /// Before the first one.
    pub fn last_request_id(&self) -> String {
        let count = self.invocations.load(Ordering::Relaxed);
        request_id(count.checked_sub(1).expect("the function has been invoked"))
    }

    /// The function's log so far: both output streams, as on Lambda.
    pub fn log(&self) -> String {
        self.sandbox.log()
    }

    /// Stops the function with `SIGTERM`, as Lambda does for a function with an extension, and returns its whole log.
    ///
    /// # Panics
    /// If the function does not exit in time and with success.
    pub async fn stop(mut self) -> String {
        kill_process(self.pid().await, Signal::TERM).expect("the function is running");
        let process = self.process.get_mut();
        let ended = timeout(LIMIT, process.wait())
            .await
            .expect("the function exits in time");
        while self.logs.join_next().await.is_some() {}
        assert!(ended.is_ok_and(|status| status.success()), "{}", self.log());
        self.log()
    }

    /// Kills the function at its next poll, as Lambda may do without notice, and returns its whole log.
    ///
    /// # Panics
    /// If the function does not poll in time.
    pub async fn kill(mut self) -> String {
        self.sandbox.polled(self.invocations.load(Ordering::Relaxed) + 1).await;
        let process = self.process.get_mut();
        process.kill().await.expect("the function is running");
        while self.logs.join_next().await.is_some() {}
        self.log()
    }

    /// The trace id that the sandbox assigns to the invocation with this number, as 32 hexadecimal digits.
    pub fn trace_id(number: u64) -> String {
        format!("{TRACE_TIME}{number:024x}")
    }
}

fn request_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

impl Sandbox {
    /// Waits until the function has polled for an event this many times.
    async fn polled(&self, times: u64) {
        let mut polls = self.polls.subscribe();
        let polled = timeout(LIMIT, polls.wait_for(|polls| *polls >= times)).await;
        polled
            .expect("the function polls in time")
            .expect("the sandbox keeps the sender");
    }

    fn log(&self) -> String {
        locked(&self.log).clone()
    }

    fn resolve(&self, id: &str, outcome: Outcome) -> StatusCode {
        match locked(&self.pending).remove(id) {
            // The test may have stopped waiting.
            Some(sender) => sender.send(outcome).map_or(StatusCode::GONE, |()| StatusCode::ACCEPTED),
            None => StatusCode::BAD_REQUEST,
        }
    }
}

fn routes(sandbox: Arc<Sandbox>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route(
            "/2018-06-01/runtime/invocation/{id}/response",
            post(response).layer(DefaultBodyLimit::max(OUTPUT_MAX_BYTES)),
        )
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2020-01-01/extension/register", post(register_extension))
        // An extension without events waits here until the sandbox stops.
        .route("/2020-01-01/extension/event/next", get(pending::<StatusCode>))
        .with_state(sandbox)
}

/// The start time of all traces, in X-Ray's format.
const TRACE_TIME: &str = "5759e988";

async fn next(State(sandbox): State<Arc<Sandbox>>) -> Response<Body> {
    sandbox.polls.send_modify(|polls| *polls += 1);
    let invocation = sandbox.events.lock().await.recv().await;
    let Invocation { number, id, event } = invocation.expect("the test keeps the sender while the sandbox serves");
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", id)
        // The year 2100.
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
        .expect("the headers are valid")
}

async fn response(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    sandbox.resolve(&id, Ok(parsed(&body)))
}

async fn error(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    sandbox.resolve(&id, Err(parsed(&body)))
}

async fn register_extension() -> Response<Body> {
    let function = json!({ "functionName": "test", "functionVersion": "$LATEST", "handler": "bootstrap" });
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-extension-identifier", "00000000-0000-4000-8000-00000000e000")
        .body(function.to_string().into())
        .expect("the headers are valid")
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("the function sends JSON")
}

async fn serve(listener: TcpListener, routes: Router) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("the listener accepts connections");
        let service = TowerToHyperService::new(routes.clone());
        // A process that exits does not close its connections cleanly, so errors are ignored.
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Reads the stream to its end, so that the function never blocks on a full pipe.
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
