//! `/audit`: the audit log of the caller's tenant.

mod body;
mod list;

api::function! {
    tag: "audit",
    description: "The audit log of the caller's tenant: who did what, when and from where.",
    tokens: Verifies,
    endpoints: [list],
}
