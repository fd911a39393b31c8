//! The schemas of a changeset's operations: one form for each kind, with the members that this kind has.

#![expect(dead_code, reason = "it only documents what `changeset_body` parses")]

use utoipa::ToSchema;

use crate::schema::{Base64Text, ContentText, DigestText, EntityTags, FilePathText, SearchText, SubPathText};

/// An operation on the entry at `path`. With `ifMatch`, it applies only if the entry has one of these entity tags. With
/// `ifNoneMatch`, it applies only if the entry has none of them; `*`: only if there is no entry.
#[derive(ToSchema)]
#[serde(tag = "op")]
#[schema(as = FileOperation)]
pub enum OperationForm {
    /// Writes a file with a text.
    #[serde(rename = "put", rename_all = "camelCase")]
    PutText {
        /// The path.
        #[schema(value_type = FilePathText)]
        path: (),
        /// The new content.
        #[schema(value_type = ContentText)]
        text: (),
        /// Whether missing directories of the path are made.
        #[schema(value_type = Option<bool>, example = false)]
        parents: (),
        /// The precondition on the entry's tag.
        #[schema(value_type = Option<EntityTags>)]
        if_match: (),
        /// The precondition on the tags that the entry must not have.
        #[schema(value_type = Option<EntityTags>)]
        if_none_match: (),
    },
    /// Writes a file with any bytes.
    #[serde(rename = "put", rename_all = "camelCase")]
    PutBytes {
        /// The path.
        #[schema(value_type = FilePathText)]
        path: (),
        /// The new content, in base64.
        #[schema(value_type = Base64Text)]
        base64: (),
        /// Whether missing directories of the path are made.
        #[schema(value_type = Option<bool>, example = false)]
        parents: (),
        /// The precondition on the entry's tag.
        #[schema(value_type = Option<EntityTags>)]
        if_match: (),
        /// The precondition on the tags that the entry must not have.
        #[schema(value_type = Option<EntityTags>)]
        if_none_match: (),
    },
    /// Writes a file with a content that the tenant stores already.
    #[serde(rename = "put", rename_all = "camelCase")]
    PutStored {
        /// The path.
        #[schema(value_type = FilePathText)]
        path: (),
        /// The digest of the content.
        #[schema(value_type = DigestText)]
        digest: (),
        /// Whether missing directories of the path are made.
        #[schema(value_type = Option<bool>, example = false)]
        parents: (),
        /// The precondition on the entry's tag.
        #[schema(value_type = Option<EntityTags>)]
        if_match: (),
        /// The precondition on the tags that the entry must not have.
        #[schema(value_type = Option<EntityTags>)]
        if_none_match: (),
    },
    /// Changes parts of a file.
    #[serde(rename = "edit", rename_all = "camelCase")]
    Edit {
        /// The path.
        #[schema(value_type = FilePathText)]
        path: (),
        /// The changes. Each applies to the result of the one before.
        #[schema(value_type = Vec<EditForm>, min_items = 1, max_items = 1000)]
        edits: (),
        /// The precondition on the entry's tag.
        #[schema(value_type = Option<EntityTags>)]
        if_match: (),
        /// The precondition on the tags that the entry must not have.
        #[schema(value_type = Option<EntityTags>)]
        if_none_match: (),
    },
    /// Moves a file or a directory.
    #[serde(rename = "move", rename_all = "camelCase")]
    Move {
        /// The path.
        #[schema(value_type = SubPathText)]
        path: (),
        /// The new path.
        #[schema(value_type = SubPathText)]
        to: (),
        /// Whether what has the new path is replaced, and goes to the trash. Has no effect beside `overwriteIfMatch`.
        #[schema(value_type = Option<bool>, example = false)]
        overwrite: (),
        /// Replaces what has the new path if it has one of these entity tags, or with `*` if there is something.
        #[schema(value_type = Option<EntityTags>)]
        overwrite_if_match: (),
        /// Whether missing directories of the new path are made.
        #[schema(value_type = Option<bool>, example = false)]
        parents: (),
        /// The precondition on the entry's tag.
        #[schema(value_type = Option<EntityTags>)]
        if_match: (),
        /// The precondition on the tags that the entry must not have.
        #[schema(value_type = Option<EntityTags>)]
        if_none_match: (),
    },
    /// Copies a file.
    #[serde(rename = "copy", rename_all = "camelCase")]
    Copy {
        /// The path.
        #[schema(value_type = SubPathText)]
        path: (),
        /// The path of the copy.
        #[schema(value_type = SubPathText)]
        to: (),
        /// Whether what has the path of the copy is replaced, and goes to the trash. Has no effect beside
        /// `overwriteIfMatch`.
        #[schema(value_type = Option<bool>, example = false)]
        overwrite: (),
        /// Replaces what has the path of the copy if it has one of these entity tags, or with `*` if there is
        /// something.
        #[schema(value_type = Option<EntityTags>)]
        overwrite_if_match: (),
        /// Whether missing directories of the copy's path are made.
        #[schema(value_type = Option<bool>, example = false)]
        parents: (),
        /// The precondition on the entry's tag.
        #[schema(value_type = Option<EntityTags>)]
        if_match: (),
        /// The precondition on the tags that the entry must not have.
        #[schema(value_type = Option<EntityTags>)]
        if_none_match: (),
    },
    /// Moves a file or a directory to the trash.
    #[serde(rename = "delete", rename_all = "camelCase")]
    Delete {
        /// The path.
        #[schema(value_type = SubPathText)]
        path: (),
        /// Whether a directory may have entries.
        #[schema(value_type = Option<bool>, example = false)]
        recursive: (),
        /// The precondition on the entry's tag.
        #[schema(value_type = Option<EntityTags>)]
        if_match: (),
        /// The precondition on the tags that the entry must not have.
        #[schema(value_type = Option<EntityTags>)]
        if_none_match: (),
    },
    /// Makes a directory.
    #[serde(rename = "mkdir", rename_all = "camelCase")]
    MakeDirectory {
        /// The path.
        #[schema(value_type = FilePathText)]
        path: (),
        /// Whether missing directories of the path are made, and an existing directory is no failure.
        #[schema(value_type = Option<bool>, example = false)]
        parents: (),
        /// The precondition on the entry's tag.
        #[schema(value_type = Option<EntityTags>)]
        if_match: (),
        /// The precondition on the tags that the entry must not have.
        #[schema(value_type = Option<EntityTags>)]
        if_none_match: (),
    },
}

/// A change of a file.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = FileEdit)]
pub enum EditForm {
    /// Replaces a text.
    Text {
        /// The text to replace. All of its occurrences are replaced.
        #[schema(value_type = SearchText)]
        find: (),
        /// The text in its place.
        #[schema(value_type = ContentText)]
        replace: (),
        /// The exact number of occurrences, by default 1. The edit is rejected if there are more or fewer.
        #[schema(value_type = Option<u32>, example = 1, minimum = 1, maximum = 4_194_304)]
        count: (),
    },
    /// Replaces a range of bytes.
    Range {
        /// The first byte to replace.
        #[schema(value_type = u64, example = 3, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
        offset: (),
        /// The number of bytes to replace.
        #[schema(value_type = u64, example = 3, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
        length: (),
        /// The text in their place.
        #[schema(value_type = ContentText)]
        text: (),
    },
}
