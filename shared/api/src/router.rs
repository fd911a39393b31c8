//! A function's route table: each route is stated once, at its handler, served under both prefixes ([`crate::app`]) and
//! readable by tests.

use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use utoipa::openapi::path::HttpMethod;

use crate::config::TokenUse;
use crate::json::BODY_MAX_BYTES;
use crate::state::AppState;

/// The prefixes under which every path is served.
pub const PREFIXES: [&str; 2] = ["/v5", "/api/v5"];

/// The part of the second prefix that precedes the first one. Routes are registered under the first prefix only.
pub(crate) const ALIAS_PREFIX: &str = "/api";

/// One entry of a route table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The method, in capitals.
    pub method: &'static str,
    /// The path without its prefix; parameters in braces.
    pub path: String,
    /// The largest request body that it accepts, in bytes.
    pub body_max_bytes: usize,
}

/// An axum router that also lists its routes, so that tests can compare the deployment's copies of them with the code.
#[derive(Clone, Default)]
pub struct Router {
    axum: axum::Router<AppState>,
    routes: Vec<Route>,
    token_use: TokenUse,
    /// The paths of the routes of functions that ignore tokens, and so serve no tenant's data.
    open_paths: Vec<String>,
}

impl Router {
    /// A router without routes, for a function that verifies tokens.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares what the function does with access tokens, which decides the keys that it loads at start.
    #[must_use]
    pub fn with_token_use(self, token_use: TokenUse) -> Self {
        Self { token_use, ..self }
    }

    /// Adds a handler under the method and the path that its `#[utoipa::path]` states.
    ///
    /// # Panics
    /// If the attribute states several methods.
    #[must_use]
    pub fn route<P: utoipa::Path, T: 'static>(self, handler: impl Handler<T, AppState>) -> Self {
        let methods = P::methods();
        let [method] = &methods[..] else {
            panic!("the handler of {} has more than one method", P::path());
        };
        self.on(method, P::path(), handler)
    }

    /// Lets the route that was added last accept larger bodies than the others.
    ///
    /// # Panics
    /// If there is no route.
    #[must_use]
    pub fn accepting(mut self, body_max_bytes: usize) -> Self {
        let last = self.routes.last_mut().expect("a route was added");
        last.body_max_bytes = body_max_bytes;
        self
    }

    /// The routes of both routers, and the keys of the one that needs more.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.routes.extend(other.routes);
        self.open_paths.extend(other.open_paths);
        Self {
            axum: self.axum.merge(other.axum),
            routes: self.routes,
            open_paths: self.open_paths,
            token_use: self.token_use.max(other.token_use),
        }
    }

    /// The route table, in the order in which the routes were added.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// What the function does with access tokens.
    pub fn token_use(&self) -> TokenUse {
        self.token_use
    }

    /// The router, and the paths, with their prefix, that are served whatever the store contains.
    pub(crate) fn into_parts(self) -> (axum::Router<AppState>, Vec<String>) {
        (self.axum, self.open_paths)
    }

    /// Adds a handler under this method and path: for tests, because a route is stated at its handler.
    #[must_use]
    pub fn on<T: 'static>(
        mut self,
        method: &HttpMethod,
        path: impl Into<String>,
        handler: impl Handler<T, AppState>,
    ) -> Self {
        let (method, filter) = match method {
            // axum uses this handler for `HEAD`, too.
            HttpMethod::Get => ("GET", MethodFilter::GET),
            HttpMethod::Post => ("POST", MethodFilter::POST),
            HttpMethod::Put => ("PUT", MethodFilter::PUT),
            HttpMethod::Patch => ("PATCH", MethodFilter::PATCH),
            HttpMethod::Delete => ("DELETE", MethodFilter::DELETE),
            HttpMethod::Head => ("HEAD", MethodFilter::HEAD),
            HttpMethod::Options => ("OPTIONS", MethodFilter::OPTIONS),
            HttpMethod::Trace => ("TRACE", MethodFilter::TRACE),
        };
        let (path, [prefix, _]) = (path.into(), PREFIXES);
        let full_path = [prefix, &path].concat();
        let axum = self.axum.route(&full_path, on(filter, handler));
        if self.token_use == TokenUse::Ignores {
            self.open_paths.push(full_path);
        }
        self.routes.push(Route {
            method,
            path,
            body_max_bytes: BODY_MAX_BYTES,
        });
        Self { axum, ..self }
    }
}
