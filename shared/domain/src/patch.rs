//! A change of one value, as a JSON merge patch expresses it.

/// A change of an optional value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// The value stays.
    #[default]
    Keep,
    /// The value is removed.
    Remove,
    /// The value is replaced.
    Set(T),
}

impl<T: Clone> Patch<T> {
    /// The value after the change of `current`.
    pub fn applied_to(&self, current: &Option<T>) -> Option<T> {
        match self {
            Self::Keep => current.clone(),
            Self::Remove => None,
            Self::Set(value) => Some(value.clone()),
        }
    }
}
