//! `/auth/…`: registering, logging in, logging out; and the keys with which others can verify what is signed here.

mod jwks;
mod login;
mod logout;
mod register;
mod signed_in;

/// The route table.
pub fn router() -> api::Router {
    api::Router::new()
        .post("/auth/register", register::register)
        .post("/auth/login", login::login)
        .post("/auth/logout", logout::logout)
        .get("/.well-known/jwks.json", jwks::jwks)
        .signing_tokens()
}
