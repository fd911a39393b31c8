//! The answer of every endpoint that signs somebody in.

use api::{ApiError, AppState};
use domain::logins::SignedIn;
use domain::{Timestamp, UserId};
use jwt::Subject;
use serde::Serialize;

/// A token, and who and where it is for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedInBody {
    token: String,
    token_type: &'static str,
    expires_in: i64,
    expires_at: Timestamp,
    refresh_token: String,
    user: UserBody,
    tenant: TenantBody,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserBody {
    id: UserId,
    email: String,
    first_name: Option<String>,
    last_name: Option<String>,
    created_at: Timestamp,
}

#[derive(Serialize)]
struct TenantBody {
    id: domain::TenantId,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
}

impl SignedInBody {
    /// Signs a token for a login that has been stored.
    pub fn sign(app: &AppState, signed_in: SignedIn) -> Result<Self, ApiError> {
        let SignedIn {
            user,
            tenant,
            membership,
            login,
            refresh_token,
            at,
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
            refresh_token: refresh_token.reveal(),
            user: UserBody {
                id: user.id,
                email: user.email.to_string(),
                first_name: user.first_name.map(|name| name.to_string()),
                last_name: user.last_name.map(|name| name.to_string()),
                created_at: user.created_at,
            },
            tenant: TenantBody {
                id: tenant.id,
                name: tenant.name,
                kind: tenant.kind.as_str(),
                role: membership.role.as_str(),
            },
        })
    }
}
