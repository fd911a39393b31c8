//! Keys that belong to no resource. Each resource defines its own in its `keys.rs`; `README.md` lists them all.

use kv::Key;

/// `ready`: empty; the readiness check writes it.
pub(crate) fn ready() -> Key {
    Key::of(&("ready",))
}

/// `import`: how far an import is that has not finished.
pub(crate) fn import() -> Key {
    Key::of(&("import",))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// The patterns in the first comment of every `keys.rs` below `folder`, such as `users / {user_id}`.
    fn patterns(folder: &Path) -> Vec<String> {
        let mut patterns = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                patterns.extend(self::patterns(&path));
            } else if path.ends_with("keys.rs") {
                let source = fs::read_to_string(&path).unwrap();
                let comment: Vec<_> = source.lines().map_while(|line| line.strip_prefix("//!")).collect();
                let comment = comment.join("");
                let quoted = comment.split('`').skip(1).step_by(2);
                patterns.extend(quoted.filter(|text| text.contains(" / ")).map(str::to_owned));
            }
        }
        patterns
    }

    #[test]
    fn every_key_is_in_the_readme() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let readme = fs::read_to_string(root.join("README.md")).unwrap();
        let mut patterns = patterns(&root.join("src"));
        patterns.extend(["ready", "import"].map(str::to_owned));
        assert!(patterns.len() > 10, "{patterns:?}");
        for pattern in patterns {
            let row = format!("| `{pattern}` |");
            assert!(readme.contains(&row), "add a row to the key schema in README.md: {row}");
        }
    }

    #[test]
    fn an_export_contains_every_key_or_says_why_not() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
        let (schema, exports) = (read("README.md"), read("src/exports/README.md"));
        let schema = schema
            .split_once("## Key schema")
            .unwrap()
            .1
            .split_once("## Changing a key")
            .unwrap()
            .0;
        let rows = schema
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
        let mut keys: Vec<_> = rows.map(|(pattern, _)| pattern).collect();
        assert!(keys.len() > 10, "{keys:?}");
        keys.retain(|pattern| !exports.contains(&format!("| `{pattern}` |")));
        assert!(
            keys.is_empty(),
            "add to src/exports/ and its README.md, or say there why it is left out: {keys:?}"
        );
    }
}
