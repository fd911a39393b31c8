//! `GET /config.json`

use api::Bare;
use serde::Serialize;

/// What the application must know about its deployment.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigBody {
    /// The API's origin, relative to this file.
    api_url: &'static str,
}

/// Says where the API is: at the same origin. A server of a copy of the files writes another URL here.
pub async fn handle() -> Bare<ConfigBody> {
    Bare(ConfigBody { api_url: "/" })
}
