//! `GET /auth/logins`

use api::{ApiError, AppState, Authenticated, Reply};
use axum::extract::State;
use domain::logins::{Login, ops};
use domain::{Address, LoginId, Timestamp, UserAgent};
use serde::Serialize;

/// The caller's logins, newest first. There are at most a hundred.
#[derive(Serialize)]
pub struct LoginsBody {
    logins: Vec<LoginBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LoginBody {
    id: LoginId,
    created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: Timestamp,
    user_agent: Option<UserAgent>,
    ip: Option<Address>,
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

/// The caller's own logins that are alive.
pub async fn logins(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
) -> Result<Reply<LoginsBody>, ApiError> {
    let logins = ops::list(&app.env, &caller).await?;
    let logins = logins.into_iter().map(|login| LoginBody::of(login, caller.login()));
    Ok(Reply::ok(LoginsBody {
        logins: logins.collect(),
    }))
}
