//! The programs: a function under the Lambda Runtime API or as an HTTP server, and a job under the Runtime API or once.

mod admission;
mod connection;
mod descriptors;
mod event;
mod failure;
mod host;
mod lambda;
mod limits;
mod networks;
mod runtime;
mod server;
mod threads;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router as Axum;
use domain::Timestamp;
use tokio::runtime::{Builder, Handle};

use crate::app::app;
use crate::config::{Config, Mode, TokenUse};
use crate::job::{Job, Trigger};
use crate::log::{LogSink, subscriber};
use crate::metrics;
use crate::observer::{MetricsSink, Observer, Reporting};
use crate::router::Router;
use crate::spans::StartTracer;
use crate::state::AppState;
use admission::Admission;
use failure::Failure;
use limits::Limits;
use networks::RequestLimit;
use runtime::{connect, with_hashing_threads};
use server::Server;
use threads::Threads;

pub(crate) use networks::InProgress;
pub(crate) use runtime::{StopStore, build_local, stop_signal};

/// The limit for sending the last spans after the requests in flight have finished: a container engine kills the
/// process ten seconds after the stop signal, and the requests may take eight of them.
const LAST_SPANS: Duration = Duration::from_millis(1500);

/// Serves a function until the process is stopped. This is the whole `main` of a function.
pub fn serve(router: Router) -> ExitCode {
    exit(|| run(router, None))
}

/// Serves all functions as one server, which uses all cores, runs `jobs` every `SWEEP_SECONDS`, serves its metrics on
/// `METRICS_HOST` and `METRICS_PORT`, and traces its requests with `start_tracer` if `OTEL_…` says so.
///
/// Under Lambda, which freezes a process after its response, separate functions run the jobs, the log carries the
/// metrics, and nothing is traced.
pub fn serve_with(router: fn() -> Router, jobs: Vec<Job>, start_tracer: StartTracer) -> ExitCode {
    let parts = ServerParts {
        router,
        jobs,
        start_tracer,
        start_metrics: metrics::start,
        start_threads: Threads::start,
    };
    exit(|| run(router(), Some(parts)))
}

/// The parts of a server that a single function lacks. They are passed in as function pointers, so that the linker
/// removes them from a function's program.
struct ServerParts {
    /// Makes the routes of a thread.
    router: fn() -> Router,
    jobs: Vec<Job>,
    start_tracer: StartTracer,
    /// Starts the metrics; returns their sink and their endpoint.
    start_metrics: fn(Timestamp) -> (Arc<dyn MetricsSink>, Axum),
    start_threads: fn() -> io::Result<Threads>,
}

/// Runs `job` at every invocation, ignores the event, and responds with the job's summary. Without the Runtime API
/// it runs the job once and prints the summary. This is the whole `main` of a function that a schedule invokes.
pub fn serve_schedule(job: &Job) -> ExitCode {
    exit(|| run_schedule(job))
}

