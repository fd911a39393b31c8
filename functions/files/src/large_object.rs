//! The content of a file in the object store.

use std::ops::Range;
use std::sync::Arc;

use api::ApiError;
use api::content::{FileInfo, Selection, content_headers, file_response};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::Env;
use domain::objects::{ObjectError, ObjectKey, ObjectStore};
use futures_util::stream;

/// The number of bytes in memory while an object is sent: so few that it needs no place among the large responses.
const READ_BYTES: u64 = 256 << 10;

/// A redirection to the object store, or the bytes from it if it has no URLs.
pub(crate) fn respond(
    env: &Env,
    object: ObjectKey,
    file: FileInfo<'_>,
    selection: &Selection,
) -> Result<Response, ApiError> {
    let objects = env.objects.clone();
    let objects = objects.ok_or(domain::Error::Objects(ObjectError::Absent))?;
    let (content_type, disposition) = content_headers(file.name);
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let signed = objects.sign_get(&object, &text(&content_type), &text(&disposition));
    if let Some(request) = signed.map_err(domain::Error::Objects)? {
        let location = HeaderValue::try_from(request.url).map_err(ApiError::internal)?;
        return Ok((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response());
    }
    let body = pieces(objects, object, selection.bytes(file.size));
    Ok(file_response(file, selection, body))
}

/// The bytes in this range, piece by piece.
fn pieces(objects: Arc<dyn ObjectStore>, object: ObjectKey, range: Range<u64>) -> Body {
    Body::from_stream(stream::try_unfold(
        (objects, object, range),
        |(objects, object, range)| async move {
            if range.is_empty() {
                return Ok::<Option<(Bytes, _)>, ObjectError>(None);
            }
            let end = range.end.min(range.start.saturating_add(READ_BYTES));
            let bytes = objects.read(&object, range.start..end).await?;
            Ok(Some((bytes, (objects, object, end..range.end))))
        },
    ))
}
