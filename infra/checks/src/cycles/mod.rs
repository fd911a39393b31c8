//! No import cycles: the files of a crate can be read, tested and moved one after the other.
//!
//! An import is an item of another file that a file names: in a private `use`, or by a path such as `store::find`.
//! Neither a `mod` declaration nor a `pub use` of an item that the file itself does not name is an import, so a
//! `lib.rs` may re-export everything. A name is followed through re-exports to the file that defines it. Unit tests
//! (`#[cfg(test)]`) are ignored: they may drive their file through the files that import it.

mod modules;
mod names;

use std::collections::{BTreeMap, VecDeque};

use crate::{
    violation::Violation,
    workspace::{Member, Source},
};
use modules::{Imports, Modules};

pub(crate) fn check(member: &Member) -> Vec<Violation> {
    let sources: BTreeMap<&str, &Source> = member.sources.iter().map(|source| (&*source.file, source)).collect();
    let mut violations = Vec::new();
    for root in &member.roots {
        // Sources that do not parse are reported by `sources`.
        let Some(modules) = Modules::read(&sources, root) else {
            continue;
        };
        violations.extend(cycles(modules.imports()).iter().map(|cycle| describe(cycle)));
    }
    // A file may belong to several crates, as shared test code does.
    violations.dedup();
    violations
}

/// One import: the importing file, and the line.
type Step<'a> = (&'a str, usize);

