//! The program of every function under the Runtime API, all on one store. Requests are routed as a gateway routes them.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use serde_json::Value;
use testkit::{Process, RuntimeApi, Target, TestStore, build_functions};

pub const SAMPLE: &str = include_str!("../../../events/http-api-v2.json");

/// The function that receives requests for unknown paths.
const FALLBACK: &str = "health";

/// The programs of the functions, as a target for requests.
pub struct FunctionProcesses {
    running: Vec<Running>,
    /// From a route to the index of its function in `running`.
    routes: matchit::Router<usize>,
    fallback: usize,
}

struct Running {
    name: &'static str,
    function: RuntimeApi,
    invocations: AtomicUsize,
}

/// The log of a function whose process has stopped.
pub struct FunctionLog {
    pub name: &'static str,
    pub invocations: usize,
    pub text: String,
}

impl FunctionProcesses {
    /// Starts one process of each function with routes.
    pub async fn start(store: &TestStore, env: &[(&str, &str)]) -> Self {
        let (mut running, mut routes) = (Vec::new(), matchit::Router::new());
        for api::Function { name, router } in gateway::functions() {
            for path in router.root_paths() {
                routes.insert(*path, running.len()).expect("each path has one function");
            }
            for route in router.routes() {
                for prefix in api::router::PREFIXES {
                    // Fails for the second method of a path, which has the same function.
                    let _ = routes.insert(format!("{prefix}{}", route.path), running.len());
                }
            }
            running.push(Running {
                name,
                function: RuntimeApi::start(Self::command(name, store, env).await).await,
                invocations: AtomicUsize::new(0),
            });
        }
        let fallback = running.iter().position(|running| running.name == FALLBACK);
        Self {
            running,
            routes,
            fallback: fallback.expect("the fallback is a function"),
        }
    }

    /// The program of a function on this store, with additional environment variables.
    pub async fn command(name: &str, store: &TestStore, env: &[(&str, &str)]) -> Command {
        let mut command = Process::command(build_functions().await.join(name));
        command.envs(store.env()).envs(env.iter().copied());
        command
    }

    /// Invokes each function with an event that is not a request.
    pub async fn invoke_each(&self, event: &Value) {
        for running in &self.running {
            running.invocations.fetch_add(1, Relaxed);
            // The result does not matter to these tests: an error or a 404.
            let _ = running.function.invoke(event).await;
        }
    }

    /// Stops all functions and returns their logs.
    pub async fn stop(self) -> Vec<FunctionLog> {
        let mut logs = Vec::new();
        for running in self.running {
            logs.push(FunctionLog {
                name: running.name,
                invocations: running.invocations.into_inner(),
                text: running.function.stop().await,
            });
        }
        logs
    }
}

impl Target for FunctionProcesses {
    async fn exchange(&self, request: Request<Body>) -> Response<Bytes> {
        let matched = self.routes.at(request.uri().path());
        let index = matched.map_or(self.fallback, |matched| *matched.value);
        let running = &self.running[index];
        running.invocations.fetch_add(1, Relaxed);
        running.function.behind(SAMPLE).exchange(request).await
    }
}
