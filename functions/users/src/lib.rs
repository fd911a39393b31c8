//! `/users/me`: the caller's account.

mod account;
mod body;
mod change_account;
mod schema;
mod usage;

api::function! {
    tag: "users",
    description: "The caller's account, and what its tenant uses.",
    tokens: Verifies,
    endpoints: [account, change_account, usage],
}
