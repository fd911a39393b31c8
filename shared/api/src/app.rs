//! A function's router with all that stands around it.

use std::any::Any;

use axum::Router as Axum;
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::Origins;
use crate::cors;
use crate::edge::{Edge, LimitBody};
use crate::error::{ApiError, Code};
use crate::observer::Observer;
use crate::router::Router;
use crate::state::AppState;

/// The application as it is served: both prefixes, problem documents for what no route answers, CORS, panics caught,
/// request ids, and every request seen by `observer`.
pub fn app(router: Router, state: AppState, origins: &Origins, observer: Observer) -> Axum {
    let edge = Edge {
        ids: state.env.ids.clone(),
        clock: state.env.clock.clone(),
        observer,
    };
    // All of it as one layer: of several, axum boxes each.
    let around = ServiceBuilder::new()
        .layer(edge)
        .layer(cors::layer(origins))
        .layer_fn(LimitBody)
        .map_response(IntoResponse::into_response)
        .layer(CatchPanicLayer::custom(panicked));
    router
        .into_axum()
        .fallback(|| async { ApiError::new(Code::NotFound, "No route of this API has this path.") })
        .method_not_allowed_fallback(|| async { method_not_allowed() })
        .layer(around)
        .with_state(state)
}

/// The refusal of a method that the path does not know.
pub(crate) fn method_not_allowed() -> ApiError {
    ApiError::new(
        Code::MethodNotAllowed,
        "This path does not answer the request's method; the header `Allow` has those that it does.",
    )
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    ApiError::internal("the handler panicked; the line before says where and why").into_response()
}
