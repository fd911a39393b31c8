//! `POST /auth/recovery`

use std::time::Duration;

use api::openapi::problems;
use api::{ApiError, AppState, Body, Checks, ClientInfo, Empty, Field, LoggedEmail, Reply};
use axum::extract::State;
use domain::Error;
use domain::users::{Email, recovery};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};
use utoipa::ToSchema;

use crate::schema;

/// A response is sent after a multiple of this time. The operation does as much work without an account, but not the
/// same: an account's entries are in other places of the store, which takes some microseconds longer to write.
const PACE: Duration = Duration::from_millis(25);

/// The account to recover.
#[derive(Deserialize, ToSchema)]
#[schema(as = Recovery)]
pub struct RecoveryBody {
    /// The account's email.
    #[schema(value_type = schema::Email)]
    email: Field<String>,
}

impl RecoveryBody {
    fn parse(self) -> Result<Email, ApiError> {
        let mut checks = Checks::new();
        let email = checks.required("email", self.email, |text| Email::parse(&text));
        email.ok_or_else(|| checks.into_error())
    }
}

/// Sends an email with which the user chooses a new password. The response is the same whether an account has this
/// email or not. If too many emails to one address are requested, no further one is sent for a while, and the last one
/// stays valid.
#[utoipa::path(
    post,
    path = "/auth/recovery",
    tag = "authentication",
    operation_id = "requestRecovery",
    request_body = RecoveryBody,
    responses(
        (
            status = 202,
            description = "The email follows, if an account has this address and the deployment sends emails.",
            body = Empty
        ),
        problems::TooManyAttempts,
        problems::StoreFull,
        problems::StoreUnavailable,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    ClientInfo(client): ClientInfo,
    logged_email: LoggedEmail,
    Body(body): Body<RecoveryBody>,
) -> Result<Reply<Empty>, ApiError> {
    let started = Instant::now();
    let email = body.parse()?;
    logged_email.record(&app, &email);
    let requested = recovery::request(&app.env, &client, &email).await;
    // The limit of a site depends on no account, and must not keep an execution waiting.
    if !matches!(requested, Err(Error::TooManyAttempts { .. })) {
        sleep_until(started + rounded_up(started.elapsed())).await;
    }
    requested?;
    Ok(Reply::accepted(Empty {}))
}

/// The next multiple of [`PACE`].
fn rounded_up(elapsed: Duration) -> Duration {
    PACE * u32::try_from(elapsed.as_millis() / PACE.as_millis()).map_or(u32::MAX, |passed| passed + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rounded_up_to_the_next_multiple() {
        for (elapsed, expected) in [(0, 25), (24, 25), (25, 50), (26, 50), (1000, 1025)] {
            let rounded = rounded_up(Duration::from_millis(elapsed));
            assert_eq!(rounded, Duration::from_millis(expected), "{elapsed}");
        }
    }
}
