//! `/organizations…`: tenants that several users share, their members and invitations; `/invitations…`: what an
//! invited person does.

mod accept_invitation;
mod body;
mod change;
mod change_member;
mod create;
mod delete;
mod get;
mod inspect_invitation;
mod invitation_body;
mod invitations;
mod invite;
mod leave;
mod list;
mod members;
mod remove_member;
mod revoke_invitation;
mod usage;

api::function! {
    tag: "organizations",
    description: "Tenants that several users share, their members and invitations.",
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
        invite,
        invitations,
        revoke_invitation,
        inspect_invitation,
        accept_invitation,
    ],
}
