//! Serving requests over HTTP.

use std::convert::Infallible;
use std::error::Error as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

use axum::Router as Axum;
use axum::http::Request;
use axum::response::Response;
use futures_util::future::join_all;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;
use tower::{Service, ServiceExt as _};

use super::admission::{Admission, Admitted, ConnectionLimits, Place};
use super::connection::{RequestBody, Socket, Unread};
use super::failure::Failure;
use super::host;
use super::limits::Limits;
use super::networks::RequestLimit;
use super::threads::Threads;
use crate::app::App;
use crate::client_address;
use crate::error::Code;
use crate::metrics;
use crate::observer::{Observer, Reached};
use crate::release::{COMMIT, VERSION};
use crate::request_context::{RequestContext, ServerRequest};
use crate::router::PREFIXES;

/// The limit for finishing the requests in flight after the stop signal. A container engine kills the process after ten
/// seconds.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(8);

/// The number of connections that may wait to be accepted, if the system allows that many (`net.core.somaxconn`). A
/// client whose connection exceeds it tries again after one second, which users would notice when many clients connect
/// at the same time.
const BACKLOG: u32 = 4096;

/// The size of the socket's buffers in bytes. Without a size the system lets them grow to several MiB, which a client
/// that does not read would fill. It bounds the speed of one connection: 2.5 MiB/s at a round trip of 100 ms.
const SOCKET_BUFFER: u32 = 256 * 1024;

/// The largest head of a request, and the largest part of a request or response that is buffered, in bytes. hyper
/// serves the requests of a connection one after the other, and parses the next one when the response is written: so
/// pipelined requests wait in a buffer of this size, and beyond it at the client.
const BUFFER: usize = 32 * 1024;

/// How often other tasks and the sockets get a turn after a connection came into the reserve: its request is usually
/// there already, and is served before another connection can take its place.
const RESERVE_TURNS: usize = 3;

/// The connections of the metrics endpoint.
const METRICS_CONNECTIONS: ConnectionLimits = ConnectionLimits {
    total: 16,
    per_peer: 16,
    reserve: 0,
};

/// The pause after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The shortest time between two log lines about connections that could not be accepted.
const ACCEPT_LOG_PAUSE: Duration = Duration::from_secs(1);

/// A server: the application, and what it listens on.
pub(super) struct Server {
    /// The application of each thread, or one for the current thread. Each has reference counts of its own: the
    /// threads would otherwise pass the cache lines of these counts back and forth, several times for every request.
    pub(super) apps: Vec<App>,
    pub(super) address: SocketAddr,
    pub(super) trusted_proxies: usize,
    pub(super) limits: Limits,
    pub(super) admission: Arc<Admission>,
    /// Limits the requests in progress of each client.
    pub(super) requests: RequestLimit,
    /// Counts the connections that reach a limit.
    pub(super) observer: Observer,
    /// The threads that serve connections; `None` if the current thread does.
    pub(super) threads: Option<Threads>,
    /// The address of the metrics and their endpoint.
    pub(super) metrics: Option<(SocketAddr, Axum)>,
}

impl Server {
    /// Serves until `stop` resolves, then finishes the requests in flight.
    pub(super) async fn run(self, stop: impl Future<Output = ()>) -> Result<(), Failure> {
        let listener = listen(self.address, "PORT")?;
        self.serve(listener, stop).await
    }

