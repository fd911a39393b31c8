//! `/auth/…`: registration, login, refresh, logout, passwords and the caller's logins; `/.well-known/jwks.json`: the
//! public keys that verify access tokens.

mod end_login;
mod jwks;
mod login;
mod logins;
mod logout;
mod logout_all;
mod password;
mod reauthenticate;
mod refresh;
mod register;
mod schema;
mod signed_in;
mod transport;

api::function! {
    tag: "authentication",
    description: "Registration, login, refresh, logout, passwords and logins.",
    tokens: Signs,
    endpoints: [register, login, refresh, logout, logout_all, password, reauthenticate, logins, end_login, jwks],
}
