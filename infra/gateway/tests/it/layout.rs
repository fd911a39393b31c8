//! The lists that must contain every function and every route. Each failure names what is missing, and where.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The text of a file, by its path from the workspace root.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of the functions: the folders in `functions/`.
pub fn functions() -> BTreeSet<String> {
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
fn the_gateway_lists_every_function_once() {
    let routers = gateway::functions()
        .into_iter()
        .map(|function| function.name.to_owned());
    let jobs = gateway::jobs().into_iter().map(|job| job.name().to_owned());
    let mut listed: Vec<String> = routers.chain(jobs).collect();
    listed.sort();
    assert_eq!(
        listed,
        Vec::from_iter(functions()),
        "left: gateway::functions() and gateway::jobs(), right: the folders in functions/"
    );
}

/// `make build FEATURES=fdb` silently ignores packages without the feature.
#[test]
fn every_function_has_the_feature_fdb() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    for name in functions().iter().map(String::as_str).chain(["gateway"]) {
        let package = packages.iter().find(|package| package["name"] == name);
        let package = package.unwrap_or_else(|| panic!("the package in functions/{name} must have the name {name}"));
        assert_eq!(
            package["features"]["fdb"],
            json!(["api/fdb"]),
            "[features] in the Cargo.toml of {name}"
        );
    }
}

#[test]
fn every_function_is_on_the_map_in_the_readme() {
    let readme = read("functions/README.md");
    for name in functions() {
        let row = format!("\n| [`{name}`]({name}/src/lib.rs) |");
        assert!(
            readme.contains(&row),
            "the map in functions/README.md has no row for {name}"
        );
    }
}

#[test]
fn every_make_target_that_ci_calls_exists() {
    let makefile = read("Makefile");
    let called: Vec<_> = [".github/workflows/ci.yml", ".github/workflows/stable.yml", ".ci/run"]
        .iter()
        .flat_map(|path| read(path).lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| Some(line.split_once("make ")?.1.split(' ').next()?.to_owned()))
        .collect();
    assert!(called.len() >= 8, "{called:?}");
    for target in called {
        assert!(
            makefile.lines().any(|line| line.starts_with(&format!("{target}:"))),
            "CI calls make {target}, and the Makefile has no such target"
        );
    }
}

/// The client in the image, and the servers in tests and in Docker Compose.
#[test]
fn every_file_names_the_same_version_of_foundationdb() {
    let mut versions = BTreeSet::new();
    for path in [
        "infra/docker/Dockerfile",
        "infra/fdb/compose.yaml",
        "infra/tools/install-foundationdb.sh",
    ] {
        let text = read(path);
        let words = text.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let named: BTreeSet<_> = words
            .filter(|word| word.starts_with("7.3."))
            .map(str::to_owned)
            .collect();
        assert!(!named.is_empty(), "{path} names no version");
        versions.extend(named);
    }
    assert_eq!(versions.len(), 1, "{versions:?}");
}

#[test]
fn the_image_uses_the_pinned_toolchain() {
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.split("channel = \"").nth(1).unwrap();
    let channel = channel.split('"').next().unwrap();
    let image = format!("ARG RUST=rust:{channel}-slim-");
    assert!(
        read("infra/docker/Dockerfile").contains(&image),
        "infra/docker/Dockerfile has no line that begins with {image}"
    );
}

/// The first examples of the README register `password123`, which the default policy rejects.
#[test]
fn a_first_run_accepts_the_password_of_the_examples() {
    let assignments: [(&str, &str); 2] = [
        ("infra/tools/dev-env.sh", "export PASSWORD_POLICY="),
        ("infra/fdb/compose.yaml", "PASSWORD_POLICY: "),
    ];
    for (file, assignment) in assignments {
        let text = read(file);
        let values = text
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix(assignment));
        let values: Vec<_> = values.map(|value| value.trim_matches('"')).collect();
        assert_eq!(values, ["${PASSWORD_POLICY:-basic}"], "{file}");
    }
    let readme = read("README.md");
    assert!(readme.contains("\"password\":\"password123\""), "README.md");
    let makefile = read("Makefile");
    for target in ["run", "watch"] {
        let recipe = makefile
            .split(&format!("\n{target}:"))
            .nth(1)
            .expect("the target exists");
        let recipe = recipe.split("\n\n").next().unwrap();
        assert!(recipe.contains("infra/tools/dev-env.sh"), "make {target}");
    }
}

