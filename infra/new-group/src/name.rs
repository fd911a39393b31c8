//! The names of a group.

/// The words of the templates, each replaced by the corresponding word of the new group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// `notes`: the function, the domain folder, the path.
    pub(crate) group: String,
    /// `note`: one of its resources.
    entity: String,
}

/// Names of crates that the generated code uses, of the language, and of cargo.
const RESERVED: &[&str] = &[
    "alloc",
    "api",
    "as",
    "async",
    "await",
    "axum",
    "bench",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "domain",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "fn",
    "for",
    "gateway",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "jwt",
    "kv",
    "let",
    "loop",
    "match",
    "mod",
    "move",
    "mut",
    "peer",
    "proc",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "testkit",
    "tests",
    "thing",
    "things",
    "tokio",
    "trait",
    "true",
    "try",
    "type",
    "union",
    "unsafe",
    "use",
    "utoipa",
    "where",
    "while",
    "yield",
];

/// The longest name: `coditect-v5-NAME-…` must fit AWS's limit of 64 characters for names of roles and functions.
const MAX_CHARS: usize = 30;

impl Names {
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let starts_with_letter = name.starts_with(|first: char| first.is_ascii_lowercase());
        let is_word = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !starts_with_letter || !is_word || !(3..=MAX_CHARS).contains(&name.len()) {
            return Err(format!(
                "the name {name:?} is not one word of 3 to {MAX_CHARS} lower-case letters and digits, such as notes"
            ));
        }
        if RESERVED.contains(&name) {
            return Err(format!(
                "the name {name} is reserved for Rust, cargo or another package"
            ));
        }
        let entity = match name.strip_suffix("ies") {
            Some(stem) if !stem.is_empty() => format!("{stem}y"),
            _ if name.ends_with("ss") || name.ends_with("us") => name.to_owned(),
            _ => name.strip_suffix('s').unwrap_or(name).to_owned(),
        };
        Ok(Self {
            group: name.to_owned(),
            entity,
        })
    }

    /// Replaces the words of a template: `things`, `thing`, `Things`, `Thing`.
    pub(crate) fn render(&self, template: &str) -> String {
        template
            .replace("things", &self.group)
            .replace("Things", &capitalised(&self.group))
            .replace("thing", &self.entity)
            .replace("Thing", &capitalised(&self.entity))
    }
}

fn capitalised(word: &str) -> String {
    word[..1].to_uppercase() + &word[1..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_gets_the_names_of_the_group_and_its_entity() {
        for (name, rendered) in [
            ("notes", "notes note Notes Note NoteId list_notes"),
            ("entries", "entries entry Entries Entry EntryId list_entries"),
            ("access", "access access Access Access AccessId list_access"),
            ("status", "status status Status Status StatusId list_status"),
            ("billing", "billing billing Billing Billing BillingId list_billing"),
            ("web3", "web3 web3 Web3 Web3 Web3Id list_web3"),
        ] {
            let names = Names::parse(name).unwrap();
            assert_eq!(names.render("things thing Things Thing ThingId list_things"), rendered);
        }
    }

    #[test]
    fn a_name_that_is_not_a_lower_case_word_is_rejected_with_an_example() {
        for name in [
            "",
            "no",
            "Notes",
            "my-notes",
            "my_notes",
            "2notes",
            "notes ",
            "nötes",
            "../notes",
            "a/b",
            &"n".repeat(31),
        ] {
            let problem = Names::parse(name).unwrap_err();
            assert!(problem.contains("such as notes"), "{name}: {problem}");
        }
    }

    #[test]
    fn reserved_names_are_rejected() {
        for name in ["struct", "test", "kv", "api", "things"] {
            assert!(Names::parse(name).is_err(), "{name}");
        }
    }
}
