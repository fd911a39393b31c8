//! `GET /assets/{path}` and `GET /icon.svg`: the files that the pages load.

use std::sync::Arc;

use api::ApiError;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::files::{Files, missing};

/// Caches may keep an asset for a year, the longest time that they observe (RFC 9111, section 1.2.2): its name contains
/// the digest of its content.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// An asset. Its name changes with its content.
pub async fn immutable(files: Arc<Files>, request: Request) -> Result<Response, ApiError> {
    let (method, uri, headers) = (request.method(), request.uri().clone(), request.headers());
    let Some(mut response) = files.get(method, uri, headers).await? else {
        return Ok(missing());
    };
    let lasting = [StatusCode::OK, StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED];
    if lasting.contains(&response.status()) {
        response.headers_mut().insert(header::CACHE_CONTROL, IMMUTABLE);
    }
    Ok(response)
}

/// The icon of the browser's tab.
pub async fn icon(files: Arc<Files>, request: Request) -> Result<Response, ApiError> {
    let found = files
        .get_current(request.method(), "/icon.svg", request.headers())
        .await?;
    Ok(found.unwrap_or_else(missing))
}
