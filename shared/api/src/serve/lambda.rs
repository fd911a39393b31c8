//! Serving requests and running jobs under the Lambda Runtime API.

use std::pin::Pin;
#[cfg(feature = "fdb")]
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use domain::{Env, Timestamp};
use http_body_util::{BodyExt as _, Collected};
use lambda_http::lambda_runtime::{self, Diagnostic, LambdaEvent};
use lambda_http::{Adapter, RequestExt as _, service_fn};
use serde_json::value::RawValue;
use tower::ServiceExt as _;
use tower::util::MapResultLayer;

use super::event::{self, Event};
use super::failure::Failure;
use super::runtime::connect;
use crate::app::App;
use crate::content::RawBytes;
use crate::file::MayBeReplaced;
use crate::job::{ReadyJob, Trigger, time_budget};
use crate::observer::Observer;
use crate::request_context::RequestContext;
use crate::request_id::RequestId;
use crate::trace_id::TraceId;

/// The limit for registering the extension with the Runtime API.
#[cfg(feature = "fdb")]
const REGISTRATION_DEADLINE: Duration = Duration::from_secs(1);

/// Serves the function's invocations until the runtime ends.
pub(super) async fn serve_requests(app: App, env: &Env, observer: Observer) -> Result<(), Failure> {
    let service = app.map_request(|mut request: lambda_http::Request| {
        let mut context = RequestContext::default()
            .with_client_address(event::source_address(&request))
            .with_https(event::is_https(&request));
        if let Some(lambda) = request.lambda_context_ref() {
            context = context.with_request_id(RequestId::new(&lambda.request_id));
        }
        request.extensions_mut().insert(context);
        if matches!(request.body(), lambda_http::Body::Text(text) if text.contains(char::REPLACEMENT_CHARACTER)) {
            request.extensions_mut().insert(MayBeReplaced);
        }
        event::strip_base_path(&mut request);
        request
    });
    let service = service.map_response(FunctionResponse);
    // Like `lambda_http::run`, except that we parse and sanitize the event before `lambda_http` converts it, and that
    // there is no span, because no log line shows spans.
    let service = Adapter::from(service).map_request(|event: LambdaEvent<Event>| {
        let LambdaEvent { payload, context, .. } = event;
        LambdaEvent::new(payload.sanitized(), context)
    });
    prepare(env).await;
    // After the response is sent, and before the next event is requested: from then on Lambda may freeze the process.
    let flush = MapResultLayer::new(move |result: Result<(), lambda_http::Error>| {
        observer.flush();
        result
    });
    let runtime = lambda_runtime::Runtime::new(service).layer(flush);
    runtime.run().await.map_err(Failure::Lambda)
}

/// A response before its front door's form. Bytes of clients become base64, whatever their media type is.
struct FunctionResponse(Response);

impl lambda_http::IntoResponse for FunctionResponse {
    fn into_response(self) -> Pin<Box<dyn Future<Output = axum::http::Response<lambda_http::Body>> + Send>> {
        let Self(response) = self;
        if response.extensions().get::<RawBytes>().is_none() {
            return lambda_http::IntoResponse::into_response(response);
        }
        Box::pin(async move {
            let (parts, body) = response.into_parts();
            // Reading can fail only for a large file in a folder, and never for bytes in memory.
            let Ok(bytes) = body.collect().await.map(Collected::to_bytes) else {
                let mut response = axum::http::Response::new(lambda_http::Body::Empty);
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                return response;
            };
            let body = if bytes.is_empty() {
                lambda_http::Body::Empty
            } else {
                lambda_http::Body::Binary(bytes.into())
            };
            axum::http::Response::from_parts(parts, body)
        })
    }
}

/// Runs the job at every invocation, until the runtime ends.
pub(super) async fn serve_job(job: &ReadyJob, env: &Env, observer: &Observer) -> Result<(), Failure> {
    let service = service_fn(|event: LambdaEvent<Box<RawValue>>| async move {
        let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
        let budget = time_budget(Timestamp::from_millis(deadline), env.clock.now());
        let trace_id = event.context.xray_trace_id.as_deref().and_then(TraceId::from_xray);
        let trigger = Trigger::Invocation(&event.context.request_id, trace_id);
        let job = job.for_event(event.payload.get());
        let outcome = job.run(env.clone(), budget, trigger, observer);
        outcome.await.map_err(|failed| Diagnostic {
            error_type: "JobFailed".to_owned(),
            error_message: failed.to_string(),
        })
    });
    prepare(env).await;
    lambda_runtime::run(service).await.map_err(Failure::Lambda)
}

/// The work of the init phase.
async fn prepare(env: &Env) {
    #[cfg(feature = "fdb")]
    tokio::join!(connect(env), register_for_shutdown());
    #[cfg(not(feature = "fdb"))]
    connect(env).await;
}

/// Registers an extension that does nothing. Lambda sends SIGTERM only to a sandbox with an extension, and
/// FoundationDB's client must be stopped before the process ends.
#[cfg(feature = "fdb")]
async fn register_for_shutdown() {
    let extension = lambda_extension::Extension::new()
        .with_events(&[])
        .with_extension_name("shutdown");
    let warn = |cause: &dyn std::fmt::Display| tracing::warn!(%cause, "this sandbox will get no signal when it ends");
    match tokio::time::timeout(REGISTRATION_DEADLINE, extension.register()).await {
        Ok(Ok(extension)) => {
            tokio::spawn(async move {
                if let Err(error) = extension.run().await {
                    warn(&error);
                }
            });
        }
        Ok(Err(error)) => warn(&error),
        Err(elapsed) => warn(&elapsed),
    }
}
