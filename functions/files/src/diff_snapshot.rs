//! `GET /sessions/{id}/snapshots/{snapshot}/diff`

use api::openapi::parameters::optional;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Query, Reply, SubId};
use axum::extract::State;
use domain::SnapshotId;
use domain::files::changes::ChangeKind;
use domain::files::snapshots::diff::{self, Difference};
use domain::page::{Cursor, Limit};
use domain::text::Rejection;
use serde::Serialize;
use utoipa::openapi::Ref;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{PartialSchema as _, ToSchema};

use crate::schema::{DifferenceCursor, DifferenceKind, EntryPath, FileLimit};

/// `to`, `limit` and `cursor`.
pub struct Comparison;

impl utoipa::IntoParams for Comparison {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let to = "The id of the snapshot to compare with; by default the files as they are.";
        let limit = "The largest number of differences in the page.";
        let (cursor, text) = ("The `nextCursor` of the previous page.", DifferenceCursor::name());
        vec![
            optional(ParameterIn::Query, "to", to, Ref::from_schema_name(IdParameter::name())),
            optional(ParameterIn::Query, "limit", limit, FileLimit::schema()),
            optional(ParameterIn::Query, "cursor", cursor, Ref::from_schema_name(text)),
        ]
    }
}

/// A difference.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Difference)]
pub struct DifferenceBody {
    /// The path.
    #[schema(value_type = EntryPath)]
    path: String,
    /// What happened to it. What was moved was deleted in one place and created in another.
    #[schema(value_type = DifferenceKind)]
    kind: &'static str,
}

impl From<Difference> for DifferenceBody {
    fn from(difference: Difference) -> Self {
        Self {
            path: difference.path.as_str().to_owned(),
            kind: match difference.kind {
                ChangeKind::Created => "created",
                ChangeKind::Deleted => "deleted",
                ChangeKind::Changed | ChangeKind::Moved => "changed",
            },
        }
    }
}

/// A page of differences.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DifferencePage)]
pub struct PageBody {
    /// The differences, by name, and those below a directory directly after it. A page may be short, or empty, without
    /// being the last.
    #[schema(max_items = 1000)]
    changes: Vec<DifferenceBody>,
    /// The cursor of the next page; null on the last page.
    #[schema(value_type = Option<DifferenceCursor>, required)]
    next_cursor: Option<String>,
}

/// Compares a snapshot with another one, or with the files as they are: what was created, changed or deleted since.
/// What is below a path of more than 4,096 bytes is not compared: such a directory counts as changed.
#[utoipa::path(
    get,
    path = "/sessions/{id}/snapshots/{snapshot}/diff",
    tag = "files",
    operation_id = "diffSnapshot",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        ("snapshot" = IdParameter, Path, description = "The snapshot's id."),
        Comparison,
    ),
    responses(
        (
            status = 200,
            description = "A page of differences.",
            body = PageBody,
            links((
                "next" = (
                    operation_id = "diffSnapshot",
                    parameters(("cursor" = "$response.body#/data/nextCursor"))
                )
            ))
        ),
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    SubId(snapshot): SubId<SnapshotId>,
    mut query: Query,
) -> Result<Reply<PageBody>, ApiError> {
    let to = query.optional("to", |text| {
        SnapshotId::parse(text).ok_or_else(|| Rejection("must be a UUID with hyphens".to_owned()))
    });
    let limit = query.optional("limit", Limit::parse_for_files);
    let after = query.optional("cursor", Cursor::parse);
    let (Some(to), Some(limit), Some(after)) = (to, limit, after) else {
        return Err(query.into_error());
    };
    let limit = limit.unwrap_or_default();
    let page = diff::diff(&app.env, &caller, id, snapshot, to, limit, after.as_ref()).await?;
    Ok(Reply::ok(PageBody {
        changes: page.changes.into_iter().map(DifferenceBody::from).collect(),
        next_cursor: page.next.as_ref().map(Cursor::encode),
    }))
}
