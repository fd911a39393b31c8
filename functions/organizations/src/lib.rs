//! `/organizations…`: tenants that several users share, and their members.

mod body;
mod change;
mod change_member;
mod create;
mod delete;
mod get;
mod leave;
mod list;
mod members;
mod remove_member;
mod usage;

api::function! {
    tag: "organizations",
    description: "Tenants that several users share, and their members.",
    tokens: Verifies,
    endpoints: [
        create,
        list,
        get,
        change,
        delete,
        usage,
        members,
        change_member,
        remove_member,
        leave,
    ],
}