fn exit(run: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    // Dropped last, after the runtime and all transactions, also when the program panics.
    let _stop_store = StopStore;
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(router: Router, parts: Option<ServerParts>) -> Result<(), Failure> {
    let config = Config::from_env(router.token_use())?;
    let sink = LogSink::from_stream(config.logs.stream);
    subscriber::init(&config.logs, &sink);
    let objects = config.open_objects(router.open_objects())?;
    let state = AppState::open(&config, objects)?;
    state.env.readiness.require_check();
    let env = state.env.clone();
    let (metrics_sink, metrics) = match (config.metrics, &parts) {
        (None, _) => (None, None),
        (Some(_), None) => return Err(Failure::NoMetrics),
        (Some(address), Some(parts)) => {
            let (sink, endpoint) = (parts.start_metrics)(env.clock.now());
            (Some(sink), Some((address, endpoint)))
        }
    };
    let reporting = match config.mode {
        Mode::Lambda => Reporting::Deferred,
        Mode::Server(_) => Reporting::Immediate,
    };
    let tracer = match (&config.traces, &parts) {
        (Some(traces), Some(parts)) => Some((parts.start_tracer)(traces).map_err(Failure::Tracer)?),
        _ => None,
    };
    let observer = Observer::new(&config.logs, sink, metrics_sink, tracer.clone(), reporting);
    let first_app = app(router, state.clone(), &config.origins, observer.clone());
    match config.mode {
        Mode::Lambda => {
            // A sandbox handles one request at a time, so that more threads would only delay its start.
            let outcome = build_local(&mut Builder::new_current_thread())?.block_on(async {
                // First, so that a signal stops the program also while it connects to the store.
                let stop = stop_signal()?;
                tokio::select! {
                    outcome = lambda::serve_requests(first_app, &env, observer.clone()) => outcome,
                    () = stop => Ok(()),
                }
            });
            observer.flush();
            outcome
        }
        Mode::Server(address) => {
            let mut apps = vec![first_app];
            let (threads, jobs) = match parts {
                Some(parts) => {
                    let threads = (parts.start_threads)()?;
                    for _ in 1..threads.len() {
                        let (state, observer) = (state.for_thread(), observer.for_thread());
                        apps.push(app((parts.router)(), state, &config.origins, observer));
                    }
                    (Some(threads), parts.jobs)
                }
                None => (None, Vec::new()),
            };
            let jobs = jobs.iter().filter_map(|job| job.prepare(&config).transpose());
            let jobs: Vec<_> = jobs.collect::<Result<_, _>>()?;
            let outcome = build_local(&mut with_hashing_threads())?.block_on(async {
                let stop = stop_signal()?;
                let server_observer = observer.clone();
                let imported = env.clone();
                if threads.is_some() {
                    env.hasher.hash_on(Handle::current());
                }
                tokio::spawn(async move {
                    connect(&env).await;
                    for job in jobs {
                        tokio::spawn(job.repeat(env.clone(), config.sweep_interval, observer.clone()));
                    }
                });
                let limits = descriptors::limits(config.connections, config.trusted_proxies);
                let requests =
                    descriptors::requests_per_client(config.connections, limits.total, config.trusted_proxies);
                let server = Server {
                    apps,
                    address,
                    trusted_proxies: config.trusted_proxies,
                    limits: Limits::new(config.timeouts),
                    admission: Admission::new(limits),
                    requests: RequestLimit::new(requests),
                    observer: server_observer,
                    threads,
                    metrics,
                };
                tokio::select! {
                    outcome = server.run(stop) => outcome,
                    () = unfinished_import(&imported) => Err(Failure::UnfinishedImport),
                }
            });
            if let Some(tracer) = tracer {
                tracer.shut_down(LAST_SPANS);
            }
            outcome
        }
    }
}

/// Ends if the store contains only a part of a dump. What a server wrote to it would be lost with the import.
async fn unfinished_import(env: &domain::Env) {
    // If the store does not respond, the readiness check says so, and repeats this check.
    if !matches!(domain::dump::has_unfinished_import(env).await, Ok(true)) {
        std::future::pending::<()>().await;
    }
}

fn run_schedule(job: &Job) -> Result<(), Failure> {
    let config = Config::from_env(TokenUse::Ignores)?;
    let sink = LogSink::from_stream(config.logs.stream);
    subscriber::init(&config.logs, &sink);
    let observer = Observer::new(&config.logs, sink, None, None, Reporting::Immediate);
    let objects = config.open_objects(job.open_objects())?;
    let job = &match (job.prepare(&config)?, config.mode) {
        (Some(job), _) => job,
        // The schedule exists whatever the configuration says.
        (None, Mode::Lambda) => job.idle(),
        (None, Mode::Server(_)) => return Err(Failure::NothingToDo(job.name())),
    };
    let env = AppState::open(&config, objects)?.env.clone();
    build_local(&mut Builder::new_current_thread())?.block_on(async {
        let stop = stop_signal()?;
        match config.mode {
            Mode::Lambda => tokio::select! {
                outcome = lambda::serve_job(job, &env, &observer) => outcome,
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
