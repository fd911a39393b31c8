//! Every function's own program under the Runtime API, with the paths given to them as a gateway does: each in one sandbox, all on one store.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use serde_json::Value;
use testkit::{Process, RuntimeApi, Target, TestStore, build_functions};

const SAMPLE: &str = include_str!("../../../events/http-api-v2.json");

/// The function that answers paths which are nobody's.
const ELSEWHERE: &str = "health";

/// The functions' programs, as a target for requests.
pub struct Functions {
    running: Vec<Running>,
    /// From a route to the function's place in the list.
    routes: matchit::Router<usize>,
    elsewhere: usize,
}

struct Running {
    name: &'static str,
    function: RuntimeApi,
    invocations: AtomicUsize,
}

impl Functions {
    /// Starts one process of each function that answers requests.
    pub async fn start(store: &TestStore, env: &[(&str, &str)]) -> Self {
        let (mut running, mut routes) = (Vec::new(), matchit::Router::new());
        for (name, router) in gateway::functions() {
            for route in router.routes() {
                for prefix in api::router::PREFIXES {
                    // A path is there once for each of its methods.
                    let _ = routes.insert(format!("{prefix}{}", route.path), running.len());
                }
            }
            running.push(Running {
                name,
                function: RuntimeApi::start(Self::command(name, store, env).await).await,
                invocations: AtomicUsize::new(0),
            });
        }
        let elsewhere = running.iter().position(|running| running.name == ELSEWHERE);
        Self {
            running,
            routes,
            elsewhere: elsewhere.expect("it is a function"),
        }
    }

    /// The program of a function on this store, with this besides in its environment.
    pub async fn command(name: &str, store: &TestStore, env: &[(&str, &str)]) -> Command {
        let mut command = Process::command(build_functions().await.join(name));
        command.envs(store.env()).envs(env.iter().copied());
        command
    }

    /// Gives an event that is no request to each of them.
    pub async fn invoke_each(&self, event: &Value) {
        for running in &self.running {
            running.invocations.fetch_add(1, Relaxed);
            // Whether it is refused or answered 404 is not the point here.
            let _ = running.function.invoke(event).await;
        }
    }

    /// Ends them all: the name of each, how often it was invoked, and what it has written to its log.
    pub async fn end(self) -> Vec<(&'static str, usize, String)> {
        let mut logs = Vec::new();
        for running in self.running {
            let invocations = running.invocations.into_inner();
            logs.push((running.name, invocations, running.function.stop().await));
        }
        logs
    }
}

impl Target for Functions {
    async fn exchange(&self, request: Request<Body>) -> Response<Bytes> {
        let matched = self.routes.at(request.uri().path());
        let index = matched.map_or(self.elsewhere, |matched| *matched.value);
        let running = &self.running[index];
        running.invocations.fetch_add(1, Relaxed);
        running.function.behind(SAMPLE).exchange(request).await
    }
}
