//! Which package may depend on which: `functions/*` → `api` → `domain` → `kv`, and `api` → `jwt`. No arrow points back.

use crate::{
    manifests,
    violation::Violation,
    workspace::{Dependency, Kind, Member},
};

/// The dependencies that the packages of one folder may have. `*` matches every package directly inside a folder.
struct Layer {
    folder: &'static str,
    /// Allowed in `[dependencies]` and `[build-dependencies]`.
    program: &'static [&'static str],
    /// Allowed in `[dev-dependencies]`, in addition to `program`.
    tests: &'static [&'static str],
}

/// The first layer whose folder matches applies.
const LAYERS: &[Layer] = &[
    // Handlers do not access the store, so they cannot depend on `kv`; their tests may inspect the store.
    Layer {
        folder: "functions/*",
        program: &[
            "shared/api",
            "shared/domain",
            "shared/jwt",
            "shared/objects",
            "shared/picture",
        ],
        tests: &["functions/*", "shared/kv", "shared/testkit"],
    },
    Layer {
        folder: "shared/api",
        program: &["shared/domain", "shared/jwt", "shared/kv", "shared/objects"],
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
        folder: "shared/objects",
        program: &[],
        tests: &[],
    },
    Layer {
        folder: "shared/picture",
        program: &[],
        tests: &[],
    },
    Layer {
        folder: "shared/testkit",
        program: &["shared/api", "shared/domain", "shared/jwt", "shared/kv"],
        tests: &[],
    },
    // The benchmarks drive the real router in-process, as the tests do.
    Layer {
        folder: "infra/bench",
        program: &["infra/gateway", "shared/kv", "shared/testkit"],
        tests: &[],
    },
    // The baseline of the benchmarks shares no code with the product.
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

/// The baseline of the benchmarks: programs made of the libraries alone. It may use crates that otherwise have one
/// owner.
pub(crate) const PEER: &str = "infra/bench/peer";

/// Crates that only one package may depend on, so that only that package changes when the crate is replaced.
const OWNED: &[(&str, &str)] = &[
    ("foundationdb", "shared/kv"),
    ("heed", "shared/kv"),
    ("image", "shared/picture"),
    ("lambda-extension", "shared/api"),
    ("lambda_http", "shared/api"),
    ("lambda_runtime", "shared/api"),
    ("quick-xml", "shared/objects"),
    ("rusty-s3", "shared/objects"),
    // A function would be larger and start more slowly with them.
    ("opentelemetry", "infra/gateway"),
    ("opentelemetry-http", "infra/gateway"),
    ("opentelemetry-otlp", "infra/gateway"),
    ("opentelemetry_sdk", "infra/gateway"),
    ("ureq", "infra/gateway"),
];

/// Packages without HTTP, so that every front door can call them.
const WITHOUT_HTTP: &[&str] = &["shared/domain", "shared/jwt", "shared/kv", "shared/picture"];
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
            problem: format!("the folder {} has no layer", member.folder),
            instead: "move the package to an existing layer, or add its layer to infra/checks/src/layers.rs".into(),
        }];
    };

    let violation = |dependency: &Dependency, problem: String, instead: String| Violation {
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
            violations.push(violation(
                dependency,
                format!(
                    "{} may not depend on {folder}{}",
                    member.folder,
                    test_suffix(dependency.kind)
                ),
                format!(
                    "depend on lower layers only ({}), or move the shared code to a lower layer",
                    allowed_folders(layer, dependency.kind)
                ),
            ));
        }
        if let Some((_, owner)) = OWNED
            .iter()
            .find(|(owned, owner)| owned == name && ![*owner, PEER].contains(&member.folder.as_str()))
        {
            violations.push(violation(
                dependency,
                format!("{} may not depend on `{name}`", member.folder),
                format!("use {owner}, the only package that may depend on it"),
            ));
        }
        if WITHOUT_HTTP.contains(&member.folder.as_str()) && HTTP.contains(&name.as_str()) {
            violations.push(violation(
                dependency,
                format!(
                    "{} must not contain HTTP code, and `{name}` is an HTTP crate",
                    member.folder
                ),
                "keep requests, responses and status codes in shared/api".into(),
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

fn test_suffix(kind: Kind) -> &'static str {
    match kind {
        Kind::Program => "",
        Kind::Tests => ", not even in tests",
    }
}

fn allowed_folders(layer: &Layer, kind: Kind) -> String {
    let tests = if kind == Kind::Tests { layer.tests } else { &[] };
    let folders: Vec<_> = layer.program.iter().chain(tests).copied().collect();
    if folders.is_empty() {
        "none for this package".into()
    } else {
        folders.join(", ")
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
            roots: Vec::new(),
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
    fn dependencies_on_lower_layers_are_allowed() {
        for (folder, dependency) in [
            ("functions/auth", "shared/api"),
            ("functions/auth", "shared/domain"),
            ("functions/files", "shared/objects"),
            ("functions/users", "shared/picture"),
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
    fn dependencies_on_higher_layers_are_rejected() {
        for (folder, dependency) in [
            ("shared/kv", "shared/domain"),
            ("shared/jwt", "shared/domain"),
            ("shared/domain", "shared/jwt"),
            ("shared/domain", "shared/api"),
            ("shared/objects", "shared/domain"),
            ("shared/picture", "shared/domain"),
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
    fn functions_may_depend_on_each_other_the_store_and_testkit_in_tests_only() {
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
    fn the_benchmark_baseline_depends_on_no_package_of_the_workspace() {
        for kind in [Kind::Program, Kind::Tests] {
            assert_eq!(check_member(PEER, "shared/api", kind).len(), 1);
        }
    }

    #[test]
    fn a_folder_without_a_layer_is_rejected() {
        assert!(check_crate("tools/new", "serde")[0].problem.contains("has no layer"));
        assert!(check_crate("shared/new", "serde")[0].problem.contains("has no layer"));
    }

    #[test]
    fn engines_and_the_lambda_runtime_have_one_owner_each() {
        for (name, owner) in OWNED {
            assert_eq!(check_crate(owner, name), [], "{owner} → {name}");
            assert_eq!(check_crate(PEER, name), [], "{PEER} → {name}");
            assert_eq!(check_crate("functions/auth", name).len(), 1, "{name}");
            assert_eq!(check_crate("infra/bench", name).len(), 1, "{name}");
        }
        assert_eq!(check_crate("shared/domain", "foundationdb-tuple"), []);
    }

    #[test]
    fn domain_jwt_and_kv_may_not_depend_on_http_crates() {
        for folder in WITHOUT_HTTP {
            assert_eq!(check_crate(folder, "axum").len(), 1, "{folder}");
        }
        assert_eq!(check_crate("shared/api", "axum"), []);
    }

    #[test]
    fn a_violation_names_the_line_and_the_allowed_folders() {
        let violation = &check_member("shared/domain", "shared/api", Kind::Tests)[0];

        assert_eq!(
            (violation.file.as_str(), violation.line),
            ("shared/domain/Cargo.toml", 2)
        );
        assert_eq!(
            violation.problem,
            "shared/domain may not depend on shared/api, not even in tests"
        );
        assert!(violation.instead.contains("(shared/kv)"), "{}", violation.instead);
    }
}
