//! `/health` and `/ready`: whether the process and its store respond; `/openapi.json` and `/docs`: the description of
//! the whole API.

mod docs;
mod health;
mod openapi;
mod ready;

api::function! {
    tag: "health",
    description: "Health checks, and the description of this API.",
    tokens: Ignores,
    endpoints: [health, ready, openapi, docs],
}
