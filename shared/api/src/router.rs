//! A function's route table: written once, answered under both prefixes ([`crate::app`]), and readable by tests.

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{self, MethodRouter};

use crate::config::TokenUse;
use crate::state::AppState;

/// The prefixes under which every path answers.
pub const PREFIXES: [&str; 2] = ["/v5", "/api/v5"];

/// What the second prefix has before the first, which is the one that routes are made with.
pub(crate) const BEFORE: &str = "/api";

/// One line of a route table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The method, in capitals.
    pub method: String,
    /// The path without its prefix; parameters in braces.
    pub path: &'static str,
}

/// An axum router that remembers its routes, so that the deployment's copies of them can be held to the code.
#[derive(Clone, Default)]
pub struct Router {
    axum: axum::Router<AppState>,
    routes: Vec<Route>,
    token_use: TokenUse,
}

impl Router {
    /// A router without routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that access tokens are made here: without a key to sign them with, the function does not start. One that does not
    /// say so never has such a key.
    #[must_use]
    pub fn signing_tokens(self) -> Self {
        Self {
            token_use: TokenUse::Signs,
            ..self
        }
    }

    /// Says that no route here looks at access tokens: the function is given no key for them.
    #[must_use]
    pub fn ignoring_tokens(self) -> Self {
        Self {
            token_use: TokenUse::Ignores,
            ..self
        }
    }

    /// Answers `GET` (and with it `HEAD`).
    #[must_use]
    pub fn get<T: 'static>(self, path: &'static str, handler: impl Handler<T, AppState>) -> Self {
        self.on(&Method::GET, path, routing::get(handler))
    }

    /// Answers `POST`.
    #[must_use]
    pub fn post<T: 'static>(self, path: &'static str, handler: impl Handler<T, AppState>) -> Self {
        self.on(&Method::POST, path, routing::post(handler))
    }

    /// Answers `PATCH`.
    #[must_use]
    pub fn patch<T: 'static>(self, path: &'static str, handler: impl Handler<T, AppState>) -> Self {
        self.on(&Method::PATCH, path, routing::patch(handler))
    }

    /// Answers `DELETE`.
    #[must_use]
    pub fn delete<T: 'static>(self, path: &'static str, handler: impl Handler<T, AppState>) -> Self {
        self.on(&Method::DELETE, path, routing::delete(handler))
    }

    /// The routes of both.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.routes.extend(other.routes);
        Self {
            axum: self.axum.merge(other.axum),
            routes: self.routes,
            token_use: self.token_use.max(other.token_use),
        }
    }

    /// The table, in the order in which it was written.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// What is done with access tokens here.
    pub fn token_use(&self) -> TokenUse {
        self.token_use
    }

    pub(crate) fn into_axum(self) -> axum::Router<AppState> {
        self.axum
    }

    fn on(mut self, method: &Method, path: &'static str, handler: MethodRouter<AppState>) -> Self {
        self.routes.push(Route {
            method: method.to_string(),
            path,
        });
        let [prefix, _] = PREFIXES;
        Self {
            axum: self.axum.route(&[prefix, path].concat(), handler),
            ..self
        }
    }
}