/// `GET /version` of a release has a commit only if its build has the variable.
#[test]
fn every_build_for_a_release_sets_the_commit() {
    for (file, builds) in [
        ("Makefile", "SOURCE_COMMIT=$$(git rev-parse HEAD)"),
        (
            "Makefile",
            "--build-arg SOURCE_COMMIT=\"$$(git rev-parse HEAD 2>/dev/null)\"",
        ),
        ("infra/tools/build-functions.sh", "export SOURCE_COMMIT"),
        ("infra/docker/Dockerfile", "ARG SOURCE_COMMIT="),
        ("infra/gcp/cloudbuild.yaml", "--build-arg=SOURCE_COMMIT=$_SOURCE_COMMIT"),
        (".github/workflows/release.yml", "--env SOURCE_COMMIT=\"$GITHUB_SHA\""),
    ] {
        assert!(read(file).contains(builds), "{file} has no `{builds}`");
    }
    let image = read("infra/docker/Dockerfile");
    let (_, build) = image.split_once(" AS build\n").expect("the image has the stage");
    let build = build.split("FROM ").next().unwrap();
    assert!(
        build.contains("ARG SOURCE_COMMIT="),
        "the argument belongs to the stage that compiles the gateway"
    );
}

/// The routes of `cargo lambda watch`: from a path pattern to the name of a function.
fn watch_router() -> Vec<(String, String)> {
    let router = metadata()["metadata"]["lambda"]["watch"]["router"]
        .as_object()
        .expect("the root Cargo.toml has the table")
        .clone();
    router
        .into_iter()
        .map(|(path, function)| (path, function.as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn cargo_lambda_watch_has_every_route() {
    let mut router = matchit::Router::new();
    for (path, function) in watch_router() {
        router.insert(path, function).unwrap();
    }
    for api::Function { name, router: table } in gateway::functions() {
        for path in table.root_paths() {
            // A wildcard matches itself.
            let target = router.at(path).map(|matched| matched.value.as_str());
            assert_eq!(
                target,
                Ok(name),
                "[workspace.metadata.lambda.watch.router] in Cargo.toml, for {path}"
            );
        }
        for route in table.routes() {
            for prefix in api::router::PREFIXES {
                let path = format!("{prefix}{}", route.path);
                let target = router.at(&path).map(|matched| matched.value.as_str());
                assert_eq!(
                    target,
                    Ok(name),
                    "[workspace.metadata.lambda.watch.router] in Cargo.toml, for {path}"
                );
            }
        }
    }
}

#[test]
fn cargo_lambda_watch_has_no_route_without_an_endpoint() {
    for (pattern, function) in watch_router() {
        if pattern == "/{*path}" {
            // Unknown paths go to `health`, which returns a 404 problem.
            continue;
        }
        let mut router = matchit::Router::new();
        router.insert(pattern.clone(), ()).unwrap();
        let named = gateway::functions()
            .into_iter()
            .find(|known| known.name == function)
            .expect("the name of a function");
        let has_route = named.router.routes().iter().any(|route| {
            api::router::PREFIXES
                .iter()
                .any(|prefix| router.at(&format!("{prefix}{}", route.path)).is_ok())
        });
        let has_root_path = named.router.root_paths().iter().any(|path| router.at(path).is_ok());
        assert!(has_route || has_root_path, "{function} has no route under {pattern}");
    }
}

/// A client can only connect to clusters of its own release series, at any patch level.
#[test]
fn the_layer_the_image_and_the_bindings_use_one_series_of_foundationdb() {
    fn series(version: &str) -> String {
        version.split('.').take(2).collect::<Vec<_>>().join(".")
    }
    let list = read("infra/fdb/client.sha256");
    let entries = list.lines().filter(|line| !line.starts_with('#'));
    let mut versions: BTreeSet<String> = entries
        .map(|line| series(line.split_once("  ").unwrap().1.split_once('/').unwrap().0))
        .collect();
    for file in ["infra/fdb/compose.yaml", "infra/docker/Dockerfile"] {
        let text = read(file);
        let images: Vec<_> = text.split("foundationdb/foundationdb:").skip(1).collect();
        assert!(!images.is_empty(), "{file} names no image");
        versions.extend(
            images
                .iter()
                .map(|image| series(image.split_whitespace().next().unwrap())),
        );
    }
    let manifest = read("Cargo.toml");
    let feature = manifest.split("\"fdb-").nth(1).unwrap().split('"').next().unwrap();
    versions.insert(feature.replace('_', "."));
    assert_eq!(versions.len(), 1, "{versions:?}");
}
