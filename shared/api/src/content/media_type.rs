//! The media type of a file, which follows its name.

use axum::http::HeaderValue;

/// The media type of files of which nothing is known.
const UNKNOWN: &str = "application/octet-stream";

/// Types that [`mime_guess`] does not know, or that mean something else in a workspace: `.ts` is TypeScript here, not
/// a video.
const OVERRIDES: [(&str, &str); 30] = [
    ("cjs", "text/javascript"),
    ("cts", "text/x-typescript"),
    ("dart", "text/x-dart"),
    ("env", "text/plain"),
    ("go", "text/x-go"),
    ("gradle", "text/plain"),
    ("ipynb", "application/json"),
    ("java", "text/x-java"),
    ("jsonc", "application/json"),
    ("jsonl", "application/jsonl"),
    ("kt", "text/x-kotlin"),
    ("lock", "text/plain"),
    ("mjs", "text/javascript"),
    ("mts", "text/x-typescript"),
    ("php", "text/x-php"),
    ("proto", "text/plain"),
    ("ps1", "text/plain"),
    ("py", "text/x-python"),
    ("rb", "text/x-ruby"),
    ("sass", "text/x-sass"),
    ("scala", "text/x-scala"),
    ("sh", "text/x-sh"),
    ("sql", "text/x-sql"),
    ("svelte", "text/x-svelte"),
    ("swift", "text/x-swift"),
    ("tf", "text/plain"),
    ("ts", "text/x-typescript"),
    ("tsx", "text/x-typescript"),
    ("vue", "text/x-vue"),
    ("zig", "text/x-zig"),
];

/// Names without a known extension that are text by convention, in lower case.
const TEXT_NAMES: [&str; 10] = [
    "authors",
    "changelog",
    "codeowners",
    "copying",
    "dockerfile",
    "gemfile",
    "license",
    "makefile",
    "procfile",
    "readme",
];

/// The media type of a file with this name, without parameters.
pub fn media_type(name: &str) -> &'static str {
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return if TEXT_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            "text/plain"
        } else {
            UNKNOWN
        };
    };
    let own = OVERRIDES
        .iter()
        .find(|(known, _)| extension.eq_ignore_ascii_case(known));
    let known = own.map(|(_, kind)| *kind);
    let known = known.or_else(|| mime_guess::from_ext(extension).first_raw());
    // Files such as `.gitignore` are settings.
    known.unwrap_or(if stem.is_empty() { "text/plain" } else { UNKNOWN })
}

/// `Content-Type` of a file with this media type. Text is UTF-8, like nearly all text in workspaces.
pub(crate) fn content_type(media_type: &'static str) -> HeaderValue {
    if !media_type.starts_with("text/") {
        return HeaderValue::from_static(media_type);
    }
    let value = HeaderValue::try_from(format!("{media_type}; charset=utf-8"));
    value.unwrap_or(HeaderValue::from_static(UNKNOWN))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_type_follows_the_extension_in_either_case() {
        for (name, expected) in [
            ("main.rs", "text/x-rust"),
            ("MAIN.RS", "text/x-rust"),
            ("a.b.ts", "text/x-typescript"),
            ("app.TSX", "text/x-typescript"),
            ("index.html", "text/html"),
            ("logo.svg", "image/svg+xml"),
            ("data.json", "application/json"),
            ("README.md", "text/markdown"),
            ("photo.jpeg", "image/jpeg"),
            ("paper.pdf", "application/pdf"),
            ("module.wasm", "application/wasm"),
            ("Makefile", "text/plain"),
            ("LICENSE", "text/plain"),
            (".gitignore", "text/plain"),
            (".env", "text/plain"),
            ("a.unknown", UNKNOWN),
            ("binary", UNKNOWN),
            ("a.", UNKNOWN),
            ("größe.txt", "text/plain"),
            ("日本", UNKNOWN),
        ] {
            assert_eq!(media_type(name), expected, "{name}");
        }
    }

    #[test]
    fn text_has_a_charset() {
        assert_eq!(content_type("text/x-rust"), "text/x-rust; charset=utf-8");
        assert_eq!(content_type("image/png"), "image/png");
    }

    #[test]
    fn the_overrides_are_sorted_and_in_lower_case() {
        assert!(OVERRIDES.is_sorted());
        assert!(OVERRIDES.iter().all(|(name, _)| !name.contains(char::is_uppercase)));
    }

    proptest! {
        #[test]
        fn every_name_has_a_type_that_is_a_header_value(name: String) {
            let kind = media_type(&name);
            prop_assert!(content_type(kind).to_str().unwrap().starts_with(kind));
            prop_assert!(kind.contains('/'));
        }
    }
}
