//! `POST /sessions/{id}/uploads/{upload}/commit`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Body, Checks, Field, Reply, SubId};
use axum::extract::State;
use domain::UploadId;
use domain::files::changeset::Effect;
use domain::text::Rejection;
use domain::uploads::commit::{self, Commit};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::changeset_body::precondition;
use crate::entry_body::EntryBody;
use crate::schema::EntityTags;

/// What a commit expects.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CommitUpload)]
pub struct CommitBody {
    /// The commit succeeds only if the file at the path has one of these entity tags.
    #[schema(value_type = Option<EntityTags>)]
    if_match: Field<String>,
    /// The commit succeeds only if the file at the path has none of these entity tags; `*`: only if there is none.
    #[schema(value_type = Option<EntityTags>)]
    if_none_match: Field<String>,
    /// Whether missing directories of the path are made. False by default.
    #[schema(value_type = Option<bool>, example = false)]
    parents: Field<bool>,
}

impl CommitBody {
    fn parse(self) -> Result<Commit, ApiError> {
        let mut checks = Checks::new();
        let precondition = precondition(&mut checks, self.if_match, self.if_none_match);
        let parents = checks.optional("parents", self.parents, Ok::<_, Rejection>);
        match (precondition, parents) {
            (Some(precondition), Some(parents)) => Ok(Commit {
                precondition,
                parents: parents.unwrap_or_default(),
            }),
            _ => Err(checks.into_error()),
        }
    }
}

/// Makes a file of an upload, all at once, and ends the upload. If parts are missing, or the file does not have the
/// digest that the upload names, nothing changes. A personal access token can replace a file only with its entity tag
/// in `ifMatch`.
#[utoipa::path(
    post,
    path = "/sessions/{id}/uploads/{upload}/commit",
    tag = "files",
    operation_id = "commitUpload",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        ("upload" = IdParameter, Path, description = "The upload's id."),
    ),
    request_body = Option<CommitBody>,
    responses(
        (
            status = 200,
            description = "The file is replaced; or an earlier request has committed the upload, and this is the file \
                           as it was then.",
            body = EntryBody
        ),
        (status = 201, description = "The file is new.", body = EntryBody),
        problems::Forbidden,
        problems::IsADirectory,
        problems::NotADirectory,
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
    SubId(upload): SubId<UploadId>,
    body: Option<Body<CommitBody>>,
) -> Result<Reply<EntryBody>, ApiError> {
    let commit = match body {
        Some(Body(body)) => body.parse()?,
        None => Commit::default(),
    };
    let outcome = commit::commit(&app.env, &caller, id, upload, commit).await?;
    let entry = outcome
        .entry
        .ok_or_else(|| ApiError::internal("an uploaded file has no entry"))?;
    Ok(match outcome.effect {
        Effect::Created => Reply::created(entry.into()),
        _ => Reply::ok(entry.into()),
    })
}
