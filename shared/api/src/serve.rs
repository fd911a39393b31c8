//! Running a function: under the Lambda Runtime API, or as a plain HTTP server; and what is done on a schedule, under the
//! Lambda Runtime API, or once.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Once};
use std::time::Duration;

use axum::Router as Axum;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderName, Request, Uri, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use lambda_http::lambda_runtime::{self, Diagnostic, LambdaEvent};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Adapter, RequestExt as _, service_fn};
use serde::de::IgnoredAny;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tower::{Service, ServiceExt as _};

use crate::config::{Config, ConfigError, Mode, TokenUse};
use crate::edge::RequestId;
use crate::job::{Asked, Failed, Job, allowance};
use crate::line::Lines;
use crate::observer::{Observer, Recorder};
use crate::router::{PREFIXES, Router};
use crate::sender::SourceAddress;
use crate::state::AppState;
use crate::trace_id::TraceId;
use crate::{app, metrics, trace};

/// How long requests in flight may take to finish once the server was asked to stop; a container engine waits for ten
/// seconds before it kills.
const GRACE: Duration = Duration::from_secs(8);

/// How long the Runtime API may take to register the extension.
#[cfg(feature = "fdb")]
const REGISTRATION_DEADLINE: Duration = Duration::from_secs(1);

/// How long a connection may take to send the head of a request, the wait for its next one included.
const HEADER_DEADLINE: Duration = Duration::from_secs(30);

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Serves `router` until it is told to stop. This is a function's whole `main`.
pub fn serve(router: Router) -> ExitCode {
    exit(|| run(router, Vec::new(), None))
}

/// Like [`serve`], for a server that stands alone: beside answering requests it does `jobs`, every `SWEEP_SECONDS`, and tells its metrics on
/// `METRICS_PORT`. Under Lambda, which freezes a process when it has answered, jobs are left to functions of their own, and metrics to
/// the log.
pub fn serve_with(router: Router, jobs: Vec<Job>) -> ExitCode {
    exit(|| run(router, jobs, Some(metrics::start)))
}

/// What starts a server's metrics: who takes them, and who answers what they are. It is handed in, so that a function's program is not
/// linked with what it never uses.
type StartMetrics = fn(Timestamp) -> (Arc<dyn Recorder>, Axum);

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
    Listen(SocketAddr, &'static str, std::io::Error),
    #[error("METRICS_PORT is set, and a function that is served alone has no metrics: the gateway has")]
    NoMetrics,
    #[error("the runtime could not be started: {0}")]
    Runtime(#[from] std::io::Error),
    #[error("the Lambda runtime ended: {0}")]
    Lambda(lambda_http::Error),
    #[error(transparent)]
    Job(#[from] Failed),
    #[error("stopped before the job was done; its next run goes on from there")]
    Stopped,
}

fn run(router: Router, jobs: Vec<Job>, start_metrics: Option<StartMetrics>) -> Result<(), Failure> {
    let config = Config::from_env(router.token_use())?;
    let lines = Lines::on(config.logs.stream);
    trace::init(&config.logs, &lines);
    let state = AppState::open(&config)?;
    let env = state.env.clone();
    let (recorder, metrics) = match (config.metrics, start_metrics) {
        (None, _) => (None, None),
        (Some(_), None) => return Err(Failure::NoMetrics),
        (Some(address), Some(start)) => {
            let (recorder, endpoint) = start(env.clock.now());
            (Some(recorder), Some((address, endpoint)))
        }
    };
    let observer = Observer::new(&config.logs, lines, recorder);
    let app = app(router, state, &config.origins, observer.clone());
    match config.mode {
        Mode::Lambda => {
            // A sandbox handles one request at a time: more threads would only take longer to start.
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                // From here on a signal is heard, whatever is still being waited for.
                let stop = stop_signal()?;
                tokio::select! {
                    ended = lambda(app, &env) => ended,
                    () = stop => Ok(()),
                }
            })
        }
        Mode::Server(address) => {
            // Only hashing blocks, on as many threads as there are cores. Of more threads each would come to keep the 19 MiB that it has
            // hashed in.
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let runtime = Builder::new_multi_thread()
                .max_blocking_threads(cores)
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let stop = stop_signal()?;
                tokio::spawn(async move {
                    connect(&env).await;
                    let Some(interval) = config.sweep_interval else { return };
                    for job in jobs {
                        tokio::spawn(job.repeat(env.clone(), interval, observer.clone()));
                    }
                });
                server(app, address, config.trusted_proxies, metrics, stop).await
            })
        }
    }
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
    let lines = Lines::on(config.logs.stream);
    trace::init(&config.logs, &lines);
    let observer = Observer::new(&config.logs, lines, None);
    let env = AppState::open(&config)?.env;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        match config.mode {
            Mode::Lambda => tokio::select! {
                ended = lambda_schedule(job, &env, &observer) => ended,
                () = stop => Ok(()),
            },
            Mode::Server(_) => {
                let summary = tokio::select! {
                    outcome = job.run(env, Duration::MAX, Asked::Once, &observer) => outcome?,
                    () = stop => return Err(Failure::Stopped),
                };
                let _ = writeln!(std::io::stdout(), "{summary}");
                Ok(())
            }
        }
    })
}

