//! The operations of a changeset, parsed one after the other, so that a body with many mistakes takes little memory.

use std::fmt;
use std::marker::PhantomData;

use api::content::parse_digest_field;
use api::{Checks, Field};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::contents::{Content, Digest};
use domain::files::changeset::{Delete, Edit, MakeDirectory, Operation, Put, Replacement, Source, Transfer};
use domain::files::{FilePath, Precondition};
use domain::text::Rejection;
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::precondition::{Tags, combine};
use crate::schema::{ContentText, DigestText, EntityTags, FilePathText, OperationKind};
use crate::transfer_body::{not_root, overwrite};

/// The largest number of edits in an operation.
const MAX_EDITS: usize = 1000;

/// A list of at most `N` items; reading stops at the next one.
pub struct AtMost<T, const N: usize>(pub Vec<T>);

impl<'de, T: DeserializeOwned, const N: usize> Deserialize<'de> for AtMost<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const N: usize>(PhantomData<T>);

        impl<'de, T: DeserializeOwned, const N: usize> Visitor<'de> for Items<T, N> {
            type Value = AtMost<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<AtMost<T, N>, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    if all.len() == N {
                        return Err(A::Error::custom(format_args!("must have at most {N} items")));
                    }
                    all.push(item);
                }
                Ok(AtMost(all))
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
    }
}

/// What an operation does.
#[derive(Clone, Copy, Deserialize)]
#[serde(
    rename_all = "lowercase",
    expecting = "`put`, `edit`, `move`, `copy`, `delete` or `mkdir`"
)]
pub enum Kind {
    /// Writes a file, with one of `text`, `base64` and `digest`.
    Put,
    /// Changes parts of a file: `edits`.
    Edit,
    /// Moves an entry to `to`.
    Move,
    /// Copies a file to `to`.
    Copy,
    /// Moves an entry to the trash.
    Delete,
    /// Makes a directory.
    Mkdir,
}

/// An operation on the entry at `path`. Which other members it needs depends on `op`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", expecting = "an operation")]
#[schema(as = FileOperation)]
pub struct OperationBody {
    /// What it does.
    #[schema(value_type = OperationKind)]
    op: Field<Kind>,
    /// The path.
    #[schema(value_type = FilePathText)]
    path: Field<String>,
    /// The new path of what is moved or copied.
    #[schema(value_type = Option<FilePathText>)]
    to: Field<String>,
    /// The new content, as text.
    #[schema(value_type = Option<ContentText>)]
    text: Field<String>,
    /// The new content, in base64.
    #[schema(value_type = Option<ContentText>)]
    base64: Field<String>,
    /// The new content: one that the tenant stores already, by its digest.
    #[schema(value_type = Option<DigestText>)]
    digest: Field<String>,
    /// The changes. Each applies to the result of the one before.
    #[schema(value_type = Option<Vec<EditBody>>, min_items = 1, max_items = 1000)]
    edits: Field<AtMost<EditBody, MAX_EDITS>>,
    /// Whether missing directories of the path are made; with `mkdir`, an existing directory is then no failure.
    #[schema(value_type = Option<bool>, example = false)]
    parents: Field<bool>,
    /// Whether a directory that is deleted may have entries.
    #[schema(value_type = Option<bool>, example = false)]
    recursive: Field<bool>,
    /// Whether what has the new path is replaced.
    #[schema(value_type = Option<bool>, example = false)]
    overwrite: Field<bool>,
    /// Replaces what has the new path if it has one of these entity tags.
    #[schema(value_type = Option<EntityTags>)]
    overwrite_if_match: Field<String>,
    /// The operation applies only if the entry at `path` has one of these entity tags.
    #[schema(value_type = Option<EntityTags>)]
    if_match: Field<String>,
    /// The operation applies only if the entry at `path` has none of these entity tags; `*`: only if there is none.
    #[schema(value_type = Option<EntityTags>)]
    if_none_match: Field<String>,
}

/// A change of a file: `find` and `replace`, or `offset`, `length` and `text`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", expecting = "an edit")]
#[schema(as = FileEdit)]
pub struct EditBody {
    /// The text to replace. All of its occurrences are replaced.
    #[schema(value_type = Option<ContentText>)]
    find: Field<String>,
    /// The text in its place.
    #[schema(value_type = Option<ContentText>)]
    replace: Field<String>,
    /// The exact number of occurrences, by default 1. The edit is rejected if there are more or fewer.
    #[schema(value_type = Option<u32>, example = 1, minimum = 1, maximum = 4_194_304)]
    count: Field<u32>,
    /// The first byte to replace.
    #[schema(value_type = Option<u64>, example = 3, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    offset: Field<u64>,
    /// The number of bytes to replace.
    #[schema(value_type = Option<u64>, example = 3, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    length: Field<u64>,
    /// The text in the place of these bytes.
    #[schema(value_type = Option<ContentText>)]
    text: Field<String>,
}

