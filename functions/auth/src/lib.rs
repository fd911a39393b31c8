//! `/auth/…`: registration, login, refresh, logout, passwords, recovery, emails and the caller's logins;
//! `/users/me/email`: changing the email; `/.well-known/jwks.json`: the public keys that verify access tokens.

mod change_email;
mod complete_recovery;
mod confirm_email;
mod end_login;
mod jwks;
mod login;
mod logins;
mod logout;
mod logout_all;
mod mail_token;
mod pace;
mod password;
mod reauthenticate;
mod refresh;
mod register;
mod request_recovery;
mod schema;
mod send_verification;
mod signed_in;
mod transport;
mod undo_email;
mod verify_email;

api::function! {
    tag: "authentication",
    description: "Registration, login, refresh, logout, passwords, recovery, emails and logins.",
    tokens: Signs,
    endpoints: [
        register, login, refresh, logout, logout_all, password, reauthenticate, logins, end_login, request_recovery,
        complete_recovery, verify_email, send_verification, change_email, confirm_email, undo_email, jwks,
    ],
}
