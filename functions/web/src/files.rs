//! The folder with the built application.

use std::path::PathBuf;

use api::ApiError;
use api::error::Code;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;
use tower_http::services::ServeDir;

/// No file of the application is larger, in bytes.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// No path of the application is longer, in bytes. Systems reject longer ones at about 4,096, with that of the folder.
const MAX_PATH: usize = 1024;

/// No name of a file or folder is longer, in bytes: systems allow 255, and `.br` follows the names of compressed forms.
const MAX_NAME: usize = 255 - ".br".len();

/// The headers that make a response depend on what the client has.
const CONDITIONS: [header::HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];

/// Serves the files of a folder, each in the smallest form that the client accepts.
pub struct Files {
    folder: ServeDir,
}

impl Files {
    pub fn new(root: PathBuf) -> Self {
        let folder = ServeDir::new(root)
            .precompressed_br()
            .precompressed_gzip()
            .append_index_html_on_directories(false)
            .ignore_multi_range_requests(true);
        Self { folder }
    }

    /// The response to this request for a file: also 304, 206, 412 and 416. `None` if there is no such file.
    pub async fn get(&self, method: &Method, uri: Uri, headers: &HeaderMap) -> Result<Option<Response>, ApiError> {
        if !may_exist(uri.path()) {
            return Ok(None);
        }
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers.clone();
        let Ok(response) = self.folder.clone().oneshot(request).await;
        match response.status() {
            StatusCode::NOT_FOUND => return Ok(None),
            status if status.is_server_error() => return Err(ApiError::internal("a file of WEB_ROOT is not readable")),
            _ => {}
        }
        // The whole body: a file that fails in the middle must not be logged as a success, and Lambda's runtime panics.
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(Body::new(body), MAX_BYTES).await.map_err(ApiError::internal)?;
        Ok(Some(Response::from_parts(parts, Body::from(bytes))))
    }

    /// A file whose name stays the same when it changes. Its `ETag` is made of its content, because archives and images
    /// often set the time of all files to the same instant.
    pub async fn get_current(
        &self,
        method: &Method,
        file: &'static str,
        headers: &HeaderMap,
    ) -> Result<Option<Response>, ApiError> {
        let mut unconditional = headers.clone();
        for condition in CONDITIONS {
            unconditional.remove(condition);
        }
        let found = self.get(&Method::GET, Uri::from_static(file), &unconditional).await?;
        let Some(response) = found else {
            return Ok(None);
        };
        let (mut parts, body) = response.into_parts();
        let bytes = to_bytes(body, MAX_BYTES).await.map_err(ApiError::internal)?;
        let digest = Sha256::digest(&bytes);
        let start: [u8; 16] = digest.first_chunk().copied().unwrap_or_default();
        let etag = format!("\"{:032x}\"", u128::from_be_bytes(start));
        parts.headers.remove(header::LAST_MODIFIED);
        parts.headers.remove(header::ACCEPT_RANGES);
        parts
            .headers
            .insert(header::ETAG, HeaderValue::try_from(&etag).map_err(ApiError::internal)?);
        parts
            .headers
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let has_it = headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .any(|tag| matches!(tag.trim(), "*") || tag.trim().trim_start_matches("W/") == etag);
        if has_it {
            parts.status = StatusCode::NOT_MODIFIED;
            parts.headers.remove(header::CONTENT_LENGTH);
            return Ok(Some(Response::from_parts(parts, Body::empty())));
        }
        let body = if *method == Method::HEAD {
            Body::empty()
        } else {
            Body::from(bytes)
        };
        Ok(Some(Response::from_parts(parts, body)))
    }
}

/// Whether the system accepts such a path. It reports a longer one as a failure and not as a missing file.
fn may_exist(path: &str) -> bool {
    path.len() <= MAX_PATH && path.split('/').all(|name| name.len() <= MAX_NAME)
}

/// The response to a request for a file that does not exist.
pub fn missing() -> Response {
    ApiError::new(Code::NotFound, "The web application has no such file.").into_response()
}
