//! The output of the checks.

/// The violated rules, one sentence each.
#[derive(Default)]
pub(super) struct Problems(Vec<String>);

impl Problems {
    pub(super) fn add(&mut self, problem: String) {
        self.0.push(problem);
    }

    pub(super) fn unless(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.0.push(problem());
        }
    }

    pub(super) fn into_sentences(self) -> Vec<String> {
        self.0
    }
}
