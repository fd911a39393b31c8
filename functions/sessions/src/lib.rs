//! `/sessions…`: the workspace sessions of the caller's tenant.

mod body;
mod change;
mod create;
mod delete;
mod get;
mod list;
mod schema;

api::function! {
    tag: "sessions",
    description: "The workspace sessions of the caller's tenant.",
    tokens: Verifies,
    endpoints: [create, list, get, change, delete],
}
