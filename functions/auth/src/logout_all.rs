//! `POST /auth/logout-all`

use api::openapi::problems;
use api::{ApiError, AppState, Authenticated, Reply};
use axum::extract::State;
use domain::logins::ops;
use serde::Serialize;
use utoipa::ToSchema;

/// The number of ended logins.
#[derive(Serialize, ToSchema)]
#[schema(as = Ended)]
pub struct EndedBody {
    /// The number of logins that this request ended.
    #[schema(maximum = 100, example = 2)]
    pub ended: usize,
}

/// Ends all logins of the caller, including the current one. The caller must have entered the password in the current
/// login within the last ten minutes: to register, to log in, or for `POST /auth/reauthenticate`.
#[utoipa::path(
    post,
    path = "/auth/logout-all",
    tag = "authentication",
    operation_id = "logOutEverywhere",
    security(("accessToken" = [])),
    responses(
        (status = 200, description = "The logins have ended.", body = EndedBody),
        problems::ReauthenticationRequired,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
) -> Result<Reply<EndedBody>, ApiError> {
    let ended = ops::log_out_everywhere(&app.env, &caller).await?;
    Ok(Reply::ok(EndedBody { ended }))
}