    /// Serves the connections of this listener.
    async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) -> Result<(), Failure> {
        let Self {
            apps,
            address: _,
            trusted_proxies,
            limits,
            admission,
            requests,
            observer,
            threads,
            metrics,
        } = self;
        let metrics = match metrics {
            Some((address, endpoint)) => Some((listen(address, "METRICS_PORT")?, endpoint)),
            None => None,
        };
        // The process that started this one may have closed the stream; that is no reason to stop.
        let _ = writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?);
        // Not under Lambda, where it would be one more line for each cold start.
        tracing::info!(version = VERSION, commit = COMMIT, "started");
        if let Some((listener, endpoint)) = metrics {
            let address = listener.local_addr()?;
            let _ = writeln!(io::stdout(), "metrics on http://{address}{}", metrics::PATH);
            let acceptor = Acceptor {
                listener,
                admission: Admission::new(METRICS_CONNECTIONS),
                limits,
                observer: observer.clone(),
                threads: None,
            };
            // Runs until the process ends, so that an operator can watch the requests in flight finish.
            tokio::spawn(async move {
                acceptor
                    .run(&[GracefulShutdown::new()], |_, _, _| endpoint.clone())
                    .await
            });
        }

        // One for each thread, because a connection takes a lock of it whenever it is polled.
        let connections: Vec<_> = apps.iter().map(|_| GracefulShutdown::new()).collect();
        let service = |thread: usize, peer: SocketAddr, limits: Limits| {
            let requests = requests.clone();
            apps[thread]
                .clone()
                .map_request(move |mut request: Request<RequestBody>| {
                    let context = request_context(&request, trusted_proxies, &requests, peer, limits);
                    request.extensions_mut().insert(context);
                    request
                })
        };
        let acceptor = Acceptor {
            listener,
            admission,
            limits,
            observer,
            threads,
        };
        tokio::select! {
            never = acceptor.run(&connections, service) => match never {},
            () = stop => {}
        }
        // The threads must go on to serve.
        let Acceptor { listener, threads, .. } = acceptor;
        drop(listener);
        tracing::info!("stopping: finishing the requests in flight");
        let finished = join_all(connections.into_iter().map(GracefulShutdown::shutdown));
        if tokio::time::timeout(SHUTDOWN_GRACE, finished).await.is_err() {
            let seconds = SHUTDOWN_GRACE.as_secs();
            tracing::warn!("stopping without the requests that are still in flight {seconds} s after the signal");
        }
        drop(threads);
        Ok(())
    }
}

fn request_context(
    request: &Request<RequestBody>,
    trusted_proxies: usize,
    requests: &RequestLimit,
    peer: SocketAddr,
    limits: Limits,
) -> RequestContext {
    if trusted_proxies == 0 && client_address::is_forwarded(request.headers()) {
        warn_of_proxies();
    }
    let client = client_address::behind_proxies(trusted_proxies, request.headers(), peer.ip());
    let in_progress = requests.start(client);
    let rejection = if !host::is_valid(request.version(), request.headers()) {
        Some(Code::MalformedRequest)
    } else if (!limits.keep_alive || in_progress.is_none()) && !is_health(request.uri().path()) {
        Some(Code::TooManyConnections)
    } else {
        None
    };
    let is_https = trusted_proxies > 0 && client_address::is_forwarded_https(request.headers());
    let context = RequestContext::from_client(client)
        .with_https(is_https)
        .counted(in_progress);
    context.with_server_request(ServerRequest {
        body_deadline: limits.body,
        rejection,
    })
}

/// Whether this is the path that is served beyond the limits.
fn is_health(path: &str) -> bool {
    PREFIXES
        .iter()
        .any(|prefix| path.strip_prefix(prefix) == Some("/health"))
}

/// Warns, once, of a proxy that `TRUSTED_PROXIES` does not count. Behind it all clients share one address, and so one
/// throttle.
fn warn_of_proxies() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            "a request has X-Forwarded-For, but TRUSTED_PROXIES is 0: if requests pass through your own proxy, set \
             TRUSTED_PROXIES, or all clients share the proxy's address"
        );
    });
}

fn listen(address: SocketAddr, variable: &'static str) -> Result<TcpListener, Failure> {
    let listening = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // As `TcpListener::bind` does: a restarted server need not wait until the connections of its predecessor have
        // expired.
        socket.set_reuseaddr(true)?;
        // Every connection inherits them.
        socket.set_send_buffer_size(SOCKET_BUFFER)?;
        socket.set_recv_buffer_size(SOCKET_BUFFER)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listening().map_err(|error| Failure::Listen(address, variable, error))
}

/// Accepts the connections of one listener.
struct Acceptor {
    listener: TcpListener,
    admission: Arc<Admission>,
    limits: Limits,
    observer: Observer,
    /// The threads that serve connections; `None` if the current thread does.
    threads: Option<Threads>,
}