impl OperationBody {
    pub(crate) fn parse(self) -> Result<Operation, Checks> {
        let mut checks = Checks::new();
        let kind = checks.required("op", self.op, Ok::<_, Rejection>);
        let path = checks.required("path", self.path, |text| match kind {
            Some(Kind::Move | Kind::Copy | Kind::Delete) => not_root(text),
            _ => FilePath::parse(&text),
        });
        let precondition = precondition(&mut checks, self.if_match, self.if_none_match);
        let parents = checks.optional("parents", self.parents, Ok::<_, Rejection>);
        let recursive = checks.optional("recursive", self.recursive, Ok::<_, Rejection>);
        let (Some(kind), Some(path), Some(precondition)) = (kind, path, precondition) else {
            return Err(checks);
        };
        let parents = parents.flatten().unwrap_or_default();
        let operation = match kind {
            Kind::Put => source(&mut checks, self.text, self.base64, self.digest).map(|source| {
                Operation::Put(Put {
                    path,
                    source,
                    parents,
                    precondition,
                })
            }),
            Kind::Edit => replacements(&mut checks, self.edits).map(|replacements| {
                Operation::Edit(Edit {
                    path,
                    replacements,
                    precondition,
                })
            }),
            Kind::Move | Kind::Copy => {
                let to = checks.required("to", self.to, not_root);
                let overwrite = overwrite(&mut checks, self.overwrite, self.overwrite_if_match);
                to.zip(overwrite).map(|(to, overwrite)| {
                    let transfer = Transfer {
                        from: path,
                        to,
                        overwrite,
                        parents,
                        precondition,
                    };
                    match kind {
                        Kind::Move => Operation::Move(transfer),
                        _ => Operation::Copy(transfer),
                    }
                })
            }
            Kind::Delete => Some(Operation::Delete(Delete {
                path,
                recursive: recursive.flatten().unwrap_or_default(),
                precondition,
            })),
            Kind::Mkdir => Some(Operation::MakeDirectory(MakeDirectory {
                path,
                parents,
                precondition,
            })),
        };
        operation.filter(|_| checks.count() == 0).ok_or(checks)
    }
}

pub(crate) fn precondition(checks: &mut Checks, matches: Field<String>, none: Field<String>) -> Option<Precondition> {
    let parse = |text: String| Ok::<_, Rejection>(Tags::parse(&text));
    let matches = checks.optional("ifMatch", matches, parse);
    let none = checks.optional("ifNoneMatch", none, parse);
    let combined = combine(matches?, none?);
    if combined.is_err() {
        let reason = "must not be a list beside the `ifMatch` `*`".to_owned();
        checks.reject("/ifNoneMatch", &Rejection(reason));
    }
    combined.ok()
}

fn source(checks: &mut Checks, text: Field<String>, base64: Field<String>, digest: Field<String>) -> Option<Source> {
    let content = |bytes: Vec<u8>| Source::Content(Content::new(bytes));
    let text = checks.optional("text", text, |text| Ok::<_, Rejection>(content(text.into_bytes())));
    let base64 = checks.optional("base64", base64, |text| {
        let bytes = STANDARD.decode(text);
        bytes
            .map(content)
            .map_err(|_| Rejection("is not base64 (RFC 4648, section 4)".to_owned()))
    });
    let digest = checks.optional("digest", digest, |text| {
        parse_digest_field(&text).map(|digest| Source::Stored(Digest::from_bytes(digest)))
    });
    match (text?, base64?, digest?) {
        (Some(source), None, None) | (None, Some(source), None) | (None, None, Some(source)) => Some(source),
        _ => {
            let reason = "must have exactly one of `text`, `base64` and `digest`".to_owned();
            checks.reject("", &Rejection(reason));
            None
        }
    }
}

fn replacements(checks: &mut Checks, edits: Field<AtMost<EditBody, MAX_EDITS>>) -> Option<Vec<Replacement>> {
    let AtMost(edits) = checks.required("edits", edits, |edits| {
        if edits.0.is_empty() {
            return Err(Rejection("must have an item".to_owned()));
        }
        Ok(edits)
    })?;
    let mut all = Vec::with_capacity(edits.len());
    for (index, edit) in edits.into_iter().enumerate() {
        match edit.parse() {
            Ok(replacement) => all.push(replacement),
            Err(inner) => {
                checks.append(&format!("/edits/{index}"), inner);
                return None;
            }
        }
    }
    Some(all)
}

impl EditBody {
    fn parse(self) -> Result<Replacement, Checks> {
        let mut checks = Checks::new();
        let find = checks.optional("find", self.find, |text| match &*text {
            "" => Err(Rejection("must not be empty".to_owned())),
            _ => Ok(text.into_bytes()),
        });
        let count = checks.optional("count", self.count, |count| match count {
            0 => Err(Rejection("must be at least 1".to_owned())),
            _ => Ok(count),
        });
        let offset = checks.optional("offset", self.offset, Ok::<_, Rejection>);
        let (Some(find), Some(count), Some(offset)) = (find, count, offset) else {
            return Err(checks);
        };
        let bytes = |text: String| Ok::<_, Rejection>(text.into_bytes());
        let replacement = match (find, offset) {
            (Some(find), None) => checks
                .required("replace", self.replace, bytes)
                .map(|replace| Replacement::Text {
                    find,
                    replace,
                    count: count.unwrap_or(1) as usize,
                }),
            (None, Some(offset)) => {
                let length = checks.required("length", self.length, Ok::<_, Rejection>);
                let text = checks.required("text", self.text, bytes);
                length.zip(text).map(|(length, replace)| Replacement::Range {
                    offset,
                    length,
                    replace,
                })
            }
            _ => {
                let reason = "must have `find` and `replace`, or `offset`, `length` and `text`".to_owned();
                checks.reject("", &Rejection(reason));
                None
            }
        };
        replacement.ok_or(checks)
    }
}
