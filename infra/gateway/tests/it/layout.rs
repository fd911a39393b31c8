//! The places that must name every function and every route, held to the code: what is forgotten is named.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn every_folder_in_functions_is_in_the_gateway() {
    let folders: BTreeSet<String> = std::fs::read_dir(Path::new(ROOT).join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let mounted: BTreeSet<String> = gateway::functions()
        .into_iter()
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(
        mounted, folders,
        "gateway::functions() names every folder in functions/, and nothing else"
    );
}

/// The router that `cargo lambda watch` uses: from a path's pattern to the function that it starts.
fn watch_router() -> Vec<(String, String)> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--locked",
            "--offline",
        ])
        .current_dir(ROOT)
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let router = metadata["metadata"]["lambda"]["watch"]["router"]
        .as_object()
        .expect("the root Cargo.toml has it")
        .clone();
    router
        .into_iter()
        .map(|(path, function)| (path, function.as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn cargo_lambda_routes_every_route_to_its_function() {
    let mut router = matchit::Router::new();
    for (path, function) in watch_router() {
        router.insert(path, function).unwrap();
    }
    for (function, routes) in gateway::functions() {
        for route in routes.routes() {
            for prefix in api::router::PREFIXES {
                let path = format!("{prefix}{}", route.path);
                let named = router.at(&path).map(|matched| matched.value.as_str());
                assert_eq!(
                    named,
                    Ok(function),
                    "[workspace.metadata.lambda.watch.router] in Cargo.toml, for {path}"
                );
            }
        }
    }
}

#[test]
fn cargo_lambda_routes_nothing_that_no_function_answers() {
    for (pattern, function) in watch_router() {
        if pattern == "/{*path}" || pattern == "/" {
            // What nobody answers goes to a function that says so.
            continue;
        }
        let mut router = matchit::Router::new();
        router.insert(pattern.clone(), ()).unwrap();
        let (_, table) = gateway::functions()
            .into_iter()
            .find(|(name, _)| *name == function)
            .expect("a function's name");
        let answers = table.routes().iter().any(|route| {
            api::router::PREFIXES
                .iter()
                .any(|prefix| router.at(&format!("{prefix}{}", route.path)).is_ok())
        });
        assert!(answers, "{function} has no route under {pattern}");
    }
}
