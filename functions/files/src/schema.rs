//! Schemas that several bodies and parameters share.

use api::Version;
use api::openapi::schema::{formatted, text};
use domain::contents;
use domain::files::FilePath;
use domain::files::snapshots::diff;
use domain::page::Limit;
use domain::uploads;
use serde_json::json;
use utoipa::openapi::{ObjectBuilder, Type};

/// The longest path of an entry, in bytes. Moves of directories can make paths longer than those of requests.
const ENTRY_PATH_MAX: usize = 65_536;

use crate::precondition::Tags;

api::schemas! {
    /// The path of a file or a directory, as a request names it.
    FilePathText = text()
        .description(Some(
            "An absolute path, such as `/src/main.rs`; `/` is the root directory. At most 1,024 bytes and 32 names of \
             at most 255 bytes each, in Unicode's normalisation form C: names that differ only by normalisation are \
             the same. No name is empty, `.` or `..`, or has a control character.",
        ))
        .min_length(Some(1))
        .max_length(Some(FilePath::MAX_BYTES))
        .pattern(Some(r"^(/|(/(?!\.{1,2}(/|$))[^/\u0000-\u001f\u007f-\u009f]{1,255}){1,32})$"))
        .examples(["/src/main.rs"]);

    /// The path of a file or a directory other than the root directory, as a request names it.
    SubPathText = text()
        .description(Some("As `FilePathText`, but not the root directory."))
        .min_length(Some(2))
        .max_length(Some(FilePath::MAX_BYTES))
        .pattern(Some(r"^(/(?!\.{1,2}(/|$))[^/\u0000-\u001f\u007f-\u009f]{1,255}){1,32}$"))
        .examples(["/src/main.rs"]);

    /// The path of an entry.
    EntryPath = text()
        .description(Some(
            "An absolute path. That of an entry below a directory that was moved can be longer than a request may \
             name; the directory can be moved back.",
        ))
        .min_length(Some(1))
        .max_length(Some(ENTRY_PATH_MAX))
        .examples(["/src/main.rs"]);

    /// The name of an entry.
    EntryName = text()
        .description(Some("The last name of the path; empty for the root directory."))
        .max_length(Some(FilePath::MAX_NAME_BYTES))
        .examples(["main.rs"]);

    /// What an entry is.
    EntryKind = text().enum_values(Some(["file", "directory"]));

    /// What an operation does.
    OperationKind = text().enum_values(Some(["put", "edit", "move", "copy", "delete", "mkdir"]));

    /// What happened to an entry.
    FileChangeKind = text().enum_values(Some(["created", "changed", "moved", "deleted"]));

    /// What differs.
    DifferenceKind = text().enum_values(Some(["created", "changed", "deleted"]));

    /// How far a restore is.
    RestoreStateText = text().enum_values(Some(["preparing", "completed", "failed"]));

    /// The cursor of a comparison.
    DifferenceCursor = text()
        .description(Some("Where a page of differences ended. Opaque; valid only for the same two snapshots."))
        .min_length(Some(1))
        .max_length(Some(diff::MAX_CURSOR_CHARS))
        .pattern(Some("^[A-Za-z0-9_-]+$"))
        .examples(["AgAvc3JjkVSl3s1LmVyr3zM0nxGd5g"]);

    /// A media type.
    MediaType = text()
        .description(Some("The media type, which follows the name; null for a directory."))
        .max_length(Some(127))
        .pattern(Some("^[a-z0-9.+-]+/[A-Za-z0-9.+_-]+$"))
        .examples(["text/x-rust"]);

    /// An entity tag.
    EntityTag = text()
        .description(Some(
            "The entity tag: of a file that of its content, so that equal contents have equal tags; of a directory \
             one that never changes.",
        ))
        .max_length(Some(Version::MAX_CHARS))
        .pattern(Some(r#"^"[0-9a-f]{32}"$"#))
        .examples(["\"9f86d081884c7d659a2feaa0c55ad015\""]);

    /// Entity tags of a precondition.
    EntityTags = text()
        .description(Some("`*`, or entity tags separated by commas, as in the header of this name."))
        .max_length(Some(Tags::MAX_CHARS))
        .examples(["\"9f86d081884c7d659a2feaa0c55ad015\""]);

    /// A digest.
    DigestText = text()
        .description(Some("The SHA-256 of the content (RFC 9530), in base64."))
        .max_length(Some(60))
        .pattern(Some("^sha-256=:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=:$"))
        .examples(["sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"]);

    /// A text of a content or an edit.
    ContentText = text()
        .description(Some("A text; all texts of a changeset together have at most 4 MiB."))
        .max_length(Some(6 << 20))
        .examples(["text"]);

    /// A text that an edit looks for.
    SearchText = text()
        .description(Some("A text to find, which is not empty."))
        .min_length(Some(1))
        .max_length(Some(6 << 20))
        .examples(["text"]);

    /// A content in base64.
    Base64Text = text()
        .description(Some("Any bytes, in base64 with padding (RFC 4648, section 4)."))
        .max_length(Some(6 << 20))
        .pattern(Some(
            "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$",
        ))
        .examples(["dGV4dA=="]);

    /// The content of a file, or a part of it.
    ContentBytes = formatted("binary")
        .max_length(Some(usize::try_from(uploads::MAX_BYTES).unwrap_or(usize::MAX)))
        .examples(["fn main() {}"]);

    /// The content of a small file, or a part of an upload.
    FileBytes = formatted("binary")
        .max_length(Some(usize::try_from(contents::MAX_BYTES).unwrap_or(usize::MAX)))
        .examples(["fn main() {}"]);

    /// The number of a part.
    PartNumberText = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(uploads::MAX_PARTS))
        .examples([json!(1)]);

    /// The largest number of entries in a page.
    FileLimit = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(Limit::MAX_FILES))
        .default(Some(json!(Limit::default().get())))
        .examples([json!(10)]);
}
