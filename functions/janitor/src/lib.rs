//! Removes what has outlived its time, on a schedule. It answers no requests.

use std::time::Duration;

use domain::Env;
use domain::sweep::{self, Swept};
use serde::Serialize;

/// What has been removed.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SweptBody {
    expired: usize,
    markers: usize,
    /// There only if there was not enough time; the next run goes on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut_short: bool,
}

impl From<Swept> for SweptBody {
    fn from(swept: Swept) -> Self {
        Self {
            expired: swept.expired,
            markers: swept.markers,
            cut_short: swept.cut_short,
        }
    }
}

/// The whole function.
pub fn job() -> api::Job {
    api::Job::new("janitor", run)
}

/// Removes all whose lifetime has ended.
pub async fn run(env: Env, within: Duration) -> domain::Result<SweptBody> {
    sweep::sweep(&env, within).await.map(SweptBody::from)
}
