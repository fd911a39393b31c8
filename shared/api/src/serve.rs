//! Running a function: under the Lambda Runtime API, or as a plain HTTP server; and what is done on a schedule, under the
//! Lambda Runtime API, or once.

mod event;
mod threads;

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Once};
use std::time::Duration;

use axum::Router as Axum;
use axum::http::Request;
use axum::response::Response;
use domain::Timestamp;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use lambda_http::lambda_runtime::{self, Diagnostic, LambdaEvent};
use lambda_http::{Adapter, RequestExt as _, service_fn};
use serde::de::IgnoredAny;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Handle, LocalOptions, LocalRuntime};
use tower::util::MapResultLayer;
use tower::{Service, ServiceExt as _};

use crate::app::{App, app};
use crate::client_address;
use crate::config::{Config, ConfigError, Mode, TokenUse};
use crate::job::{Failed, Job, Trigger, time_budget};
use crate::log::{LogSink, subscriber};
use crate::metrics;
use crate::observer::{MetricsSink, Observer, Reporting};
use crate::request_context::RequestContext;
use crate::request_id::RequestId;
use crate::router::Router;
use crate::state::AppState;
use crate::trace_id::TraceId;
use event::Event;
use threads::Threads;

/// How long requests in flight may take to finish once the server was asked to stop; a container engine waits for ten
/// seconds before it kills.
const GRACE: Duration = Duration::from_secs(8);

/// How long the Runtime API may take to register the extension.
#[cfg(feature = "fdb")]
const REGISTRATION_DEADLINE: Duration = Duration::from_secs(1);

/// How many connections may wait until they are accepted, as far as the system lets them (`net.core.somaxconn`). One more than that tries again after
/// a second, which is what a crowd that comes at once would notice.
const BACKLOG: u32 = 4096;

/// How long a connection may take to send the head of a request, the wait for its next one included.
const HEADER_DEADLINE: Duration = Duration::from_secs(30);

/// Serves `router` until it is told to stop. This is a function's whole `main`.
pub fn serve(router: Router) -> ExitCode {
    exit(|| run(router, None))
}

/// Like [`serve`], for a server that stands alone: it has all cores, beside answering requests it does `jobs`, every `SWEEP_SECONDS`, and it
/// tells its metrics on `METRICS_PORT`. Under Lambda, which freezes a process when it has answered, jobs are left to functions of their own,
/// and metrics to the log.
pub fn serve_with(router: Router, jobs: Vec<Job>) -> ExitCode {
    let standing = Standing {
        jobs,
        start_metrics: metrics::start,
        start_threads: Threads::start,
    };
    exit(|| run(router, Some(standing)))
}

/// What a server that stands alone has. It is handed in, so that a function's program is not linked with what it never uses.
struct Standing {
    jobs: Vec<Job>,
    /// Who takes the metrics, and who answers what they are.
    start_metrics: fn(Timestamp) -> (Arc<dyn MetricsSink>, Axum),
    start_threads: fn() -> io::Result<Threads>,
}

/// Does `job` at each invocation, whatever its event says, and answers its summary. Without the Runtime API it does it once, prints the
/// summary, and ends. This is the whole `main` of a function that a schedule invokes.
pub fn serve_schedule(job: &Job) -> ExitCode {
    exit(|| run_schedule(job))
}

