//! Admission of requests before their bodies are read.

use api::{ApiError, AppState};
use domain::Caller;
use domain::files::admission;
use domain::users::profile::Upload;

/// Admits the request if its body may be large, until the result is dropped.
pub async fn admit(app: &AppState, caller: &Caller, may_be_large: bool) -> Result<Option<Upload>, ApiError> {
    if !may_be_large {
        return Ok(None);
    }
    Ok(Some(admission::admit(&app.env, caller).await?))
}