impl Acceptor {
    /// Serves each connection with its own `service`: on one of the threads, or on the current thread, whose number is
    /// zero. `connections` has an element for each thread.
    async fn run<S>(
        &self,
        connections: &[GracefulShutdown],
        service: impl Fn(usize, SocketAddr, Limits) -> S,
    ) -> Infallible
    where
        S: Service<Request<RequestBody>, Response = Response, Error = Infallible, Future: Send>
            + Clone
            + Send
            + 'static,
    {
        let mut failures = Failures::default();
        loop {
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Probably there are no file descriptors left until other connections close.
                    if let Some(count) = failures.count(Instant::now()) {
                        tracing::warn!(cause = %error, count, "connections could not be accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // Small responses leave without delay. If the option cannot be set, they only leave later.
            let _ = stream.set_nodelay(true);
            match self.admission.admit(peer.ip()) {
                Admitted::Open(place) => {
                    let serving = |thread: usize| (service(thread, peer, self.limits), connections[thread].watcher());
                    self.spawn(stream, serving, place);
                }
                Admitted::Reserve(place, evicted, reached) => {
                    self.observer.connection_limited(reached);
                    let limits = self.limits.in_reserve();
                    let (service, observer) = (service(0, peer, limits), self.observer.clone());
                    let serve = serve_connection(stream, service, connections[0].watcher(), limits, observer);
                    tokio::spawn(async move {
                        tokio::select! {
                            () = serve => {}
                            _ = evicted => {}
                        }
                        drop(place);
                    });
                    for _ in 0..RESERVE_TURNS {
                        tokio::task::yield_now().await;
                    }
                }
                Admitted::Refused => {
                    self.observer.connection_limited(Reached::Reserve);
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Serves a connection; `serving` makes its service and its watcher for the thread with this number.
    fn spawn<S>(&self, stream: TcpStream, serving: impl FnOnce(usize) -> (S, Watcher), place: Place)
    where
        S: Service<Request<RequestBody>, Response = Response, Error = Infallible, Future: Send>
            + Clone
            + Send
            + 'static,
    {
        let (limits, observer) = (self.limits, self.observer.clone());
        let Some(threads) = &self.threads else {
            let (service, connections) = serving(0);
            tokio::spawn(async move {
                serve_connection(stream, service, connections, limits, observer).await;
                drop(place);
            });
            return;
        };
        match stream.into_std() {
            Ok(stream) => threads.spawn(|thread| {
                let (service, connections) = serving(thread);
                async move {
                    match TcpStream::from_std(stream) {
                        Ok(stream) => serve_connection(stream, service, connections, limits, observer).await,
                        Err(error) => warn_of_lost_connection(&error),
                    }
                    drop(place);
                }
            }),
            Err(error) => warn_of_lost_connection(&error),
        }
    }
}

/// Connections that could not be accepted since the last log line about them.
#[derive(Default)]
struct Failures {
    logged: Option<Instant>,
    count: u64,
}

impl Failures {
    /// Counts one more. Returns their number if it is time to log them.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        if self.logged.is_some_and(|logged| now < logged + ACCEPT_LOG_PAUSE) {
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

async fn serve_connection<S>(stream: TcpStream, service: S, connections: Watcher, limits: Limits, observer: Observer)
where
    S: Service<Request<RequestBody>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(BUFFER)
        .keep_alive(limits.keep_alive);
    let unread = Unread::default();
    let socket = Socket::new(stream, unread.clone(), limits);
    let service = service.map_request(move |request| unread.track(request));
    let connection = http.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
    if let Err(error) = connections.watch(connection).await {
        if is_write_timeout(&error) {
            observer.connection_limited(Reached::WriteTimeout);
        }
        tracing::debug!(cause = %error, "a connection ended early");
    }
}

/// Whether the client did not read its response in time.
fn is_write_timeout(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

fn warn_of_lost_connection(error: &io::Error) {
    tracing::warn!(cause = %error, "a connection could not be served");
}

#[cfg(test)]
mod tests;
