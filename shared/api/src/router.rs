//! A function's route table: each route is stated once, at its handler, served under both prefixes ([`crate::app`]) and
//! readable by tests.

use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use utoipa::openapi::path::HttpMethod;

use crate::config::{OpenObjects, TokenUse};
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
    /// The paths that are served without a prefix.
    root_paths: Vec<&'static str>,
    token_use: TokenUse,
    /// Opens the object store; `None` for a function without large files.
    open_objects: Option<OpenObjects>,
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

    /// Gives the function the object store, which `open` opens at start if the deployment has one.
    #[must_use]
    pub fn with_objects(self, open: OpenObjects) -> Self {
        Self {
            open_objects: Some(open),
            ..self
        }
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

    /// The routes of both routers, the keys of the one that needs more, and the object store if one has it.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.routes.extend(other.routes);
        self.root_paths.extend(other.root_paths);
        self.open_paths.extend(other.open_paths);
        Self {
            axum: self.axum.merge(other.axum),
            routes: self.routes,
            root_paths: self.root_paths,
            open_paths: self.open_paths,
            token_use: self.token_use.max(other.token_use),
            open_objects: self.open_objects.or(other.open_objects),
        }
    }

    /// The route table, in the order in which the routes were added.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Lets browsers get this path at the root of the origin, without a prefix: for the web application, which is no
    /// part of the API and its document.
    #[must_use]
    pub fn at_root<T: 'static>(mut self, path: &'static str, handler: impl Handler<T, AppState>) -> Self {
        let axum = self.axum.route(path, on(MethodFilter::GET, handler));
        if self.token_use == TokenUse::Ignores {
            self.open_paths.push(path.to_owned());
        }
        self.root_paths.push(path);
        Self { axum, ..self }
    }

    /// The paths at the root of the origin, in the order in which they were added.
    pub fn root_paths(&self) -> &[&'static str] {
        &self.root_paths
    }

    /// What the function does with access tokens.
    pub fn token_use(&self) -> TokenUse {
        self.token_use
    }

    /// Opens the object store; `None` for a function without large files.
    pub fn open_objects(&self) -> Option<OpenObjects> {
        self.open_objects
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
