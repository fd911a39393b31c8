//! Versions and lints are written once, in the root manifest; members inherit them.

use toml::de::{DeTable, DeValue};

use crate::{violation::Violation, workspace::Member};

const DEPENDENCY_TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

pub(crate) fn check(member: &Member) -> Vec<Violation> {
    let violation = |offset: usize, problem: String, instead: &str| Violation {
        file: member.manifest_file(),
        line: line_at(&member.manifest, offset),
        problem,
        instead: instead.into(),
    };
    let manifest = match DeTable::parse(&member.manifest) {
        Ok(manifest) => manifest,
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            return vec![violation(offset, error.message().into(), "write valid TOML")];
        }
    };
    let manifest = manifest.get_ref();
    let mut violations = Vec::new();

    if !manifest.get("lints").is_some_and(|lints| inherits(lints.get_ref())) {
        violations.push(violation(
            0,
            format!("{} does not inherit the lints of the workspace", member.folder),
            "add `[lints]` with `workspace = true`",
        ));
    }

    for dependencies in dependency_tables(manifest) {
        for (name, declaration) in dependencies {
            if !inherits(declaration.get_ref()) {
                violations.push(violation(
                    name.span().start,
                    format!("`{}` does not inherit its version from the workspace", name.get_ref()),
                    "declare it in [workspace.dependencies] of the root Cargo.toml, and write `name.workspace = true` \
                     here",
                ));
            }
        }
    }
    violations
}

/// The line of `manifest` that declares `dependency`, or 1 if the manifest renames it.
pub(crate) fn line_of(manifest: &str, dependency: &str) -> usize {
    let Ok(parsed) = DeTable::parse(manifest) else { return 1 };
    dependency_tables(parsed.get_ref())
        .flat_map(|table| table.keys())
        .find(|name| name.get_ref() == dependency)
        .map_or(1, |name| line_at(manifest, name.span().start))
}

/// The dependency tables of a manifest, including those under `[target.'cfg(…)']`.
fn dependency_tables<'a, 'i>(manifest: &'a DeTable<'i>) -> impl Iterator<Item = &'a DeTable<'i>> {
    let targets = table(manifest, "target")
        .into_iter()
        .flat_map(|targets| targets.values());
    let per_target = targets.filter_map(|target| target.get_ref().as_table());
    std::iter::once(manifest)
        .chain(per_target)
        .flat_map(|owner| DEPENDENCY_TABLES.iter().filter_map(|name| table(owner, name)))
}

fn table<'a, 'i>(owner: &'a DeTable<'i>, name: &str) -> Option<&'a DeTable<'i>> {
    owner.get(name)?.get_ref().as_table()
}

fn inherits(declaration: &DeValue<'_>) -> bool {
    declaration
        .get("workspace")
        .is_some_and(|value| value.get_ref().as_bool() == Some(true))
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(manifest: &str) -> Vec<Violation> {
        check(&Member {
            folder: "shared/kv".into(),
            manifest: manifest.into(),
            dependencies: Vec::new(),
            roots: Vec::new(),
            sources: Vec::new(),
        })
    }

    #[test]
    fn a_manifest_that_inherits_everything_is_accepted() {
        let manifest = "[lints]\nworkspace = true\n\n[dependencies]\nserde.workspace = true\n\
                        heed = { workspace = true, optional = true }\n";
        assert_eq!(check_text(manifest), []);
    }

    #[test]
    fn a_version_in_a_member_is_rejected_in_every_dependency_table() {
        for table in [
            "dependencies",
            "dev-dependencies",
            "build-dependencies",
            "target.'cfg(unix)'.dependencies",
            "target.'cfg(unix)'.dev-dependencies",
        ] {
            for declaration in [
                "\"1\"",
                "{ version = \"1\" }",
                "{ path = \"../serde\" }",
                "{ workspace = false }",
            ] {
                let manifest = format!("[lints]\nworkspace = true\n[{table}]\nserde = {declaration}\n");
                let violations = check_text(&manifest);

                assert_eq!(violations.len(), 1, "{manifest}");
                assert_eq!(violations[0].line, 4, "{manifest}");
                assert!(violations[0].problem.contains("`serde`"));
            }
        }
    }

    #[test]
    fn lints_in_a_member_are_rejected() {
        for manifest in ["", "[lints.clippy]\npedantic = \"warn\"\n"] {
            assert!(check_text(manifest)[0].problem.contains("lints"), "{manifest}");
        }
    }

    #[test]
    fn line_of_finds_the_declaration() {
        let manifest = "[lints]\nworkspace = true\n[dev-dependencies]\nserde.workspace = true\n\n\
                        [target.x.dependencies]\nheed.workspace = true\n";
        assert_eq!(line_of(manifest, "serde"), 4);
        assert_eq!(line_of(manifest, "heed"), 7);
        assert_eq!(line_of(manifest, "absent"), 1);
    }
}
