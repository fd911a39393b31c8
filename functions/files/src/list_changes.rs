//! `GET /sessions/{id}/files/changes`

use std::time::Duration;

use api::openapi::parameters::optional;
use api::openapi::problems;
use api::openapi::schema::{Cursor as CursorText, Id, IdParameter, Time};
use api::{ApiError, AppState, Authenticated, Query, Reply};
use axum::extract::State;
use domain::files::changes::{Change, ChangeKind, ops};
use domain::text::Rejection;
use domain::{AccessTokenId, Timestamp, UserId};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Type};

use crate::entry_body::version;
use crate::parameters::FilePaging;
use crate::schema::{EntityTag, EntryPath, FileChangeKind};

/// What happened to an entry.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KindBody {
    /// It was made. A directory may come with everything below it.
    Created,
    /// It was replaced; the root directory with everything below it.
    Changed,
    /// It was moved, with everything below it. A file that it replaced has no change of its own.
    Moved,
    /// It was deleted, with everything below it.
    Deleted,
}

impl From<ChangeKind> for KindBody {
    fn from(kind: ChangeKind) -> Self {
        match kind {
            ChangeKind::Created => Self::Created,
            ChangeKind::Changed => Self::Changed,
            ChangeKind::Moved => Self::Moved,
            ChangeKind::Deleted => Self::Deleted,
        }
    }
}

/// Who changed an entry.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChangeAuthor)]
pub struct AuthorBody {
    /// The user.
    #[schema(value_type = Id)]
    user_id: UserId,
    /// Their personal access token; absent for a login.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Id, required = false)]
    access_token_id: Option<AccessTokenId>,
}

/// A change of an entry.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FileChange)]
pub struct ChangeBody {
    /// When it happened. Changes are in the order of their commits, which clocks may disagree with.
    #[schema(value_type = Time)]
    at: Timestamp,
    /// What happened. One change stands for a directory with everything below it: always if it was `moved` or
    /// `deleted`, and if it was `created` as a copy or came back from the trash. So list a directory that was created.
    /// `changed` of `/` is the restore of a snapshot: list all files anew.
    #[schema(value_type = FileChangeKind)]
    kind: KindBody,
    /// The path after the change; of a deleted entry, the one that it had.
    #[schema(value_type = EntryPath)]
    path: String,
    /// The path that a moved entry had; otherwise absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = EntryPath, required = false)]
    from: Option<String>,
    /// The entity tag after the change; absent if the entry was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = EntityTag, required = false)]
    etag: Option<String>,
    /// Who did it.
    by: AuthorBody,
}

impl From<Change> for ChangeBody {
    fn from(change: Change) -> Self {
        Self {
            at: change.at,
            kind: change.kind.into(),
            path: change.path.as_str().to_owned(),
            from: change.from.map(|path| path.as_str().to_owned()),
            etag: change.tag.map(|tag| version(tag).text()),
            by: AuthorBody {
                user_id: change.user,
                access_token_id: change.access_token,
            },
        }
    }
}

/// A part of the feed of changes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChangePage)]
pub struct PageBody {
    /// The changes, in the order of their commits.
    #[schema(max_items = 1000)]
    changes: Vec<ChangeBody>,
    /// Continues after the last change, also at the end of the feed. It is valid until later changes are removed.
    #[schema(value_type = CursorText)]
    next_cursor: String,
}

/// `wait`.
pub struct Wait;

impl utoipa::IntoParams for Wait {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let seconds = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0))
            .maximum(Some(ops::MAX_WAIT.as_secs()))
            .default(Some(json!(0)));
        let description = "For how many seconds to wait for a change if there is none.";
        vec![optional(ParameterIn::Query, "wait", description, seconds)]
    }
}

fn parse_wait(text: &str) -> Result<Duration, Rejection> {
    let max = ops::MAX_WAIT.as_secs();
    match text.parse() {
        Ok(seconds) if seconds <= max && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(Duration::from_secs(seconds))
        }
        _ => Err(Rejection(format!("must be a whole number of seconds from 0 to {max}"))),
    }
}

/// Lists the changes of files, in the order of their commits and without gaps. The feed keeps changes for a limited
/// time (30 days by default), and a limited number (100,000). A cursor from which changes are missing is a 422
/// `CURSOR_EXPIRED`: read the feed without a cursor to its end, and then list the files anew. There is no last page: at
/// the end, the cursor continues with later changes. With `wait`, the response to a request at the end waits for the
/// next change. A change of a directory may stand for everything below it: see `kind`.
#[utoipa::path(
    get,
    path = "/sessions/{id}/files/changes",
    tag = "files",
    operation_id = "listFileChanges",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The session's id."), FilePaging, Wait),
    responses(
        (
            status = 200,
            description = "A part of the feed.",
            body = PageBody,
            links((
                "next" = (
                    operation_id = "listFileChanges",
                    parameters(("cursor" = "$response.body#/data/nextCursor"))
                )
            ))
        ),
        problems::CursorExpired,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    mut query: Query,
) -> Result<Reply<PageBody>, ApiError> {
    let paging = FilePaging::read(&mut query);
    let wait = query.optional("wait", parse_wait);
    let (Some((limit, after)), Some(wait)) = (paging, wait) else {
        return Err(query.into_error());
    };
    let wait = wait.unwrap_or_default();
    let page = ops::list(&app.env, &caller, id, limit, after.as_ref(), wait).await?;
    Ok(Reply::ok(PageBody {
        changes: page.changes.into_iter().map(ChangeBody::from).collect(),
        next_cursor: page.next.encode(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_whole_number_of_seconds_up_to_20() {
        assert_eq!(parse_wait("0"), Ok(Duration::ZERO));
        assert_eq!(parse_wait("20"), Ok(Duration::from_secs(20)));
        for text in ["", "-1", "+1", "21", "1.5", "1s", "99999999999999999999999"] {
            assert!(parse_wait(text).is_err(), "{text}");
        }
    }
}
