//! `GET /auth/logins`

use api::openapi::schema::{Id, Time};
use api::{ApiError, AppState, Authenticated, Reply};
use axum::extract::State;
use domain::logins::{Login, ops};
use domain::{Address, LoginId, Timestamp, UserAgent};
use serde::Serialize;
use utoipa::ToSchema;

/// The caller's logins, newest first; at most 100.
#[derive(Serialize, ToSchema)]
#[schema(as = LoginList)]
pub struct LoginsBody {
    /// The logins.
    #[schema(max_items = 100)]
    logins: Vec<LoginBody>,
}

/// One signed-in device.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Login)]
struct LoginBody {
    /// The login's id.
    #[schema(value_type = Id)]
    id: LoginId,
    /// When the user signed in.
    #[schema(value_type = Time)]
    created_at: Timestamp,
    /// When the login last received new tokens.
    #[schema(value_type = Time)]
    last_used_at: Timestamp,
    /// When the login expires without a refresh.
    #[schema(value_type = Time)]
    expires_at: Timestamp,
    /// The client's `User-Agent` at the last sign-in or refresh.
    #[schema(value_type = Option<String>, required, min_length = 1, max_length = 256, example = "Mozilla/5.0")]
    user_agent: Option<UserAgent>,
    /// The client address at the last sign-in or refresh.
    #[schema(value_type = Option<String>, required, min_length = 2, max_length = 45, example = "203.0.113.1")]
    ip: Option<Address>,
    /// Whether this is the login of the request.
    current: bool,
}

impl LoginBody {
    fn of(login: Login, current: LoginId) -> Self {
        Self {
            id: login.id,
            created_at: login.created_at,
            last_used_at: login.used_at,
            expires_at: login.expires_at,
            user_agent: login.user_agent,
            ip: login.address,
            current: login.id == current,
        }
    }
}

/// Lists the caller's active logins.
#[utoipa::path(
    get,
    path = "/auth/logins",
    tag = "authentication",
    operation_id = "listLogins",
    security(("accessToken" = [])),
    responses((
        status = 200,
        description = "The logins.",
        body = LoginsBody,
        links(("end" = (operation_id = "endLogin", parameters(("id" = "$response.body#/data/logins/0/id")))))
    )),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
) -> Result<Reply<LoginsBody>, ApiError> {
    let logins = ops::list(&app.env, &caller).await?;
    let current = caller.login()?;
    let logins = logins.into_iter().map(|login| LoginBody::of(login, current));
    Ok(Reply::ok(LoginsBody {
        logins: logins.collect(),
    }))
}
