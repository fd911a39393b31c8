//! `/audit`: the audit log of the caller's tenant.

mod body;
mod list;

api::function! {
    tag: "audit",
    description: "What was done in the caller's tenant, by whom and from where.",
    tokens: Verifies,
    endpoints: [list],
}
