//! `POST /sessions/{id}/files/changesets`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Checks, Field, File, Reply};
use axum::extract::State;
use domain::files::FileEntry;
use domain::files::changeset::{Changeset, ops};
use domain::text::Rejection;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::admission::admit;
use crate::changeset_body::{AtMost, OperationBody};
use crate::changeset_schema::OperationForm;
use crate::entry_body::version;
use crate::schema::{EntityTag, EntryPath};

/// The largest body in bytes: all contents in base64, and the rest of the operations.
pub const MAX_BYTES: usize = 6 << 20;

/// A response names at most this many mistakes.
const MAX_VIOLATIONS: usize = 100;

/// Operations that are applied one after the other, and all or none of them.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Changeset)]
pub struct ChangesetBody {
    /// The operations. All of their contents and edits together have at most 4 MiB.
    #[schema(value_type = Vec<OperationForm>, min_items = 1, max_items = 1000)]
    operations: Field<AtMost<Box<RawValue>, { Changeset::MAX_OPERATIONS }>>,
    /// Whether only the outcome is reported, and nothing is written. False by default.
    #[schema(value_type = Option<bool>, example = false)]
    dry_run: Field<bool>,
}

impl ChangesetBody {
    fn parse(self) -> Result<Changeset, ApiError> {
        let mut checks = Checks::new();
        let dry_run = checks.optional("dryRun", self.dry_run, Ok::<_, Rejection>);
        let all = checks.required("operations", self.operations, Ok::<_, Rejection>);
        let (Some(dry_run), Some(AtMost(all))) = (dry_run, all) else {
            return Err(checks.into_error());
        };
        let mut operations = Vec::with_capacity(all.len());
        for (index, operation) in all.into_iter().enumerate() {
            operations.extend(checks.element("operations", index, &operation, OperationBody::parse));
            if checks.count() >= MAX_VIOLATIONS {
                break;
            }
        }
        if checks.count() > 0 {
            return Err(checks.into_error());
        }
        Changeset::new(operations, dry_run.unwrap_or_default()).map_err(|reason| {
            checks.reject("/operations", &reason);
            checks.into_error()
        })
    }
}

/// The outcome of a changeset.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChangesetOutcome)]
pub struct OutcomeBody {
    /// For each operation, in order, the entry after it; null if it removed the entry.
    #[schema(max_items = 1000)]
    entries: Vec<Option<ChangedEntryBody>>,
}

/// An entry after an operation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChangedEntry)]
pub struct ChangedEntryBody {
    /// The path.
    #[schema(value_type = EntryPath)]
    path: String,
    /// The entity tag.
    #[schema(value_type = EntityTag)]
    etag: String,
}

impl From<FileEntry> for ChangedEntryBody {
    fn from(entry: FileEntry) -> Self {
        Self {
            path: entry.path.as_str().to_owned(),
            etag: version(entry.tag()).text(),
        }
    }
}

/// Applies operations to many files, completely or not at all. Each operation sees the results of those before it. If
/// one is rejected, none is applied, and `errors` names the operation, like `/operations/3`. With `dryRun`, the outcome
/// is reported and nothing is written. A personal access token can replace a file only with its entity tag in
/// `ifMatch`. Larger contents are uploaded first and named by their `digest`.
#[utoipa::path(
    post,
    path = "/sessions/{id}/files/changesets",
    tag = "files",
    operation_id = "applyChangeset",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The session's id.")),
    request_body = ChangesetBody,
    responses(
        (status = 200, description = "All operations are applied, or would be.", body = OutcomeBody),
        problems::Cycle,
        problems::Exists,
        problems::Forbidden,
        problems::IsADirectory,
        problems::NotADirectory,
        problems::NotEmpty,
        problems::PreconditionFailed,
        problems::PreconditionRequired,
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    file: File,
) -> Result<Reply<OutcomeBody>, ApiError> {
    let _place = admit(&app, &caller, file.may_be_large()).await?;
    let body: ChangesetBody = file.read_json(MAX_BYTES).await?;
    let changeset = body.parse()?;
    let outcomes = ops::apply(&app.env, &caller, id, &changeset).await?;
    let entries = outcomes.into_iter().map(|outcome| outcome.entry);
    Ok(Reply::ok(OutcomeBody {
        entries: entries.map(|entry| entry.map(ChangedEntryBody::from)).collect(),
    }))
}
