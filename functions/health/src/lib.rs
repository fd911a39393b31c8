//! `/health` and `/ready`: whether the process and its store respond; `/openapi.json` and `/docs`: the description of
//! the whole API.

mod docs;
mod health;
mod openapi;
mod ready;

api::function! {
    tag: "health",
    description: "Is the process there, does its store answer, and what can be asked of it.",
    tokens: Ignores,
    endpoints: [health, ready, openapi, docs],
}