fn exit(run: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    // Dropped last, when the runtime and with it every transaction is gone; if we panic, too.
    let _stopped = StopStore;
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

struct StopStore;

impl Drop for StopStore {
    fn drop(&mut self) {
        kv::shutdown();
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] kv::Error),
    #[error("cannot listen on {0} (set by HOST and {1}): {2}")]
    Listen(SocketAddr, &'static str, io::Error),
    #[error("METRICS_PORT is set, and a function that is served alone has no metrics: the gateway has")]
    NoMetrics,
    #[error("the runtime could not be started: {0}")]
    Runtime(#[from] io::Error),
    #[error("the Lambda runtime ended: {0}")]
    Lambda(lambda_http::Error),
    #[error(transparent)]
    Job(#[from] Failed),
    #[error("stopped before the job was done; its next run goes on from there")]
    Stopped,
}

fn run(router: Router, standing: Option<Standing>) -> Result<(), Failure> {
    let config = Config::from_env(router.token_use())?;
    let lines = LogSink::from_stream(config.logs.stream);
    subscriber::init(&config.logs, &lines);
    let state = AppState::open(&config)?;
    let env = state.env.clone();
    let (recorder, metrics) = match (config.metrics, &standing) {
        (None, _) => (None, None),
        (Some(_), None) => return Err(Failure::NoMetrics),
        (Some(address), Some(standing)) => {
            let (recorder, endpoint) = (standing.start_metrics)(env.clock.now());
            (Some(recorder), Some((address, endpoint)))
        }
    };
    let telling = match config.mode {
        Mode::Lambda => Reporting::Deferred,
        Mode::Server(_) => Reporting::Immediate,
    };
    let observer = Observer::new(&config.logs, lines, recorder, telling);
    let app = app(router, state, &config.origins, observer.clone());
    match config.mode {
        Mode::Lambda => {
            // A sandbox handles one request at a time: more threads would only take longer to start.
            let ended = one_thread(&mut Builder::new_current_thread())?.block_on(async {
                // From here on a signal is heard, whatever is still being waited for.
                let stop = stop_signal()?;
                tokio::select! {
                    ended = lambda(app, &env, observer.clone()) => ended,
                    () = stop => Ok(()),
                }
            });
            observer.flush();
            ended
        }
        Mode::Server(address) => {
            let (threads, jobs) = match standing {
                Some(standing) => (Some((standing.start_threads)()?), standing.jobs),
                None => (None, Vec::new()),
            };
            let mut builder = Builder::new_current_thread();
            one_thread(blocking_as_cores(builder.thread_name("hash")))?.block_on(async {
                let stop = stop_signal()?;
                if threads.is_some() {
                    env.hasher.hash_on(Handle::current());
                }
                tokio::spawn(async move {
                    connect(&env).await;
                    let Some(interval) = config.sweep_interval else { return };
                    for job in jobs {
                        tokio::spawn(job.repeat(env.clone(), interval, observer.clone()));
                    }
                });
                server(app, address, config.trusted_proxies, threads, metrics, stop).await
            })
        }
    }
}

/// A runtime of which no part can have several threads, so that what those take is not linked.
fn one_thread(builder: &mut Builder) -> io::Result<LocalRuntime> {
    builder.enable_all().build_local(LocalOptions::default())
}

/// Only hashing blocks, on as many threads as there are cores. Of more threads each would come to keep the 19 MiB that it has hashed in.
fn blocking_as_cores(builder: &mut Builder) -> &mut Builder {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    builder.max_blocking_threads(cores).enable_all()
}

/// Asks the store for something, so that it is connected to before the first request comes. Under Lambda that is in the
/// init phase, in which nobody waits for an answer yet and the sandbox is not frozen. A store that does not
/// answer is no reason not to start: requests are answered 503 until it does.
async fn connect(env: &domain::Env) {
    if let Err(error) = domain::ready::check(env).await {
        tracing::warn!(cause = %error, "the store does not answer yet");
    }
}

fn run_schedule(job: &Job) -> Result<(), Failure> {
    let config = Config::from_env(TokenUse::Ignores)?;
    let lines = LogSink::from_stream(config.logs.stream);
    subscriber::init(&config.logs, &lines);
    let observer = Observer::new(&config.logs, lines, None, Reporting::Immediate);
    let env = AppState::open(&config)?.env.clone();
    one_thread(&mut Builder::new_current_thread())?.block_on(async {
        let stop = stop_signal()?;
        match config.mode {
            Mode::Lambda => tokio::select! {
                ended = lambda_schedule(job, &env, &observer) => ended,
                () = stop => Ok(()),
            },
            Mode::Server(_) => {
                let summary = tokio::select! {
                    outcome = job.run(env, Duration::MAX, Trigger::Manual, &observer) => outcome?,
                    () = stop => return Err(Failure::Stopped),
                };
                let _ = writeln!(io::stdout(), "{summary}");
                Ok(())
            }
        }
    })
}

async fn lambda_schedule(job: &Job, env: &domain::Env, observer: &Observer) -> Result<(), Failure> {
    let service = service_fn(|event: LambdaEvent<IgnoredAny>| async move {
        let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
        let within = time_budget(Timestamp::from_millis(deadline), env.clock.now());
        let trace = event.context.xray_trace_id.as_deref().and_then(TraceId::from_xray);
        let asked = Trigger::Invocation(&event.context.request_id, trace);
        let outcome = job.run(env.clone(), within, asked, observer);
        outcome.await.map_err(|failed| Diagnostic {
            error_type: "JobFailed".to_owned(),
            error_message: failed.to_string(),
        })
    });
    get_ready(env).await;
    lambda_runtime::run(service).await.map_err(Failure::Lambda)
}

/// What is done in the init phase.
async fn get_ready(env: &domain::Env) {
    #[cfg(feature = "fdb")]
    tokio::join!(connect(env), register_for_shutdown());
    #[cfg(not(feature = "fdb"))]
    connect(env).await;
}

async fn lambda(app: App, env: &domain::Env, observer: Observer) -> Result<(), Failure> {
    let service = app.map_request(|mut request: lambda_http::Request| {
        let mut context = RequestContext::default().with_client_address(event::vouched(&request));
        if let Some(lambda) = request.lambda_context_ref() {
            context = context.with_request_id(RequestId::new(&lambda.request_id));
        }
        request.extensions_mut().insert(context);
        event::without_mapping(&mut request);
        request
    });
    // What `lambda_http::run` does, with the events read and mended by us before it sees them, and without its spans, which are on no line of ours.
    let service = Adapter::from(service).map_request(|event: LambdaEvent<Event>| {
        let LambdaEvent { payload, context, .. } = event;
        LambdaEvent::new(payload.mended(), context)
    });
    get_ready(env).await;
    // When the answer has been taken, and before the next event is asked for: Lambda may freeze the process then.
    let tell = MapResultLayer::new(move |answered: Result<(), lambda_http::Error>| {
        observer.flush();
        answered
    });
    let runtime = lambda_runtime::Runtime::new(service).layer(tell);
    runtime.run().await.map_err(Failure::Lambda)
}

/// Lambda sends a sandbox that ends a SIGTERM only if an extension is registered in it. The engine that has to be stopped
/// wants to be told; this extension does nothing else.
#[cfg(feature = "fdb")]
async fn register_for_shutdown() {
    let extension = lambda_extension::Extension::new()
        .with_events(&[])
        .with_extension_name("shutdown");
    let untold = |cause: &dyn std::fmt::Display| tracing::warn!(%cause, "this sandbox will not be told when it ends");
    match tokio::time::timeout(REGISTRATION_DEADLINE, extension.register()).await {
        Ok(Ok(extension)) => {
            tokio::spawn(async move {
                if let Err(error) = extension.run().await {
                    tracing::warn!(cause = %error, "this sandbox will not be told when it ends");
                }
            });
        }
        Ok(Err(error)) => untold(&error),
        Err(elapsed) => untold(&elapsed),
    }
}

async fn server(
    app: App,
    address: SocketAddr,
    trusted_proxies: usize,
    threads: Option<Threads>,
    metrics: Option<(SocketAddr, Axum)>,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let listener = listen(address, "PORT")?;
    let metrics = match metrics {
        Some((address, endpoint)) => Some((listen(address, "METRICS_PORT")?, endpoint)),
        None => None,
    };
    // Whoever started us may have stopped listening to what we say; that is no reason to end.
    let _ = writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?);
    if let Some((listener, endpoint)) = metrics {
        let address = listener.local_addr()?;
        let _ = writeln!(io::stdout(), "metrics on http://{address}{}", metrics::PATH);
        // It ends with the process: while requests in flight are finished, they can be watched.
        tokio::spawn(async move { accept(&listener, None, &GracefulShutdown::new(), |_| endpoint.clone()).await });
    }

    let connections = GracefulShutdown::new();
    let service = |peer: SocketAddr| {
        app.clone().map_request(move |mut request: Request<Incoming>| {
            if trusted_proxies == 0 && client_address::is_forwarded(request.headers()) {
                warn_of_proxies();
            }
            let client = client_address::behind_proxies(trusted_proxies, request.headers(), peer.ip());
            let context = RequestContext::from_client(client).yielding_before_response();
            request.extensions_mut().insert(context);
            request
        })
    };
    tokio::select! {
        never = accept(&listener, threads.as_ref(), &connections, service) => match never {},
        () = stop => {}
    }
    drop(listener);
    tracing::info!("stopping: finishing the requests in flight");
    if tokio::time::timeout(GRACE, connections.shutdown()).await.is_err() {
        let seconds = GRACE.as_secs();
        tracing::warn!("requests were still in flight {seconds} s after the signal; stopping without them");
    }
    Ok(())
}

fn listen(address: SocketAddr, variable: &'static str) -> Result<TcpListener, Failure> {
    let listening = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // As tokio does it: a server that is started again need not wait for the connections of the one before.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listening().map_err(|error| Failure::Listen(address, variable, error))
}

/// Serves whoever connects, each with what `service` makes for them: on one of `threads`, or here.
async fn accept<S>(
    listener: &TcpListener,
    threads: Option<&Threads>,
    connections: &GracefulShutdown,
    service: impl Fn(SocketAddr) -> S,
) -> Infallible
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // It only makes small answers leave sooner.
                let _ = stream.set_nodelay(true);
                let (service, connections) = (service(peer), connections.watcher());
                match threads {
                    None => {
                        tokio::spawn(serve_connection(stream, service, connections));
                    }
                    Some(threads) => match stream.into_std() {
                        Ok(stream) => threads.spawn(async move {
                            match TcpStream::from_std(stream) {
                                Ok(stream) => serve_connection(stream, service, connections).await,
                                Err(error) => unserved(&error),
                            }
                        }),
                        Err(error) => unserved(&error),
                    },
                }
            }
            Err(error) => {
                // Out of file descriptors, most likely: others have to close before the next can come.
                tracing::warn!(cause = %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve_connection<S>(stream: TcpStream, service: S, connections: Watcher)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_DEADLINE);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = connections.watch(connection).await {
        tracing::debug!(cause = %error, "a connection ended early");
    }
}

fn unserved(error: &io::Error) {
    tracing::warn!(cause = %error, "a connection could not be served");
}

/// Says, once, that there may be a proxy that nobody has told us of. Behind one, all clients share its address, and so its throttle.
fn warn_of_proxies() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            "a request has X-Forwarded-For, and TRUSTED_PROXIES is 0: if it came through a proxy of yours, set TRUSTED_PROXIES, or all \
             clients have the proxy's address"
        );
    });
}

/// Hears SIGTERM and SIGINT from now on; what it returns resolves at the first of them.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
