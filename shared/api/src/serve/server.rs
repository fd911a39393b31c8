//! Serving requests over HTTP.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Once;
use std::time::Duration;

use axum::Router as Axum;
use axum::http::Request;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tower::{Service, ServiceExt as _};

use super::connection::{RequestBody, Socket, Unread};
use super::failure::Failure;
use super::host;
use super::threads::Threads;
use crate::app::App;
use crate::client_address;
use crate::error::Code;
use crate::json::BODY_DEADLINE;
use crate::metrics;
use crate::release::{COMMIT, VERSION};
use crate::request_context::{RequestContext, ServerRequest};

/// The limit for finishing the requests in flight after the stop signal. A container engine kills the process after ten
/// seconds.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(8);

/// The number of connections that may wait to be accepted, if the system allows that many (`net.core.somaxconn`). A
/// client whose connection exceeds it tries again after one second, which users would notice when many clients connect
/// at the same time.
const BACKLOG: u32 = 4096;

/// The time limits of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For receiving the head of a request, including the idle time before it.
    pub(super) head: Duration,
    /// For receiving the body of a request.
    pub(super) body: Duration,
    /// For discarding the rest of a request whose response is complete.
    pub(super) discard: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            body: BODY_DEADLINE,
            discard: Duration::from_secs(5),
        }
    }
}

/// The pause after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A server: the application, and what it listens on.
pub(super) struct Server {
    pub(super) app: App,
    pub(super) address: SocketAddr,
    pub(super) trusted_proxies: usize,
    pub(super) limits: Limits,
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
            app,
            address: _,
            trusted_proxies,
            limits,
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
            // Runs until the process ends, so that an operator can watch the requests in flight finish.
            tokio::spawn(async move {
                let connections = GracefulShutdown::new();
                accept(&listener, None, &connections, limits, |_| endpoint.clone()).await
            });
        }

        let connections = GracefulShutdown::new();
        let service = |peer: SocketAddr| {
            app.clone().map_request(move |mut request: Request<RequestBody>| {
                let context = request_context(&request, trusted_proxies, peer, limits);
                request.extensions_mut().insert(context);
                request
            })
        };
        tokio::select! {
            never = accept(&listener, threads.as_ref(), &connections, limits, service) => match never {},
            () = stop => {}
        }
        drop(listener);
        tracing::info!("stopping: finishing the requests in flight");
        if tokio::time::timeout(SHUTDOWN_GRACE, connections.shutdown())
            .await
            .is_err()
        {
            let seconds = SHUTDOWN_GRACE.as_secs();
            tracing::warn!("stopping without the requests that are still in flight {seconds} s after the signal");
        }
        Ok(())
    }
}

fn request_context(
    request: &Request<RequestBody>,
    trusted_proxies: usize,
    peer: SocketAddr,
    limits: Limits,
) -> RequestContext {
    if trusted_proxies == 0 && client_address::is_forwarded(request.headers()) {
        warn_of_proxies();
    }
    let client = client_address::behind_proxies(trusted_proxies, request.headers(), peer.ip());
    let is_host_valid = host::is_valid(request.version(), request.headers());
    let is_https = trusted_proxies > 0 && client_address::is_forwarded_https(request.headers());
    let context = RequestContext::from_client(client).with_https(is_https);
    context.with_server_request(ServerRequest {
        body_deadline: limits.body,
        rejection: (!is_host_valid).then_some(Code::MalformedRequest),
    })
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
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listening().map_err(|error| Failure::Listen(address, variable, error))
}

/// Accepts connections, and serves each with its own `service`: on one of `threads`, or on the current thread.
async fn accept<S>(
    listener: &TcpListener,
    threads: Option<&Threads>,
    connections: &GracefulShutdown,
    limits: Limits,
    service: impl Fn(SocketAddr) -> S,
) -> Infallible
where
    S: Service<Request<RequestBody>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Small responses leave without delay. If the option cannot be set, they only leave later.
                let _ = stream.set_nodelay(true);
                let (service, connections) = (service(peer), connections.watcher());
                match threads {
                    None => {
                        tokio::spawn(serve_connection(stream, service, connections, limits));
                    }
                    Some(threads) => match stream.into_std() {
                        Ok(stream) => threads.spawn(async move {
                            match TcpStream::from_std(stream) {
                                Ok(stream) => serve_connection(stream, service, connections, limits).await,
                                Err(error) => warn_of_lost_connection(&error),
                            }
                        }),
                        Err(error) => warn_of_lost_connection(&error),
                    },
                }
            }
            Err(error) => {
                // Probably there are no file descriptors left until other connections close.
                tracing::warn!(cause = %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection<S>(stream: TcpStream, service: S, connections: Watcher, limits: Limits)
where
    S: Service<Request<RequestBody>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head);
    let unread = Unread::default();
    let socket = Socket::new(stream, unread.clone(), limits.discard);
    let service = service.map_request(move |request| unread.track(request));
    let connection = http.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
    if let Err(error) = connections.watch(connection).await {
        tracing::debug!(cause = %error, "a connection ended early");
    }
}

fn warn_of_lost_connection(error: &io::Error) {
    tracing::warn!(cause = %error, "a connection could not be served");
}

#[cfg(test)]
mod tests;
