//! What operations require of the entries that they change or replace.

use crate::error::{Error, Result};
use crate::files::changeset::Overwrite;
use crate::files::changeset::author::Author;
use crate::files::{Entry, Precondition};

/// Whether the entry at a path is as the client expects.
pub(super) fn check(precondition: &Precondition, entry: Option<&Entry>) -> Result<()> {
    if precondition.is_met_by(entry.map(|entry| entry.node.tag())) {
        Ok(())
    } else {
        Err(Error::PreconditionFailed)
    }
}

/// Whether a file may be overwritten.
pub(super) fn check_overwrite(author: &Author, existing: Option<&Entry>, precondition: &Precondition) -> Result<()> {
    match existing {
        Some(existing) if existing.node.directory().is_some() => Err(Error::IsADirectory),
        Some(_) if author.is_program() && !precondition.names_versions() => Err(Error::PreconditionRequired),
        _ => Ok(()),
    }
}

/// Whether a move or a copy may replace its target.
pub(super) fn check_target(author: &Author, overwrite: &Overwrite, target: Option<&Entry>) -> Result<()> {
    let names_versions = match overwrite {
        Overwrite::If(precondition) => {
            check(precondition, target)?;
            precondition.names_versions()
        }
        Overwrite::Never if target.is_some() => return Err(Error::Exists),
        Overwrite::Never | Overwrite::Always => false,
    };
    if target.is_some() && author.is_program() && !names_versions {
        return Err(Error::PreconditionRequired);
    }
    Ok(())
}
