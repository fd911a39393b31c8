//! `GET /.well-known/jwks.json`

use api::{AppState, Bare};
use axum::extract::State;
use jwt::JwkSet;

/// The public keys of the access tokens, as the bare JWK Set that its readers expect (RFC 7517, section 5). Under HS256 there
/// are none to show.
pub async fn jwks(State(app): State<AppState>) -> Bare<JwkSet> {
    Bare(app.tokens.public_keys())
}
