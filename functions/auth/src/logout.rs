//! `POST /auth/logout`

use api::cookies::{self, Cookies};
use api::openapi::problems;
use api::{ApiError, AppState, Body, Checks, ClientInfo, Code, Empty, Field, LogoutCaller, Reply};
use axum::extract::State;
use domain::logins::{RefreshToken, ops};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::schema;

/// The login to end, for a client without a valid access token.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LogOut)]
pub struct LogoutBody {
    /// A refresh token of the login. Any other text has no effect. Without it, the cookie is read.
    #[schema(value_type = Option<String>, max_length = 1024, example = "coditect_rt_AZDQoHw-ehGPPgEjRWeJqw")]
    refresh_token: Field<String>,
}

impl LogoutBody {
    /// The token as text, because a text that is no token is no error.
    fn parse(self) -> Result<Option<String>, ApiError> {
        let mut checks = Checks::new();
        let token = checks.optional("refreshToken", self.refresh_token, schema::bounded);
        token.ok_or_else(|| checks.into_error())
    }
}

/// Ends the login of the access token, and that of the refresh token in the body or else in the cookie (RFC 7009).
/// Succeeds without effect if there is no token, if a login has ended already, or if the refresh token is not valid. An
/// access token may have expired up to an hour ago; one that expired earlier ends nothing and is rejected, unless there
/// is a refresh token. A personal access token belongs to no login: it returns 403 `INSUFFICIENT_SCOPE`, stays valid,
/// and nothing ends, not even the login of a refresh token. If the refresh token came from the cookie, the response
/// removes the cookie; that of the device stays.
#[utoipa::path(
    post,
    path = "/auth/logout",
    tag = "authentication",
    operation_id = "logOut",
    security((), ("accessToken" = []), ("refreshCookie" = [])),
    request_body = Option<LogoutBody>,
    responses(
        (status = 200, description = "The login has ended.", body = Empty, headers(("Set-Cookie"))),
        problems::OriginNotAllowed,
        problems::StoreFull,
        problems::StoreUnavailable,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    caller: LogoutCaller,
    ClientInfo(client): ClientInfo,
    cookies: Cookies,
    body: Option<Body<LogoutBody>>,
) -> Result<Reply<Empty>, ApiError> {
    let token = match body {
        Some(Body(body)) => body.parse()?,
        None => None,
    };
    let stored = match token {
        Some(_) => None,
        None => cookies.get(cookies::REFRESH)?,
    };
    let is_from_cookie = stored.is_some();
    let token = token.or(stored);
    match (caller, &token) {
        (LogoutCaller::Known(caller), _) => ops::log_out(&app.env, &caller).await?,
        (LogoutCaller::Expired, None) => {
            return Err(ApiError::new(
                Code::ExpiredToken,
                "The access token expired too long ago to end its login. Send the refresh token.",
            ));
        }
        (LogoutCaller::Expired | LogoutCaller::Absent, _) => {}
    }
    let security = match token.as_deref().and_then(RefreshToken::parse) {
        Some(token) => ops::log_out_with_token(&app.env, &client, &token).await?,
        None => None,
    };
    let reply = Reply::ok(Empty {}).security(security);
    if is_from_cookie {
        reply.without_cookie(cookies::REFRESH)
    } else {
        Ok(reply)
    }
}
