//! `/users/me`: the caller's account.

mod usage;

api::function! {
    tag: "users",
    description: "The caller's account, and what its tenant uses.",
    tokens: Verifies,
    endpoints: [usage],
}