/// The shortest cycle, then the shortest one among the remaining files, until there is none.
fn cycles(mut imports: Imports<'_>) -> Vec<Vec<Step<'_>>> {
    let mut found = Vec::new();
    loop {
        let files: Vec<_> = imports.keys().copied().collect();
        let shortest = files.iter().filter_map(|file| shortest_cycle(&imports, file));
        let Some(cycle) = shortest.min_by_key(Vec::len) else {
            return found;
        };
        for (file, _) in &cycle {
            imports.remove(file);
        }
        found.push(cycle);
    }
}

/// The shortest cycle through `start`, by breadth-first search.
fn shortest_cycle<'a>(imports: &Imports<'a>, start: &'a str) -> Option<Vec<Step<'a>>> {
    let mut came_from: BTreeMap<&str, Step<'a>> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for (&imported, &line) in imports.get(file).into_iter().flatten() {
            if imported == start {
                let mut cycle = vec![(file, line)];
                while let Some(&step) = came_from.get(cycle[cycle.len() - 1].0) {
                    cycle.push(step);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if !came_from.contains_key(imported) {
                came_from.insert(imported, (file, line));
                queue.push_back(imported);
            }
        }
    }
    None
}

fn describe(cycle: &[Step<'_>]) -> Violation {
    let (first, line) = cycle[0];
    let steps: Vec<_> = cycle.iter().map(|(file, line)| format!("{file}:{line}")).collect();
    Violation {
        file: first.to_owned(),
        line,
        problem: format!(
            "these files import each other in a cycle: {} → {first}",
            steps.join(" → ")
        ),
        instead: "move what both need to a file of its own, or pass it as an argument".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a crate with these files, whose root is the first one.
    fn check_files(files: &[(&str, &str)]) -> Vec<Violation> {
        check(&Member {
            folder: "a".into(),
            manifest: String::new(),
            dependencies: Vec::new(),
            roots: vec![files[0].0.to_owned()],
            sources: files
                .iter()
                .map(|(file, text)| Source {
                    file: (*file).to_owned(),
                    text: (*text).to_owned(),
                })
                .collect(),
        })
    }

    const ROOT: (&str, &str) = (
        "a/src/lib.rs",
        "mod b; mod c; mod d; pub use b::B; pub use c::C; pub use d::D;",
    );

    #[test]
    fn imports_without_a_cycle_are_accepted() {
        let files = [
            ROOT,
            ("a/src/b.rs", "use crate::C; pub struct B(C, crate::D);"),
            ("a/src/c.rs", "use super::d::D; pub struct C(D);"),
            ("a/src/d.rs", "pub struct D;"),
        ];
        assert_eq!(check_files(&files), []);
    }

    #[test]
    fn a_cycle_is_rejected_however_its_imports_are_written() {
        for import in [
            "use crate::c::C;",
            "use crate::C;",
            "use super::C;",
            "use super::c::{self, C};",
            "use crate::{d, c::C as X};",
            "use crate::c::*;",
            "use crate::c; type X = c::C;",
            "use crate::c as x; fn x() { x::C::new() }",
            "fn x() -> crate::c::C { todo!() }",
            "fn x() { vec![super::c::C] }",
            "mod inner { use crate::C; }",
            "mod inner { use super::super::C; }",
            "pub use crate::C; type X = C;",
            "macro_rules! x { () => { $crate::c::C } }",
        ] {
            let files = [
                ROOT,
                ("a/src/b.rs", &*format!("\n{import} pub struct B;")),
                ("a/src/c.rs", "\n\nuse crate::b::B; pub struct C(B);"),
                ("a/src/d.rs", "pub struct D;"),
            ];
            let violations = check_files(&files);
            assert_eq!(violations.len(), 1, "{import}");
            let cycle = "a/src/b.rs:2 → a/src/c.rs:3 → a/src/b.rs";
            assert!(violations[0].problem.ends_with(cycle), "{import}: {violations:?}");
        }
    }

    #[test]
    fn a_longer_cycle_is_named_whole_and_once() {
        let files = [
            ROOT,
            ("a/src/b.rs", "use crate::C; pub struct B;"),
            ("a/src/c.rs", "use crate::D; pub struct C;"),
            ("a/src/d.rs", "use crate::B; pub struct D;"),
        ];
        let violations = check_files(&files);
        assert_eq!(violations.len(), 1);
        assert_eq!((&*violations[0].file, violations[0].line), ("a/src/b.rs", 1));
        assert_eq!(
            violations[0].problem,
            "these files import each other in a cycle: a/src/b.rs:1 → a/src/c.rs:1 → a/src/d.rs:1 → a/src/b.rs"
        );
    }

    #[test]
    fn a_parent_and_its_child_may_not_import_each_other() {
        let parent = |text| ("a/src/b/mod.rs", text);
        let child = ("a/src/b/child.rs", "use super::B; pub struct Child(B);");
        let root = ("a/src/lib.rs", "mod b;");
        for text in [
            "mod child; use child::Child; pub struct B(Child);",
            "mod child; pub struct B(child::Child);",
            "mod child; pub use child::Child; pub struct B(Child);",
            "mod child; pub(crate) use self::child::*; pub struct B;",
        ] {
            assert_eq!(check_files(&[root, parent(text), child]).len(), 1, "{text}");
        }
        for text in [
            "mod child; pub struct B;",
            "mod child; pub use child::Child; pub struct B;",
        ] {
            assert_eq!(check_files(&[root, parent(text), child]), [], "{text}");
        }
    }

    #[test]
    fn modules_re_exports_other_crates_and_unit_tests_are_no_imports() {
        for text in [
            "use crate::c; pub struct B;",
            "pub use crate::c::C; pub struct B;",
            "use std::c::C; use other::c::C as D; fn x() { other::c::C::new() } pub struct B;",
            "use ::c::C; pub struct B;",
            "pub struct B { c: u8 } fn x(b: B) { b.c; }",
            "//! crate::c::C\n/// [C](crate::c::C) \nconst X: &str = \"crate::c::C\"; pub struct B;",
            "pub struct B; #[cfg(test)] mod tests { use crate::c::C; }",
            "pub struct B; #[cfg(all(test, unix))] mod tests { use crate::c::C; }",
            "pub struct B; #[cfg(test)] use crate::c::C;",
        ] {
            let files = [
                ROOT,
                ("a/src/b.rs", text),
                ("a/src/c.rs", "use crate::B; pub struct C;"),
                ("a/src/d.rs", "pub struct D;"),
            ];
            assert_eq!(check_files(&files), [], "{text}");
        }
    }

    #[test]
    fn integration_tests_are_crates_with_modules_and_shared_files() {
        let files = [
            ("a/tests/it/main.rs", "mod b; mod c;"),
            ("a/tests/it/b.rs", "mod inner; use crate::c::c; pub fn b() {}"),
            ("a/tests/it/b/inner.rs", "use super::b;"),
            ("a/tests/it/c.rs", "use crate::b::b; pub fn c() {}"),
        ];
        let violations = check_files(&files);
        assert_eq!(violations.len(), 1);
        assert!(violations[0].problem.contains("a/tests/it/b.rs:1 → a/tests/it/c.rs:1"));

        let files = [
            (
                "a/tests/it/main.rs",
                "#[path = \"../common/mod.rs\"] mod common; mod b; use b::b;",
            ),
            (
                "a/tests/common/mod.rs",
                "mod inner; pub use inner::Inner; pub struct Common;",
            ),
            ("a/tests/common/inner.rs", "pub struct Inner;"),
            ("a/tests/it/b.rs", "use crate::common::{Common, Inner}; pub fn b() {}"),
        ];
        assert_eq!(check_files(&files), []);
    }
}
