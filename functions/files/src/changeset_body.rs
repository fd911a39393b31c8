//! The operations of a changeset, parsed one after the other, so that a body with many mistakes takes little memory.

use std::fmt;
use std::marker::PhantomData;

use api::content::parse_digest_field;
use api::{Checks, Field, MAX_SAFE_INTEGER, WholeNumber};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::contents::{Content, Digest};
use domain::files::changeset::{Delete, Edit, MakeDirectory, Operation, Put, Replacement, Source, Transfer};
use domain::files::{FilePath, Precondition};
use domain::text::Rejection;
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::precondition::{Tags, combine};
use crate::transfer_body::{not_root, overwrite};

/// The largest number of edits in an operation.
const MAX_EDITS: usize = 1000;

/// The largest number of occurrences that an edit can name: the bytes of a content.
const MAX_OCCURRENCES: u64 = 4 << 20;

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
#[derive(Clone, Copy, PartialEq, Deserialize)]
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

/// An operation on the entry at `path`. Which other members it has depends on `op`; see `changeset_schema`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an operation")]
pub struct OperationBody {
    op: Field<Kind>,
    path: Field<String>,
    to: Field<String>,
    text: Field<String>,
    base64: Field<String>,
    digest: Field<String>,
    edits: Field<AtMost<EditBody, MAX_EDITS>>,
    parents: Field<bool>,
    recursive: Field<bool>,
    overwrite: Field<bool>,
    overwrite_if_match: Field<String>,
    if_match: Field<String>,
    if_none_match: Field<String>,
}

/// A change of a file: `find` and `replace`, or `offset`, `length` and `text`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an edit")]
pub struct EditBody {
    find: Field<String>,
    replace: Field<String>,
    count: Field<WholeNumber<1, MAX_OCCURRENCES>>,
    offset: Field<WholeNumber<0, MAX_SAFE_INTEGER>>,
    length: Field<WholeNumber<0, MAX_SAFE_INTEGER>>,
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
        let (Some(kind), Some(path), Some(precondition)) = (kind, path, precondition) else {
            return Err(checks);
        };
        let mut flag = |name, value, kinds: &[Kind]| {
            let value = if kinds.contains(&kind) {
                checks.optional(name, value, Ok::<_, Rejection>).flatten()
            } else {
                None
            };
            value.unwrap_or_default()
        };
        let parents = flag(
            "parents",
            self.parents,
            &[Kind::Put, Kind::Move, Kind::Copy, Kind::Mkdir],
        );
        let recursive = flag("recursive", self.recursive, &[Kind::Delete]);
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
                recursive,
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
    let matches = checks.optional("ifMatch", matches, Tags::parse_member);
    let none = checks.optional("ifNoneMatch", none, Tags::parse_member);
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
        let whole = |number: WholeNumber<0, MAX_SAFE_INTEGER>| Ok::<_, Rejection>(number.0);
        let offset = checks.optional("offset", self.offset, whole);
        let (Some(find), Some(offset)) = (find, offset) else {
            return Err(checks);
        };
        let bytes = |text: String| Ok::<_, Rejection>(text.into_bytes());
        let replacement = match (find, offset) {
            (Some(find), None) => {
                let replace = checks.required("replace", self.replace, bytes);
                let count = checks.optional("count", self.count, |count| {
                    usize::try_from(count.0).map_err(|_| Rejection("is too large".to_owned()))
                });
                replace.zip(count).map(|(replace, count)| Replacement::Text {
                    find,
                    replace,
                    count: count.unwrap_or(1),
                })
            }
            (None, Some(offset)) => {
                let length = checks.required("length", self.length, whole);
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
