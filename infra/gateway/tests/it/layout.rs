//! The places that must name every function and every route, held to the code: what is forgotten is named.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

pub fn folders() -> BTreeSet<String> {
    std::fs::read_dir(Path::new(ROOT).join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

fn metadata() -> Value {
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
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_folder_in_functions_is_in_the_gateway() {
    let routers = gateway::functions().into_iter().map(|(name, _)| name.to_owned());
    let jobs = gateway::jobs().into_iter().map(|job| job.name().to_owned());
    let mut mounted: Vec<String> = routers.chain(jobs).collect();
    mounted.sort();
    assert_eq!(
        mounted,
        Vec::from_iter(folders()),
        "gateway::functions() or gateway::jobs() names every folder in functions/ once, and nothing else"
    );
}

/// `make build FEATURES=fdb` gives the feature to whichever of the packages have it, and does not complain about the others.
#[test]
fn every_function_can_be_built_with_foundationdb() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    for name in folders().iter().map(String::as_str).chain(["gateway"]) {
        let package = packages.iter().find(|package| package["name"] == name);
        let package = package.unwrap_or_else(|| panic!("the package in functions/{name} is not called {name}"));
        assert_eq!(
            package["features"]["fdb"],
            json!(["api/fdb"]),
            "[features] in the Cargo.toml of {name}"
        );
    }
}

#[test]
fn every_function_is_on_the_readmes_map() {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    for name in folders() {
        let line = format!("\n  {name}/ ");
        assert!(
            readme.contains(&line),
            "README.md has no line for functions/{name} in its map"
        );
    }
}

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn what_ci_calls_are_targets_of_the_makefile() {
    let makefile = file("Makefile");
    let called: Vec<_> = [".github/workflows/ci.yml", ".github/workflows/stable.yml", ".ci/run"]
        .iter()
        .flat_map(|path| file(path).lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| Some(line.split_once("make ")?.1.split(' ').next()?.to_owned()))
        .collect();
    assert!(called.len() >= 8, "{called:?}");
    for target in called {
        assert!(
            makefile.lines().any(|line| line.starts_with(&format!("{target}:"))),
            "make {target} is called in CI, and is not in the Makefile"
        );
    }
}

/// The client that programs are run with, and the servers that they are tried on.
#[test]
fn one_version_of_foundationdb_is_named_everywhere() {
    let mut versions = BTreeSet::new();
    for path in [
        "infra/docker/Dockerfile",
        "infra/fdb/compose.yaml",
        "infra/tools/install-foundationdb.sh",
    ] {
        let text = file(path);
        let words = text.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let of_it: BTreeSet<_> = words
            .filter(|word| word.starts_with("7.3."))
            .map(str::to_owned)
            .collect();
        assert!(!of_it.is_empty(), "{path} names none");
        versions.extend(of_it);
    }
    assert_eq!(versions.len(), 1, "{versions:?}");
}

#[test]
fn the_image_is_built_with_the_pinned_toolchain() {
    let toolchain = file("rust-toolchain.toml");
    let channel = toolchain
        .split("channel = \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let image = format!("ARG RUST=rust:{channel}-slim-");
    assert!(
        file("infra/docker/Dockerfile").contains(&image),
        "infra/docker/Dockerfile has no line that begins with {image}"
    );
}

/// The router that `cargo lambda watch` uses: from a path's pattern to the function that it starts.
fn watch_router() -> Vec<(String, String)> {
    let router = metadata()["metadata"]["lambda"]["watch"]["router"]
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