async fn lambda_schedule(job: &Job, env: &domain::Env, observer: &Observer) -> Result<(), Failure> {
    let service = service_fn(|event: LambdaEvent<IgnoredAny>| async move {
        let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
        let within = allowance(Timestamp::from_millis(deadline), env.clock.now());
        let trace = event.context.xray_trace_id.as_deref().and_then(TraceId::from_xray);
        let asked = Asked::By(&event.context.request_id, trace);
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

async fn lambda(app: Axum, env: &domain::Env) -> Result<(), Failure> {
    let service = app.map_request(|mut request: lambda_http::Request| {
        if let Some(id) = request
            .lambda_context_ref()
            .map(|context| RequestId(context.request_id.clone()))
        {
            request.extensions_mut().insert(id);
        }
        if let Some(source) = vouched(&request) {
            request.extensions_mut().insert(source);
        }
        without_mapping(&mut request);
        request
    });
    // What `lambda_http::run` does, with the events mended before it sees them.
    let service = Adapter::from(service).map_request(|mut event: LambdaEvent<LambdaRequest>| {
        mend(&mut event.payload);
        event
    });
    get_ready(env).await;
    lambda_runtime::run(service).await.map_err(Failure::Lambda)
}

/// Mends what a client can put into an event and `lambda_http` would panic on, which the client would be answered as a failure of ours.
fn mend(event: &mut LambdaRequest) {
    let (headers, body, is_base64) = match event {
        LambdaRequest::ApiGatewayV1(event) => (&mut event.headers, &mut event.body, event.is_base64_encoded),
        LambdaRequest::ApiGatewayV2(event) => {
            // The others' queries are parsed, and written anew.
            event.raw_query_string = event.raw_query_string.take().map(escaped);
            (&mut event.headers, &mut event.body, event.is_base64_encoded)
        }
        LambdaRequest::Alb(event) => (&mut event.headers, &mut event.body, event.is_base64_encoded),
        _ => return,
    };
    // An address is made of them, of which we read the path alone.
    headers.remove(header::HOST);
    headers.remove(X_FORWARDED_PROTO);
    if is_base64 && body.as_ref().is_some_and(|body| STANDARD.decode(body).is_err()) {
        // A byte that is in no text, so that whoever reads it refuses it as malformed.
        *body = Some(STANDARD.encode([0xff]));
    }
}

/// A query with whatever must not stand in one (RFC 3986) percent-encoded.
fn escaped(query: String) -> String {
    let stands = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte);
    if query.bytes().all(stands) {
        return query;
    }
    let mut escaped = String::with_capacity(query.len() + 8);
    for byte in query.bytes() {
        if stands(byte) {
            escaped.push(byte.into());
        } else {
            // Writing to a text does not fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// The address that whoever made the event has seen, if it says so.
fn vouched(request: &lambda_http::Request) -> Option<SourceAddress> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV1(context) => SourceAddress::parse(context.identity.source_ip.as_deref()?),
        // A function URL's event has this form too.
        RequestContext::ApiGatewayV2(context) => SourceAddress::parse(context.http.source_ip.as_deref()?),
        // Its context has no address. As long as its attribute `routing.http.xff_header_processing.mode` is left at `append`, what it
        // saw stands at the end of the header.
        RequestContext::Alb(_) => SourceAddress::appended(request.headers()),
        _ => None,
    }
}

/// Takes off what an API's address has in front of our paths: the stage, which an HTTP API leaves there and `lambda_http` puts there for a
/// REST API, and the base path by which a domain maps to the API.
fn without_mapping(request: &mut lambda_http::Request) {
    let (stage, route) = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => (&context.stage, context.resource_path.as_deref()),
        Some(RequestContext::ApiGatewayV2(context)) => {
            let key = context.route_key.as_deref();
            (
                &context.stage,
                key.and_then(|key| key.split_once(' ')).map(|(_, route)| route),
            )
        }
        _ => return,
    };
    let path = request.uri().path();
    // The gateway's own route, with its parameters filled in, is exact where there is one; the base path is what it does not account for.
    let matched = route.zip(request.path_parameters_ref()).map(|(route, parameters)| {
        parameters.iter().fold(route.to_owned(), |route, (name, value)| {
            let greedy = format!("{{{name}+}}");
            route.replace(&format!("{{{name}}}"), value).replace(&greedy, value)
        })
    });
    let own = match matched.filter(|matched| path.ends_with(matched.as_str())) {
        Some(matched) => &path[path.len() - matched.len()..],
        None => below_stage(path, stage.as_deref(), request.raw_http_path()),
    };
    let with_query = request.uri().path_and_query().map_or(path, PathAndQuery::as_str);
    if let Ok(uri) = Uri::try_from(&with_query[path.len() - own.len()..]) {
        *request.uri_mut() = uri;
    }
}

/// The part of a path below a stage, if that is what it begins with: a stage may be called like the first part of our paths.
fn below_stage<'a>(path: &'a str, stage: Option<&str>, raw: &str) -> &'a str {
    let Some(stage) = stage.filter(|stage| *stage != "$default") else {
        return path;
    };
    let below = |path: &'a str| {
        path.strip_prefix('/')?
            .strip_prefix(stage)
            .filter(|rest| rest.starts_with('/'))
    };
    match below(path) {
        Some(rest) if is_ours(rest) || !raw.starts_with(&format!("/{stage}/")) => rest,
        _ => path,
    }
}

