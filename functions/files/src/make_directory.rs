//! `POST /sessions/{id}/files/directories`

use api::openapi::schema::IdParameter;
use api::openapi::{parameters, problems};
use api::{ApiError, AppState, Authenticated, Body, Checks, Field, IdempotencyKey, Reply};
use axum::extract::State;
use domain::files::changeset::{Effect, MakeDirectory, ops};
use domain::files::{FilePath, Precondition};
use domain::idempotency::Outcome as Idempotent;
use domain::text::Rejection;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::entry_body::EntryBody;
use crate::schema::FilePathText;

/// A directory to make.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MakeDirectory)]
pub struct MakeDirectoryBody {
    /// The path.
    #[schema(value_type = FilePathText)]
    path: Field<String>,
    /// Whether missing directories of the path are made, and an existing directory is no failure. False by default.
    #[schema(value_type = Option<bool>, example = false)]
    parents: Field<bool>,
}

impl MakeDirectoryBody {
    fn parse(self) -> Result<MakeDirectory, ApiError> {
        let mut checks = Checks::new();
        let path = checks.required("path", self.path, |text| FilePath::parse(&text));
        let parents = checks.optional("parents", self.parents, Ok::<_, Rejection>);
        match (path, parents) {
            (Some(path), Some(parents)) => Ok(MakeDirectory {
                path,
                parents: parents.unwrap_or_default(),
                precondition: Precondition::None,
            }),
            _ => Err(checks.into_error()),
        }
    }
}

/// Makes a directory. A repeated request with the same `Idempotency-Key` returns the directory, and 404 if it is no
/// longer at its path.
#[utoipa::path(
    post,
    path = "/sessions/{id}/files/directories",
    tag = "files",
    operation_id = "makeDirectory",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        parameters::IdempotencyKey,
    ),
    request_body = MakeDirectoryBody,
    responses(
        (status = 200, description = "The directory exists already; only with `parents`.", body = EntryBody),
        (status = 201, description = "The new directory.", body = EntryBody, headers(("Idempotency-Replayed"))),
        problems::Exists,
        problems::Forbidden,
        problems::NotADirectory,
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<MakeDirectoryBody>,
) -> Result<Reply<EntryBody>, ApiError> {
    let (outcome, replayed) = match ops::make_directory(&app.env, &caller, id, body.parse()?, key.as_ref()).await? {
        Idempotent::Fresh(outcome) => (outcome, false),
        Idempotent::Replayed(outcome) => (outcome, true),
    };
    let entry = outcome
        .entry
        .ok_or_else(|| ApiError::internal("a directory that was made has no entry"))?;
    Ok(match outcome.effect {
        _ if replayed => Reply::created(entry.into()).replayed(true),
        Effect::Created => Reply::created(entry.into()),
        _ => Reply::ok(entry.into()),
    })
}
