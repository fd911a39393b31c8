//! The web application, at the root of the origin: `/`, `/app/…`, its assets, and `/config.json`.
//!
//! The files come from a folder (`WEB_ROOT`), so that building the programs needs no Node.js. Their sources are in
//! `functions/web/app`.

mod assets;
mod config;
mod files;
mod page;

use std::path::PathBuf;
use std::sync::Arc;

use api::config::TokenUse;
use axum::extract::Request;

use crate::files::Files;

/// The name and the routes of this function.
pub fn function() -> api::Function {
    api::Function {
        name: env!("CARGO_PKG_NAME"),
        router: router(),
    }
}

/// The routes of this function, with the files of `WEB_ROOT`.
pub fn router() -> api::Router {
    router_of(api::config::web_root())
}

/// The routes of this function, with the files of this folder.
pub fn router_of(root: PathBuf) -> api::Router {
    let files = Arc::new(Files::new(root));
    let page = {
        let files = files.clone();
        move |request: Request| page::handle(files.clone(), request)
    };
    let (assets, icon) = (files.clone(), files);
    api::Router::new()
        .with_token_use(TokenUse::Ignores)
        .at_root("/", page.clone())
        .at_root("/app", page.clone())
        .at_root("/app/", page.clone())
        .at_root("/app/{*path}", page)
        .at_root("/assets/{*path}", move |request| {
            assets::immutable(assets.clone(), request)
        })
        .at_root("/icon.svg", move |request| assets::icon(icon.clone(), request))
        .at_root("/config.json", config::handle)
}
