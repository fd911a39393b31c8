//! `POST /users/me/tokens`

use api::openapi::schema::{self, formatted};
use api::openapi::{parameters, problems};
use api::{ApiError, AppState, Authenticated, Body, Checks, Field, IdempotencyKey, Reply};
use axum::extract::State;
use domain::access_tokens::ops::{self, Creation, Draft};
use domain::access_tokens::{Scope, Scopes, parse_expiry};
use domain::text::{Name, Rejection};
use domain::{TenantId, Timestamp};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::token_body::{TokenBody, TokenScope};

api::schemas! {
    /// The expiry of a new token.
    TokenExpiry = formatted("date-time")
        .description(Some(
            "When the token expires: a future point in time (RFC 3339), at most 365 days ahead; by default in 90 days.",
        ))
        .min_length(Some(20))
        .max_length(Some(64))
        .examples(["2027-01-31T00:00:00.000Z"]);
}

/// The maximum number of scopes in a request, in which one may be repeated.
const MAX_SCOPES: usize = 100;

/// A personal access token to create.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateToken)]
pub struct CreateBody {
    /// The display name.
    #[schema(value_type = schema::Name)]
    name: Field<String>,
    /// What the token may do at most: its user's role may allow less. No scope includes another.
    #[schema(value_type = Vec<TokenScope>, min_items = 1, max_items = 100)]
    scopes: Field<Vec<Scope>>,
    /// The tenant in which the token acts, of which the user must be a member; by default the user's own.
    #[schema(value_type = Option<schema::IdParameter>)]
    tenant_id: Field<String>,
    /// When the token expires.
    #[schema(value_type = Option<TokenExpiry>)]
    expires_at: Field<String>,
}

impl CreateBody {
    fn parse(self, now: Timestamp) -> Result<Draft, ApiError> {
        let mut checks = Checks::new();
        let name = checks.required("name", self.name, |text| Name::parse(&text));
        let scopes = checks.required("scopes", self.scopes, |scopes| {
            if scopes.len() > MAX_SCOPES {
                return Err(Rejection(format!("must have at most {MAX_SCOPES} items")));
            }
            Scopes::new(scopes)
        });
        let tenant = checks.optional("tenantId", self.tenant_id, |text| {
            TenantId::parse(&text).ok_or_else(|| Rejection("must be a UUID with hyphens".to_owned()))
        });
        let expires_at = checks.optional("expiresAt", self.expires_at, |text| parse_expiry(&text, now));
        match (name, scopes, tenant, expires_at) {
            (Some(name), Some(scopes), Some(tenant), Some(expires_at)) => Ok(Draft {
                name,
                scopes,
                tenant,
                expires_at,
            }),
            _ => Err(checks.into_error()),
        }
    }
}

/// Creates a personal access token, with which a program acts in the caller's name. This response is the only one with
/// the token itself: the API stores a digest. The caller must have entered the password in the current login within the
/// last ten minutes, and is notified by email. A repeated request with the same `Idempotency-Key` creates no second
/// token, and its response does not contain the token: a client that lost the first response revokes the token and
/// creates another one with a new key.
#[utoipa::path(
    post,
    path = "/users/me/tokens",
    tag = "users",
    operation_id = "createToken",
    security(("accessToken" = [])),
    params(parameters::IdempotencyKey),
    request_body = CreateBody,
    responses(
        (
            status = 201,
            description = "The new token.",
            body = TokenBody,
            headers(("Idempotency-Replayed")),
            links(
                ("revoke" = (operation_id = "revokeToken", parameters(("id" = "$response.body#/data/id")))),
                ("list" = (operation_id = "listTokens")),
            )
        ),
        problems::NotFound,
        problems::QuotaExceeded,
        problems::ReauthenticationRequired,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<CreateBody>,
) -> Result<Reply<TokenBody>, ApiError> {
    let draft = body.parse(caller.at())?;
    let (body, is_replayed) = match ops::create(&app.env, &caller, draft, key.as_ref()).await? {
        Creation::Fresh(token, text) => (TokenBody::new(token, Some(text.reveal().to_owned())), false),
        Creation::Replayed(token) => (TokenBody::new(token, None), true),
    };
    Ok(Reply::created(body).replayed(is_replayed))
}
