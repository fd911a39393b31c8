//! Which part of the audit log a page shows.

use crate::audit::Action;
use crate::page::{Cursor, Limit};
use crate::text::Rejection;

/// Which page of the log to return.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The maximum number of events.
    pub limit: Limit,
    /// The cursor of the page before.
    pub after: Option<Cursor>,
    /// The order of the events.
    pub direction: Direction,
    /// The only action whose events are listed.
    pub action: Option<ActionName>,
}

impl Listing {
    /// The filter in the cursors of this listing: unambiguous, because no name of an action contains a space. The empty
    /// one is that of cursors from before the log had filters.
    pub(crate) fn filter(&self) -> String {
        let action = self.action.map_or("", ActionName::as_str);
        match self.direction {
            Direction::Ascending => action.to_owned(),
            Direction::Descending => format!("desc {action}"),
        }
    }
}

/// The order of a page's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// In commit order.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

impl Direction {
    /// The names in the contract.
    pub const NAMES: [&str; 2] = ["asc", "desc"];

    /// Parses one of [`NAMES`](Self::NAMES).
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        match text {
            "asc" => Ok(Self::Ascending),
            "desc" => Ok(Self::Descending),
            _ => Err(one_of(&Self::NAMES)),
        }
    }
}

/// The name of an action that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActionName(&'static str);

impl ActionName {
    /// Parses one of [`Action::NAMES`].
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let name = Action::NAMES.iter().find(|name| **name == text);
        name.map(|name| Self(name)).ok_or_else(|| one_of(Action::NAMES))
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

fn one_of(names: &[&str]) -> Rejection {
    Rejection(format!("must be one of {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_combination_has_a_filter_of_its_own() {
        let names = Action::NAMES.iter().map(|name| Some(ActionName::parse(name).unwrap()));
        let mut filters = BTreeSet::new();
        for action in names.chain([None]) {
            for direction in Direction::NAMES {
                let listing = Listing {
                    direction: Direction::parse(direction).unwrap(),
                    action,
                    ..Listing::default()
                };
                assert!(filters.insert(listing.filter()), "{listing:?}");
            }
        }
        assert_eq!(
            Listing::default().filter(),
            "",
            "as in older cursors, which never expire"
        );
    }

    #[test]
    fn only_names_that_exist_are_accepted() {
        for text in [
            "",
            "login",
            "login.opened ",
            "Login.opened",
            "login.opened,login.closed",
        ] {
            let Rejection(reason) = ActionName::parse(text).unwrap_err();
            assert!(reason.contains("login.opened, "), "{reason}");
        }
        for text in ["", "ASC", "descending"] {
            assert_eq!(Direction::parse(text).unwrap_err().0, "must be one of asc, desc");
        }
    }
}
