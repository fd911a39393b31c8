//! Layers, and who may know whom: `functions/*` → `api` → `domain` → `kv`, and `api` → `jwt`. Nothing points back.

use crate::{
    manifests,
    violation::Violation,
    workspace::{Dependency, Kind, Member},
};

/// What the packages of one folder may name. `*` stands for any package directly inside a folder.
struct Layer {
    folder: &'static str,
    /// Allowed in `[dependencies]` and `[build-dependencies]`.
    program: &'static [&'static str],
    /// Allowed in `[dev-dependencies]`, besides the above.
    tests: &'static [&'static str],
}

const LAYERS: &[Layer] = &[
    // Handlers make no storage calls, so `kv` is out of their reach; their tests may look into the store.
    Layer {
        folder: "functions/*",
        program: &["shared/api", "shared/domain", "shared/jwt"],
        tests: &["functions/*", "shared/kv", "shared/testkit"],
    },
    Layer {
        folder: "shared/api",
        program: &["shared/domain", "shared/jwt", "shared/kv"],
        tests: &["shared/testkit"],
    },
    Layer {
        folder: "shared/domain",
        program: &["shared/kv"],
        tests: &[],
    },
    Layer {
        folder: "shared/jwt",
        program: &[],
        tests: &[],
    },
    Layer {
        folder: "shared/kv",
        program: &[],
        tests: &[],
    },
    Layer {
        folder: "shared/testkit",
        program: &["shared/api", "shared/domain", "shared/jwt", "shared/kv"],
        tests: &[],
    },
    // Measures the real router in-process, as the tests run it.
    Layer {
        folder: "infra/bench",
        program: &["infra/gateway", "shared/kv", "shared/testkit"],
        tests: &[],
    },
    // Measured against the product, so it shares nothing with it.
    Layer {
        folder: PEER,
        program: &[],
        tests: &[],
    },
    Layer {
        folder: "infra/*",
        program: &["functions/*", "shared/api", "shared/domain", "shared/jwt", "shared/kv"],
        tests: &["shared/testkit"],
    },
];

/// The benchmark's peer: the libraries alone, which the product is measured against. It may depend on what has one owner otherwise.
pub(crate) const PEER: &str = "infra/bench/peer";

/// Crates that exactly one package may depend on, so that what stands behind it can be exchanged there.
const OWNED: &[(&str, &str)] = &[
    ("foundationdb", "shared/kv"),
    ("heed", "shared/kv"),
    ("lambda-extension", "shared/api"),
    ("lambda_http", "shared/api"),
    ("lambda_runtime", "shared/api"),
];

/// These speak no HTTP: another front door calls the same code.
const WITHOUT_HTTP: &[&str] = &["shared/domain", "shared/jwt", "shared/kv"];
const HTTP: &[&str] = &[
    "axum",
    "http",
    "http-body",
    "http-body-util",
    "hyper",
    "reqwest",
    "tower",
    "tower-http",
];

pub(crate) fn check(member: &Member) -> Vec<Violation> {
    let Some(layer) = LAYERS.iter().find(|layer| matches(layer.folder, &member.folder)) else {
        return vec![Violation {
            file: member.manifest_file(),
            line: 1,
            problem: format!("no layer is known for the folder {}", member.folder),
            instead:
                "put the package into an existing folder, or say in infra/checks/src/layers.rs what it may depend on"
                    .into(),
        }];
    };

    let complain = |dependency: &Dependency, problem: String, instead: String| Violation {
        file: member.manifest_file(),
        line: manifests::line_of(&member.manifest, &dependency.name),
        problem,
        instead,
    };
    let mut violations = Vec::new();
    for dependency in &member.dependencies {
        let name = &dependency.name;
        if let Some(folder) = &dependency.folder
            && !allows(layer, folder, dependency.kind)
        {
            violations.push(complain(
                dependency,
                format!(
                    "{} may not depend on {folder}{}",
                    member.folder,
                    in_tests(dependency.kind)
                ),
                format!(
                    "depend downwards only ({}), or move the shared part to a lower layer",
                    described(layer, dependency.kind)
                ),
            ));
        }
        if let Some((_, owner)) = OWNED
            .iter()
            .find(|(owned, owner)| owned == name && ![*owner, PEER].contains(&member.folder.as_str()))
        {
            violations.push(complain(
                dependency,
                format!("{} may not depend on `{name}`", member.folder),
                format!("go through {owner}, the only package that knows it"),
            ));
        }
        if WITHOUT_HTTP.contains(&member.folder.as_str()) && HTTP.contains(&name.as_str()) {
            violations.push(complain(
                dependency,
                format!("{} speaks no HTTP, and `{name}` does", member.folder),
                "keep requests, replies and status codes in shared/api".into(),
            ));
        }
    }
    violations
}

fn allows(layer: &Layer, folder: &str, kind: Kind) -> bool {
    let allowed = |patterns: &[&str]| patterns.iter().any(|pattern| matches(pattern, folder));
    allowed(layer.program) || (kind == Kind::Tests && allowed(layer.tests))
}

