//! Running a function: under the Lambda Runtime API, or as a plain HTTP server.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router as Axum;
use lambda_http::RequestExt as _;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tower::ServiceExt as _;

use crate::config::{Config, ConfigError, Mode};
use crate::edge::RequestId;
use crate::router::Router;
use crate::state::AppState;
use crate::{app, trace};

/// How long requests in flight may take to finish once the server was asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Serves `router` until it is told to stop. This is a function's whole `main`.
pub fn serve(router: Router) -> ExitCode {
    match run(router) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] kv::Error),
    #[error("cannot listen on {0} (set by HOST and PORT): {1}")]
    Listen(SocketAddr, std::io::Error),
    #[error("the runtime could not be started: {0}")]
    Runtime(#[from] std::io::Error),
    #[error("the Lambda runtime ended: {0}")]
    Lambda(lambda_http::Error),
}

fn run(router: Router) -> Result<(), Failure> {
    let config = Config::from_env()?;
    trace::init(&config.logs);
    let state = AppState::open(&config)?;
    let app = app(router, state, &config.origins);
    match config.mode {
        // A sandbox handles one request at a time: more threads would only take longer to start.
        Mode::Lambda => Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(lambda(app)),
        Mode::Server(address) => Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(server(app, address)),
    }
}

async fn lambda(app: Axum) -> Result<(), Failure> {
    let service = app.map_request(|mut request: lambda_http::Request| {
        if let Some(id) = request
            .lambda_context_ref()
            .map(|context| RequestId(context.request_id.clone()))
        {
            request.extensions_mut().insert(id);
        }
        request
    });
    lambda_http::run(service).await.map_err(Failure::Lambda)
}

async fn server(app: Axum, address: SocketAddr) -> Result<(), Failure> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Failure::Listen(address, error))?;
    println!("listening on http://{}", listener.local_addr()?);
    let (asked, mut was_asked) = tokio::sync::watch::channel(false);
    let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop_signal().await;
        tracing::info!("stopping: finishing the requests in flight");
        asked.send_replace(true);
    });
    let overdue = async {
        // An error means that the server is gone, and then the other branch has it.
        let _ = was_asked.wait_for(|asked| *asked).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = serving => Ok(ended?),
        () = overdue => {
            tracing::warn!("requests were still in flight {} s after the signal; stopping without them", GRACE.as_secs());
            Ok(())
        }
    }
}

/// Resolves at SIGTERM or SIGINT.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM can be installed");
    let mut interrupt = signal(SignalKind::interrupt()).expect("a handler for SIGINT can be installed");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