fn is_ours(path: &str) -> bool {
    let below = |prefix| path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    PREFIXES.into_iter().any(below)
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
    app: Axum,
    address: SocketAddr,
    trusted_proxies: usize,
    metrics: Option<(SocketAddr, Axum)>,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let listener = listen(address, "PORT").await?;
    let metrics = match metrics {
        Some((address, endpoint)) => Some((listen(address, "METRICS_PORT").await?, endpoint)),
        None => None,
    };
    // Whoever started us may have stopped listening to what we say; that is no reason to end.
    let _ = writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?);
    if let Some((listener, endpoint)) = metrics {
        let address = listener.local_addr()?;
        let _ = writeln!(std::io::stdout(), "metrics on http://{address}{}", metrics::PATH);
        // It ends with the process: while requests in flight are finished, they can be watched.
        tokio::spawn(async move { accept(&listener, &GracefulShutdown::new(), |_| endpoint.clone()).await });
    }

    let connections = GracefulShutdown::new();
    let service = |peer: SocketAddr| {
        app.clone().map_request(move |mut request: Request<Incoming>| {
            if trusted_proxies == 0 && SourceAddress::is_forwarded(request.headers()) {
                warn_of_proxies();
            }
            let source = SourceAddress::behind(trusted_proxies, request.headers(), peer.ip());
            request.extensions_mut().insert(source);
            request
        })
    };
    tokio::select! {
        never = accept(&listener, &connections, service) => match never {},
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

async fn listen(address: SocketAddr, variable: &'static str) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| Failure::Listen(address, variable, error))
}

/// Serves whoever connects, each with what `service` makes for them.
async fn accept<S>(
    listener: &TcpListener,
    connections: &GracefulShutdown,
    service: impl Fn(SocketAddr) -> S,
) -> Infallible
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_DEADLINE);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // It only makes small answers leave sooner.
                let _ = stream.set_nodelay(true);
                let service = TowerToHyperService::new(service(peer));
                let connection = http.serve_connection(TokioIo::new(stream), service);
                let connection = connections.watch(connection);
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(cause = %error, "a connection ended early");
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: others have to close before the next can come.
                tracing::warn!(cause = %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
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
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
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

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// What a client has sent, as each front door tells it.
    fn events(texts: [&str; 4], is_base64: bool) -> [Value; 4] {
        let [host, path, query, body] = texts;
        let headers = json!({ "host": host, "x-forwarded-proto": host });
        let parameters = json!({ query: query });
        let gateway = json!({ "stage": "prod", "domainName": "api.example.com", "http": { "method": "POST" } });
        let first = json!({
            "httpMethod": "POST", "path": path, "headers": headers, "queryStringParameters": parameters,
            "body": body, "isBase64Encoded": is_base64,
        });
        let with = |context: Value| {
            let mut event = first.clone();
            event["requestContext"] = context;
            event
        };
        let mut multiple = with(json!({ "elb": {} }));
        multiple["multiValueHeaders"] = json!({ "host": [host], "x-forwarded-proto": [host, host] });
        multiple["multiValueQueryStringParameters"] = json!({ query: [query, query] });
        [
            with(json!({ "stage": "prod", "domainName": "api.example.com", "httpMethod": "POST" })),
            with(json!({ "elb": {} })),
            multiple,
            json!({
                "version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers, "requestContext": gateway,
                "body": body, "isBase64Encoded": is_base64,
            }),
        ]
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_becomes_a_request(
            host in "[ -~é]{0,20}", path in "/[ -~é日]{0,40}", query in "[ -~é日]{0,40}", body in "[ -~é]{0,40}", is_base64: bool,
        ) {
            for event in events([&host, &path, &query, &body], is_base64) {
                let mut event: LambdaRequest = serde_json::from_value(event).unwrap();
                mend(&mut event);
                let mut request = Request::<Body>::from(event);
                without_mapping(&mut request);
                prop_assert!(request.uri().path().starts_with('/'));
                let is_text = STANDARD.decode(&body).is_ok_and(|bytes| bytes == **request.body());
                prop_assert!(!is_base64 || is_text || **request.body() == [0xff]);
            }
        }

        #[test]
        fn a_query_is_escaped_without_a_change_to_what_it_means(query in "[ -~é日]{0,40}") {
            let read = |query: &str| serde_urlencoded::from_str::<Vec<(String, String)>>(query);
            let once = escaped(query.clone());
            prop_assert_eq!(read(&once), read(&query));
            prop_assert_eq!(escaped(once.clone()), once);
        }
    }
}
