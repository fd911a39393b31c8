//! Lines of tracked text files have at most [`MAX_COLUMNS`] columns.

use crate::{violation::Violation, workspace::Source};

/// The same limit as `max_width` in `rustfmt.toml`, which does not apply to comments, strings and other languages.
const MAX_COLUMNS: usize = 120;

/// Endings of files that are exempt, with the reason.
const EXEMPT: &[(&str, &str)] = &[
    // The OpenAPI document, schemas, events, lock files, test vectors.
    (".json", "JSON strings cannot be broken"),
    // Stored values, byte by byte.
    (".jsonl", "each line is one value"),
    // Lists of package hashes, the list of common passwords, licences.
    (".txt", "generated or vendored"),
];

pub(crate) fn check(source: &Source) -> Vec<Violation> {
    if EXEMPT.iter().any(|(ending, _)| source.file.ends_with(ending)) {
        return Vec::new();
    }
    let is_markdown = has_extension(&source.file, "md");
    let violation = |(index, line): (usize, &str)| {
        let columns = line.chars().count();
        // A table row is one line by definition.
        let is_table_row = is_markdown && line.trim_start().starts_with('|');
        let is_too_long = columns > MAX_COLUMNS && !is_table_row && !is_long_because_of_a_url(line);
        is_too_long.then(|| Violation {
            file: source.file.clone(),
            line: index + 1,
            problem: format!("this line has {columns} columns"),
            instead: format!("wrap it at {MAX_COLUMNS} columns"),
        })
    };
    source.text.lines().enumerate().filter_map(violation).collect()
}

/// Whether the line is too long because of a URL, which cannot be wrapped, and not because of the text around it.
fn is_long_because_of_a_url(line: &str) -> bool {
    let urls = line.split_whitespace().filter(|word| word.contains("://"));
    let url_columns = urls.map(|url| url.chars().count()).max().unwrap_or_default();
    // More text than half a line can move to a line of its own.
    url_columns > 0 && line.chars().count() - url_columns <= MAX_COLUMNS / 2
}

fn has_extension(file: &str, wanted: &str) -> bool {
    std::path::Path::new(file)
        .extension()
        .is_some_and(|extension| extension == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(file: &str, text: &str) -> Vec<Violation> {
        check(&Source {
            file: file.into(),
            text: text.into(),
        })
    }

    #[test]
    fn a_line_over_the_limit_is_rejected_in_every_kind_of_file() {
        let (fits, long) = ("é".repeat(MAX_COLUMNS), "é".repeat(MAX_COLUMNS + 1));
        for file in [
            "a.rs", "a.py", "a.sh", "a.js", "a.css", "a.yaml", "a.toml", "a.md", "Makefile", ".ci/run",
        ] {
            assert_eq!(check_text(file, &fits), [], "{file}");
            let violations = check_text(file, &format!("{fits}\n{long}\n{fits}\n"));
            assert_eq!(violations.len(), 1, "{file}");
            assert_eq!((violations[0].file.as_str(), violations[0].line), (file, 2));
            assert!(violations[0].problem.contains("121 columns"), "{violations:?}");
        }
    }

    #[test]
    fn json_text_data_and_rows_of_markdown_tables_are_exempt() {
        let long = "x".repeat(MAX_COLUMNS + 1);
        for file in ["infra/openapi.json", "infra/tools/python/sam.txt"] {
            assert_eq!(check_text(file, &long), [], "{file}");
        }
        assert_eq!(check_text("README.md", &format!("| {long} |\n  | {long} |\n")), []);
        assert_eq!(check_text("a.rs", &format!("| {long} |")).len(), 1);
    }

    #[test]
    fn a_line_is_exempt_if_only_its_url_makes_it_too_long() {
        let url = format!("https://example.com/{}", "x".repeat(MAX_COLUMNS));
        assert_eq!(check_text("a.sh", &format!("    curl -O {url}")), []);
        let prose = "word ".repeat(25);
        assert_eq!(check_text("a.md", &format!("{prose} https://example.com")).len(), 1);
        assert_eq!(check_text("a.md", &format!("{prose} {url}")).len(), 1);
    }
}
