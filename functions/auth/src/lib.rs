//! `/auth/…`: registering, logging in, logging out.

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
        .signing_tokens()
}
