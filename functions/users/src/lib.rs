//! `/users/me`: the caller's account. `/avatars`: the pictures of users. `/exports`: the exports of accounts.

mod account;
mod avatar;
mod body;
mod cancel_deletion;
mod change_account;
mod create_token;
mod deletion;
mod download_export;
mod export_body;
mod exports;
mod get_deletion;
mod remove_avatar;
mod request_export;
mod revoke_token;
mod schedule_deletion;
mod schema;
mod set_avatar;
mod token_body;
mod tokens;
mod usage;

api::function! {
    tag: "users",
    description: "The caller's account, its export and deletion, their access tokens, and what their tenant uses.",
    tokens: Verifies,
    endpoints: [
        account,
        change_account,
        set_avatar(picture::MAX_BYTES),
        remove_avatar,
        avatar,
        usage,
        create_token,
        tokens,
        revoke_token,
        get_deletion,
        schedule_deletion,
        cancel_deletion,
        request_export,
        exports,
        download_export,
    ],
}
