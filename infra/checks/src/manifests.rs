//! Versions and lints are written once, in the root manifest; members only point there.

use toml::de::{DeTable, DeValue};

use crate::{violation::Violation, workspace::Member};

const DEPENDENCY_TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

pub(crate) fn check(member: &Member) -> Vec<Violation> {
    let complain = |offset: usize, problem: String, instead: &str| Violation {
        file: member.manifest_file(),
        line: line_at(&member.manifest, offset),
        problem,
        instead: instead.into(),
    };
    let manifest = match DeTable::parse(&member.manifest) {
        Ok(manifest) => manifest,
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            return vec![complain(offset, error.message().into(), "write valid TOML")];
        }
    };
    let manifest = manifest.get_ref();
    let mut violations = Vec::new();

    if !manifest.get("lints").is_some_and(|lints| inherits(lints.get_ref())) {
        violations.push(complain(
            0,
            format!("{} does not take the workspace's lints", member.folder),
            "add `[lints]` with `workspace = true`",
        ));
    }

    for dependencies in dependency_tables(manifest) {
        for (name, declaration) in dependencies {
            if !inherits(declaration.get_ref()) {
                violations.push(complain(
                    name.span().start,
                    format!("`{}` is declared here, apart from all other versions", name.get_ref()),
                    "declare it in [workspace.dependencies] of the root Cargo.toml and write `name.workspace = true` here",
                ));
            }
        }
    }
    violations
}

/// The line where `manifest` names `dependency`, or the first one if it is renamed there.
pub(crate) fn line_of(manifest: &str, dependency: &str) -> usize {
    let Ok(parsed) = DeTable::parse(manifest) else { return 1 };
    dependency_tables(parsed.get_ref())
        .flat_map(|table| table.keys())
        .find(|name| name.get_ref() == dependency)
        .map_or(1, |name| line_at(manifest, name.span().start))
}

/// The dependency tables of a manifest, those under `[target.'cfg(…)']` included.
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
            sources: Vec::new(),
        })
    }

    #[test]
    fn a_manifest_that_inherits_everything_passes() {
        let manifest = "[lints]\nworkspace = true\n\n[dependencies]\nserde.workspace = true\n\
                        heed = { workspace = true, optional = true }\n";
        assert_eq!(check_text(manifest), []);
    }

    #[test]
    fn a_version_of_its_own_is_refused_in_every_dependency_table() {
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
    fn lints_of_its_own_are_refused() {
        for manifest in ["", "[lints.clippy]\npedantic = \"warn\"\n"] {
            assert!(check_text(manifest)[0].problem.contains("lints"), "{manifest}");
        }
    }

    #[test]
    fn a_dependency_is_found_on_its_line() {
        let manifest = "[lints]\nworkspace = true\n[dev-dependencies]\nserde.workspace = true\n\n[target.x.dependencies]\nheed.workspace = true\n";
        assert_eq!(line_of(manifest, "serde"), 4);
        assert_eq!(line_of(manifest, "heed"), 7);
        assert_eq!(line_of(manifest, "absent"), 1);
    }
}
