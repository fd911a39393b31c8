//! Schemas that several bodies share.

use api::openapi::schema::text;
use domain::sessions;

api::schemas! {
    /// A session's working folder.
    WorkspacePath = text()
        .description(Some(
            "An absolute POSIX path of at most 1,024 bytes, without `..` and NUL. The server removes repeated slashes, \
             `.` segments and a trailing slash.",
        ))
        .min_length(Some(1))
        .max_length(Some(sessions::WorkspacePath::MAX_BYTES))
        .pattern(Some(r"^(/(?!\.\.(/|$))[^/\u0000]*)+$"))
        .examples(["/workspace/test"]);
}