fn matches(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(parent) => folder.strip_prefix(parent).is_some_and(|rest| !rest.contains('/')),
        None => pattern == folder,
    }
}

fn in_tests(kind: Kind) -> &'static str {
    match kind {
        Kind::Program => "",
        Kind::Tests => ", not even in tests",
    }
}

fn described(layer: &Layer, kind: Kind) -> String {
    let tests = if kind == Kind::Tests { layer.tests } else { &[] };
    let folders: Vec<_> = layer.program.iter().chain(tests).copied().collect();
    if folders.is_empty() {
        "here: no package of the workspace".into()
    } else {
        format!("here: {}", folders.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(folder: &str, name: &str, dependency_folder: Option<&str>, kind: Kind) -> Vec<Violation> {
        check(&Member {
            folder: folder.into(),
            manifest: format!("[dependencies]\n{name}.workspace = true\n"),
            dependencies: vec![Dependency {
                name: name.into(),
                folder: dependency_folder.map(Into::into),
                kind,
            }],
            sources: Vec::new(),
        })
    }

    fn check_member(folder: &str, dependency: &str, kind: Kind) -> Vec<Violation> {
        let (_, name) = dependency.split_once('/').unwrap();
        check_one(folder, name, Some(dependency), kind)
    }

    fn check_crate(folder: &str, name: &str) -> Vec<Violation> {
        check_one(folder, name, None, Kind::Program)
    }

    #[test]
    fn the_arrows_of_the_architecture_are_allowed() {
        for (folder, dependency) in [
            ("functions/auth", "shared/api"),
            ("functions/auth", "shared/domain"),
            ("shared/api", "shared/domain"),
            ("shared/api", "shared/jwt"),
            ("shared/api", "shared/kv"),
            ("shared/domain", "shared/kv"),
            ("infra/gateway", "functions/sessions"),
            ("shared/testkit", "shared/api"),
        ] {
            assert_eq!(
                check_member(folder, dependency, Kind::Program),
                [],
                "{folder} → {dependency}"
            );
        }
    }

    #[test]
    fn an_arrow_that_points_back_is_refused() {
        for (folder, dependency) in [
            ("shared/kv", "shared/domain"),
            ("shared/jwt", "shared/domain"),
            ("shared/domain", "shared/jwt"),
            ("shared/domain", "shared/api"),
            ("shared/api", "functions/auth"),
            ("shared/testkit", "functions/auth"),
            ("functions/auth", "infra/gateway"),
        ] {
            for kind in [Kind::Program, Kind::Tests] {
                assert_eq!(
                    check_member(folder, dependency, kind).len(),
                    1,
                    "{folder} → {dependency}"
                );
            }
        }
    }

    #[test]
    fn functions_reach_each_other_the_store_and_the_test_kit_in_tests_only() {
        for dependency in ["functions/sessions", "shared/kv", "shared/testkit"] {
            assert_eq!(
                check_member("functions/auth", dependency, Kind::Program).len(),
                1,
                "{dependency}"
            );
            assert_eq!(
                check_member("functions/auth", dependency, Kind::Tests),
                [],
                "{dependency}"
            );
        }
    }

    #[test]
    fn the_benchmarks_peer_shares_nothing_with_what_is_measured_against_it() {
        for kind in [Kind::Program, Kind::Tests] {
            assert_eq!(check_member(PEER, "shared/api", kind).len(), 1);
        }
    }

    #[test]
    fn a_folder_without_a_layer_is_refused() {
        assert!(check_crate("tools/new", "serde")[0].problem.contains("no layer"));
        assert!(check_crate("shared/new", "serde")[0].problem.contains("no layer"));
    }

    #[test]
    fn each_engine_and_the_lambda_runtime_have_one_owner() {
        for (name, owner) in OWNED {
            assert_eq!(check_crate(owner, name), [], "{owner} → {name}");
            assert_eq!(check_crate(PEER, name), [], "{PEER} → {name}");
            assert_eq!(check_crate("functions/auth", name).len(), 1, "{name}");
            assert_eq!(check_crate("infra/bench", name).len(), 1, "{name}");
        }
        assert_eq!(check_crate("shared/domain", "foundationdb-tuple"), []);
    }

    #[test]
    fn domain_jwt_and_kv_speak_no_http() {
        for folder in WITHOUT_HTTP {
            assert_eq!(check_crate(folder, "axum").len(), 1, "{folder}");
        }
        assert_eq!(check_crate("shared/api", "axum"), []);
    }

    #[test]
    fn the_explanation_names_the_line_and_the_way_out() {
        let violation = &check_member("shared/domain", "shared/api", Kind::Tests)[0];

        assert_eq!(
            (violation.file.as_str(), violation.line),
            ("shared/domain/Cargo.toml", 2)
        );
        assert_eq!(
            violation.problem,
            "shared/domain may not depend on shared/api, not even in tests"
        );
        assert!(violation.instead.contains("here: shared/kv"), "{}", violation.instead);
    }
}
