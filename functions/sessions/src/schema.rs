//! What stands in more than one body.

use api::openapi::schema::text;
use domain::sessions;

api::schemas! {
    /// The folder that a session works in.
    WorkspacePath = text()
        .description(Some(
            "An absolute POSIX path of at most 1,024 bytes, without `..` and NUL. Repeated slashes, `.` segments and a slash at the end are \
             dropped.",
        ))
        .min_length(Some(1))
        .max_length(Some(sessions::WorkspacePath::MAX_BYTES))
        .pattern(Some(r"^(/(?!\.\.(/|$))[^/\u0000]*)+$"))
        .examples(["/workspace/test"]);
}
