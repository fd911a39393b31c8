//! `/health` and `/ready`: whether the process and its store respond; `/version`: what it was built from;
//! `/openapi.json` and `/docs`: the description of the whole API.

mod docs;
mod health;
mod openapi;
mod ready;
mod version;

api::function! {
    tag: "health",
    description: "Health checks, and the description of this API.",
    tokens: Ignores,
    endpoints: [health, ready, version, openapi, docs],
}
