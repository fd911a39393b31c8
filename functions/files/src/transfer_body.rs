//! What is moved or copied, and to where.

use api::{ApiError, Checks, Field};
use domain::files::changeset::{Overwrite, Transfer};
use domain::files::{FilePath, Precondition};
use domain::text::Rejection;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::precondition::{Tags, combine};
use crate::schema::{EntityTags, SubPathText};

/// A file or a directory, and its new path.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Transfer)]
pub struct TransferBody {
    /// The path of what is moved or copied. `If-Match` is about it.
    #[schema(value_type = SubPathText)]
    from: Field<String>,
    /// The new path.
    #[schema(value_type = SubPathText)]
    to: Field<String>,
    /// Whether what has the new path is replaced, and goes to the trash. False by default. Has no effect beside
    /// `overwriteIfMatch`.
    #[schema(value_type = Option<bool>, example = false)]
    overwrite: Field<bool>,
    /// Replaces what has the new path if it has one of these entity tags, or with `*` if there is something. A personal
    /// access token can replace something only with its tags: for it, `*` is not enough.
    #[schema(value_type = Option<EntityTags>)]
    overwrite_if_match: Field<String>,
    /// Whether missing directories of the new path are made. False by default.
    #[schema(value_type = Option<bool>, example = false)]
    parents: Field<bool>,
}

impl TransferBody {
    pub(crate) fn parse(self, precondition: Precondition) -> Result<Transfer, ApiError> {
        let mut checks = Checks::new();
        let from = checks.required("from", self.from, not_root);
        let to = checks.required("to", self.to, not_root);
        let overwrite = overwrite(&mut checks, self.overwrite, self.overwrite_if_match);
        let parents = checks.optional("parents", self.parents, Ok::<_, Rejection>);
        match (from, to, overwrite, parents) {
            (Some(from), Some(to), Some(overwrite), Some(parents)) => Ok(Transfer {
                from,
                to,
                overwrite,
                parents: parents.unwrap_or_default(),
                precondition,
            }),
            _ => Err(checks.into_error()),
        }
    }
}

/// Parses a path of an entry that has a name and a place.
#[expect(clippy::needless_pass_by_value, reason = "it is the parser of a member")]
pub(crate) fn not_root(text: String) -> Result<FilePath, Rejection> {
    let path = FilePath::parse(&text)?;
    if path.is_root() {
        return Err(Rejection("must not be the root directory".to_owned()));
    }
    Ok(path)
}

/// What happens to an entry at the new path.
pub(crate) fn overwrite(checks: &mut Checks, always: Field<bool>, tags: Field<String>) -> Option<Overwrite> {
    let always = checks.optional("overwrite", always, Ok::<_, Rejection>);
    let tags = checks.optional("overwriteIfMatch", tags, |text| {
        combine(Some(Tags::parse_member(text)?), None)
    });
    Some(match (always?, tags?) {
        (_, Some(precondition)) => Overwrite::If(precondition),
        (Some(true), None) => Overwrite::Always,
        (Some(false) | None, None) => Overwrite::Never,
    })
}
