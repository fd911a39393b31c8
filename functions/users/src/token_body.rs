//! The wire format of a personal access token.

use api::openapi::schema::{self, Id, Time, text};
use domain::access_tokens::{AccessToken, Scope, Scopes};
use domain::text::Name;
use domain::{AccessTokenId, TenantId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

api::schemas! {
    /// A scope.
    TokenScope = text().enum_values(Some(Scope::NAMES.iter().copied()));

    /// A personal access token as clients send it. The checksum of the example is wrong.
    TokenText = text()
        .description(Some(
            "The token as clients send it, in the response that creates it and nowhere else. It is absent from the \
             response to a repeated request with the same `Idempotency-Key`.",
        ))
        .min_length(Some(107))
        .max_length(Some(107))
        .pattern(Some("^coditect_pat_[0-9A-Za-z]{94}$"))
        .examples([concat!(
            "coditect_pat_02xAinIDarTfXDwxcOsmjr3ESaTKldeaYXYOEPLqRZqq",
            "110ANQHhhrTZR1wmquBLbB3gzv468CiUvnSUJsO4fqWS000000",
        )]);
}

/// A personal access token. Its text is not stored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PersonalAccessToken)]
pub struct TokenBody {
    /// The token's id.
    #[schema(value_type = Id)]
    id: AccessTokenId,
    /// The name.
    #[schema(value_type = schema::Name)]
    name: Name,
    /// What the token may do at most.
    #[schema(value_type = Vec<TokenScope>, min_items = 1, max_items = 8)]
    scopes: Scopes,
    /// The tenant in which the token acts.
    #[schema(value_type = Id)]
    tenant_id: TenantId,
    /// When the token was created.
    #[schema(value_type = Time)]
    created_at: Timestamp,
    /// When the token expires, or has expired. An expired token is listed for 30 days.
    #[schema(value_type = Time)]
    expires_at: Timestamp,
    /// A time when the token was used, less than an hour before its last use; null if it never was.
    #[schema(value_type = Option<Time>, required)]
    last_used_at: Option<Timestamp>,
    /// The token as clients send it, in the response that creates it and nowhere else. It is absent from the response
    /// to a repeated request with the same `Idempotency-Key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = TokenText, required = false)]
    token: Option<String>,
}

impl TokenBody {
    pub(crate) fn new(token: AccessToken, text: Option<String>) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes,
            tenant_id: token.tenant,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            token: text,
        }
    }
}
