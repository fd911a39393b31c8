//! `GET /.well-known/jwks.json`

use api::openapi::schema::constant;
use api::{AppState, Bare};
use axum::extract::State;
use jwt::JwkSet;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

// As the library writes it.
/// A JWK Set (RFC 7517, section 5).
#[derive(ToSchema)]
#[schema(as = KeySet)]
#[expect(dead_code, reason = "it only describes what the library writes")]
struct KeySet {
    /// The keys, the one that signs first.
    #[schema(max_items = 3)]
    keys: Vec<Key>,
}

/// An Ed25519 public key (RFC 8037, section 2).
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes what the library writes")]
struct Key {
    #[schema(schema_with = okp)]
    kty: String,
    #[schema(schema_with = ed25519)]
    crv: String,
    /// The key, in base64url.
    #[schema(
        pattern = "^[A-Za-z0-9_-]{43}$",
        max_length = 43,
        example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    )]
    x: String,
    /// Its thumbprint (RFC 7638), which tokens name it by.
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

/// The public keys of the access tokens, as the bare JWK Set that its readers expect (RFC 7517, section 5). Under HS256 there
/// are none to show.
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
