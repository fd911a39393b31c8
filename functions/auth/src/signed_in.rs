//! The response of every endpoint that signs a user in.

use api::openapi::schema::{Id, Time};
use api::{ApiError, AppState, Identity, Reply, TenantBody};
use domain::logins::SignedIn;
use domain::{Timestamp, UserId};
use jwt::Subject;
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema;
use crate::transport::Transport;

/// The tokens of a login, with its user and tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignedIn)]
pub struct SignedInBody {
    /// The access token, a JWT (RFC 9068). Send it as `Authorization: Bearer …`.
    #[schema(
        pattern = r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$",
        max_length = 4096,
        example = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMTkwZDBhMCJ9.c2lnbmF0dXJl"
    )]
    token: String,
    /// Always `Bearer` (RFC 6750).
    #[schema(value_type = schema::TokenType)]
    token_type: &'static str,
    /// The access token's lifetime in seconds.
    #[schema(minimum = 0, maximum = 31_536_000, example = 86_400)]
    expires_in: i64,
    /// When the access token expires.
    #[schema(value_type = Time)]
    expires_at: Timestamp,
    /// Absent if it is in a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::RefreshToken, required = false)]
    refresh_token: Option<String>,
    /// Absent if it is in a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::DeviceToken, required = false)]
    device_token: Option<String>,
    /// The signed-in user.
    user: UserBody,
    /// The tenant of the login.
    tenant: TenantBody,
}

/// A user's account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
struct UserBody {
    /// The user's id.
    #[schema(value_type = Id)]
    id: UserId,
    /// The email to log in with.
    #[schema(value_type = schema::Email)]
    email: String,
    /// Whether the user has verified the email.
    email_verified: bool,
    /// The user's first name.
    #[schema(required, min_length = 1, max_length = 200, example = "Test")]
    first_name: Option<String>,
    /// The user's last name.
    #[schema(required, min_length = 1, max_length = 200, example = "User")]
    last_name: Option<String>,
    /// When the account was registered.
    #[schema(value_type = Time)]
    created_at: Timestamp,
}

impl SignedInBody {
    /// Signs an access token for a stored login, and shapes the reply: the one place where tokens leave the API.
    pub fn reply(
        success: fn(Self) -> Reply<Self>,
        app: &AppState,
        signed_in: &SignedIn,
        transport: Transport,
    ) -> Result<Reply<Self>, ApiError> {
        let (identity, security) = (Identity::from(signed_in), signed_in.security);
        let mut body = Self::sign(app, signed_in)?;
        let reply = if transport.is_cookie() {
            Transport::add_cookies(success(body), signed_in, app.env.limits.login)?
        } else {
            let token = &signed_in.refresh_token;
            body.refresh_token = Some(token.reveal());
            body.device_token = Some(token.device_token().reveal());
            success(body)
        };
        Ok(reply.issued_to(identity).security(security))
    }

    /// The body without the refresh token and the device token.
    fn sign(app: &AppState, signed_in: &SignedIn) -> Result<Self, ApiError> {
        let SignedIn {
            user,
            tenant,
            membership,
            login,
            at,
            ..
        } = signed_in;
        let subject = Subject {
            user: user.id.uuid(),
            tenant: tenant.id.uuid(),
            login: login.id.uuid(),
            email: user.email.to_string(),
            token: app.env.ids.next::<domain::TokenId>().uuid(),
            not_after: login.expires_at.as_seconds(),
        };
        let (token, claims) = app.tokens.sign(subject, at.as_seconds())?;
        Ok(Self {
            token,
            token_type: "Bearer",
            expires_in: claims.exp.saturating_sub(claims.iat),
            expires_at: Timestamp::from_millis(claims.exp.saturating_mul(1000)),
            refresh_token: None,
            device_token: None,
            user: UserBody {
                id: user.id,
                email: user.email.to_string(),
                email_verified: user.email_verified_at.is_some(),
                first_name: user.first_name.as_ref().map(ToString::to_string),
                last_name: user.last_name.as_ref().map(ToString::to_string),
                created_at: user.created_at,
            },
            tenant: TenantBody::new(tenant.id, tenant.name.clone(), tenant.kind, membership.role),
        })
    }
}
