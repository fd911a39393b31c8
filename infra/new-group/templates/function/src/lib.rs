//! `/things`: the things of the caller's tenant.

mod body;
mod list;

api::function! {
    tag: "things",
    description: "The things of the caller's tenant.",
    tokens: Verifies,
    endpoints: [list],
}
