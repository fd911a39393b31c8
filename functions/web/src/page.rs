//! `GET /` and `GET /app/…`: the page, whose script shows the right content for the path.

use std::sync::Arc;

use api::ApiError;
use api::error::Code;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use crate::files::{Files, missing};

/// The page runs only scripts and styles of this origin, sends data nowhere else, and nobody may frame it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; \
     connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'",
);

const NOT_BUILT: &str = "The web application is not built: run `npm ci && npm run build` in functions/web/app, or set \
                         WEB_ROOT to the folder with its files. The API works without it.";

/// The page, for every path that a browser navigates to.
pub async fn handle(files: Arc<Files>, request: Request) -> Result<Response, ApiError> {
    if !is_navigation(request.headers()) {
        return Ok(missing());
    }
    let page = files.get_current(request.method(), "/index.html", request.headers());
    let Some(mut response) = page.await? else {
        return Ok(ApiError::new(Code::NotFound, NOT_BUILT).into_response());
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    // Other pages that open this one get no reference to it.
    let isolation = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(isolation, HeaderValue::from_static("same-origin"));
    // A request for a script gets another response from the same path.
    headers.append(header::VARY, HeaderValue::from_static("accept, sec-fetch-dest"));
    Ok(response)
}

/// Whether the request is for a page, and not for a script, a style or data, whose reader could not use a page.
/// Browsers say so (`Sec-Fetch-Dest`), and otherwise the media type does.
fn is_navigation(headers: &HeaderMap) -> bool {
    if let Some(destination) = headers.get("sec-fetch-dest") {
        return destination == "document";
    }
    let Some(accepted) = headers.get(header::ACCEPT) else {
        return true;
    };
    let accepted = accepted.to_str().unwrap_or_default();
    ["text/html", "*/*", "text/*"]
        .iter()
        .any(|kind| accepted.contains(kind))
}
