//! The report of one broken rule.

use std::fmt;

/// One broken rule: where, what is wrong, and what to do instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Relative to the workspace root.
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) problem: String,
    pub(crate) instead: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Editors and terminals turn a leading `file:line:` into a link.
        write!(
            f,
            "{}:{}: {}\n    instead: {}",
            self.file, self.line, self.problem, self.instead
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_names_the_place_the_problem_and_the_remedy() {
        let violation = Violation {
            file: "shared/kv/src/lib.rs".into(),
            line: 7,
            problem: "it is wrong".into(),
            instead: "do it right".into(),
        };

        assert_eq!(
            violation.to_string(),
            "shared/kv/src/lib.rs:7: it is wrong\n    instead: do it right"
        );
    }
}
