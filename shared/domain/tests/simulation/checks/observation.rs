//! What the history shows of one session.

use domain::sessions::Session;

use crate::history::Tick;

/// What one operation, or the final store, showed of a session.
pub(super) struct Observation<'h> {
    pub(super) called: Tick,
    pub(super) replied: Tick,
    /// The event; `None` for the final store.
    pub(super) by: Option<usize>,
    pub(super) found: Found<'h>,
}

#[derive(Clone, Copy)]
pub(super) enum Found<'h> {
    Absent,
    /// A version other than the expected one.
    OtherVersion,
    Session(&'h Session),
}

impl<'h> Found<'h> {
    pub(super) fn from_lookup(session: Option<&'h Session>) -> Self {
        session.map_or(Self::Absent, Self::Session)
    }

    pub(super) fn is_present(self) -> bool {
        !matches!(self, Self::Absent)
    }
}

impl<'h> Observation<'h> {
    pub(super) fn session(&self) -> Option<&'h Session> {
        match self.found {
            Found::Session(session) => Some(session),
            _ => None,
        }
    }

    pub(super) fn observer(&self) -> String {
        self.by
            .map_or("the final store".to_owned(), |number| format!("#{number}"))
    }
}
