//! Reads and parses single variables, and reports the ones that are not usable.

use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Many limits and defaults are whole days.
pub(super) const DAY_SECONDS: u64 = 86_400;

/// A variable with an unusable value, or a required one that is not set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {problem}")]
pub struct ConfigError {
    variable: &'static str,
    problem: String,
}

impl ConfigError {
    /// `problem` continues a sentence that starts with the variable's name.
    pub(crate) fn new(variable: &'static str, problem: impl Into<String>) -> Self {
        Self {
            variable,
            problem: problem.into(),
        }
    }
}

type Lookup<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// The environment variables, behind a function so that tests can provide their own.
pub(super) struct Variables<'a>(Box<Lookup<'a>>);

impl<'a> Variables<'a> {
    pub(super) fn new(lookup: impl Fn(&str) -> Option<OsString> + 'a) -> Self {
        Self(Box::new(lookup))
    }

    /// The value as text. An empty value counts as unset, because many tools cannot unset a variable.
    pub(super) fn text(&self, variable: &'static str) -> Result<Option<String>, ConfigError> {
        (self.0)(variable)
            .filter(|value| !value.is_empty())
            .map(OsString::into_string)
            .transpose()
            .map_err(|_| ConfigError::new(variable, "is not valid UTF-8"))
    }

    /// The parsed value; `expected` says in the error what it has to be.
    pub(super) fn parsed<T: FromStr>(&self, variable: &'static str, expected: &str) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.text(variable)? else {
            return Ok(None);
        };
        value
            .parse()
            .map(Some)
            .map_err(|_| ConfigError::new(variable, format!("must be {expected}, but is `{value}`")))
    }

    /// The value as a whole number in this range.
    pub(super) fn number<T>(&self, variable: &'static str, range: RangeInclusive<T>) -> Result<Option<T>, ConfigError>
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        match self.parsed(variable, &expected)? {
            Some(number) if !range.contains(&number) => {
                let problem = format!("must be {expected}, but is `{number}`");
                Err(ConfigError::new(variable, problem))
            }
            number => Ok(number),
        }
    }
}

#[cfg(test)]
impl Variables<'static> {
    /// Exactly these variables.
    pub(super) fn of(pairs: &[(&str, &str)]) -> Self {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
            .collect();
        Self::new(move |name| {
            pairs
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        })
    }
}
