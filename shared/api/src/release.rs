//! What this program was built from.

/// The version of the API and of its programs.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit. Builds for a release set `SOURCE_COMMIT`; other builds do not, because each new commit would compile
/// everything again.
pub const COMMIT: Option<&str> = match option_env!("SOURCE_COMMIT") {
    Some(commit) if commit.is_empty() => None,
    commit => commit,
};
