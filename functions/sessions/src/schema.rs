//! Schemas that several bodies share.

use api::openapi::schema::text;
use domain::sessions;

api::schemas! {
    /// A session's working folder.
    WorkspacePath = text()
        .description(Some(
            "An absolute POSIX path of at most 1,024 bytes, without `..`, control characters and characters that \
             override the direction of text. Every segment has a visible character. Repeated slashes, `.` segments \
             and a trailing slash are removed.",
        ))
        .min_length(Some(1))
        .max_length(Some(sessions::WorkspacePath::MAX_BYTES))
        .pattern(Some(concat!(
            r"^(/(?!\.\.(/|$))(?![\s\u00ad\u200b-\u200f\u2060-\u206f\u2800\u3164]+(/|$))",
            r"[^/\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*)+$",
        )))
        .examples(["/workspace/test"]);
}
