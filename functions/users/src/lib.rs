//! `/users/me`: the caller's account.

mod account;
mod body;
mod change_account;
mod create_token;
mod revoke_token;
mod schema;
mod token_body;
mod tokens;
mod usage;

api::function! {
    tag: "users",
    description: "The caller's account, their personal access tokens, and what their tenant uses.",
    tokens: Verifies,
    endpoints: [account, change_account, usage, create_token, tokens, revoke_token],
}
