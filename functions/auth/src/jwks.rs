//! `GET /.well-known/jwks.json`

use api::openapi::schema::constant;
use api::{AppState, Bare};
use axum::extract::State;
use jwt::JwkSet;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// A JWK Set (RFC 7517, section 5).
#[derive(ToSchema)]
#[schema(as = KeySet)]
#[expect(dead_code, reason = "it only documents the library's type")]
struct KeySet {
    /// The keys; the current signing key is first.
    #[schema(max_items = 3)]
    keys: Vec<Key>,
}

/// An Ed25519 public key (RFC 8037, section 2).
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only documents the library's type")]
struct Key {
    #[schema(schema_with = okp)]
    kty: String,
    #[schema(schema_with = ed25519)]
    crv: String,
    /// The public key, in base64url.
    #[schema(
        pattern = "^[A-Za-z0-9_-]{43}$",
        max_length = 43,
        example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    )]
    x: String,
    /// The key's thumbprint (RFC 7638), which tokens carry as `kid`.
    #[schema(
        pattern = "^[A-Za-z0-9_-]{43}$",
        max_length = 43,
        example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    )]
    kid: String,
    #[schema(schema_with = sig)]
    r#use: String,
    #[schema(schema_with = eddsa)]
    alg: String,
}

fn okp() -> RefOr<Schema> {
    constant("OKP")
}

fn ed25519() -> RefOr<Schema> {
    constant("Ed25519")
}

fn sig() -> RefOr<Schema> {
    constant("sig")
}

fn eddsa() -> RefOr<Schema> {
    constant("EdDSA")
}

/// Returns the public keys of access tokens, as a JWK Set without an envelope (RFC 7517, section 5). With HS256 the set
/// is empty.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "authentication",
    operation_id = "getKeys",
    responses((status = 200, description = "The public keys.", body = KeySet, extensions(("x-bare" = json!(true))))),
)]
pub async fn handle(State(app): State<AppState>) -> Bare<JwkSet> {
    Bare(app.tokens.public_keys())
}
