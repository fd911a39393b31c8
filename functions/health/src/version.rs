//! `GET /version`

use api::{COMMIT, Reply, VERSION};
use serde::Serialize;
use utoipa::ToSchema;

/// What the process was built from.
#[derive(Serialize, ToSchema)]
#[schema(as = Version)]
pub struct VersionBody {
    /// The version of the program.
    #[schema(examples("5.0.0"), max_length = 64, pattern = "^[0-9A-Za-z.+-]+$")]
    version: &'static str,
    /// The commit of the source. `null` if the build did not state it.
    #[schema(
        examples("0f3b7c9d5e1a2846b0c7d9e8f1a2b3c4d5e6f708"),
        max_length = 64,
        pattern = "^[0-9a-f]+$"
    )]
    commit: Option<&'static str>,
}

/// Names the version and the commit of the process. Does not use the store.
#[utoipa::path(
    get,
    path = "/version",
    tag = "health",
    operation_id = "getVersion",
    responses((status = 200, description = "What the process was built from.", body = VersionBody)),
)]
pub async fn handle() -> Reply<VersionBody> {
    Reply::ok(VersionBody {
        version: VERSION,
        commit: COMMIT,
    })
}
