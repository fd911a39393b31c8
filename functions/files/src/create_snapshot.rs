//! `POST /sessions/{id}/snapshots`

use api::openapi::schema::{self, IdParameter};
use api::openapi::{parameters, problems};
use api::{ApiError, AppState, Authenticated, Body, Checks, Field, IdempotencyKey, Reply};
use axum::extract::State;
use domain::files::snapshots::ops;
use domain::idempotency::Outcome;
use domain::text::Name;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::snapshot_body::SnapshotBody;

/// A snapshot to take.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateSnapshot)]
pub struct CreateBody {
    /// The name; none by default.
    #[schema(value_type = Option<schema::Name>)]
    name: Field<String>,
}

impl CreateBody {
    fn parse(self) -> Result<Option<Name>, ApiError> {
        let mut checks = Checks::new();
        let name = checks.optional("name", self.name, |text| Name::parse(&text));
        name.ok_or_else(|| checks.into_error())
    }
}

/// Takes a snapshot of all files, with constant work. It contains them as they are at one instant, and no writer waits
/// for it. A repeated request with the same `Idempotency-Key` returns the same snapshot, and 404 if it was deleted
/// meanwhile.
#[utoipa::path(
    post,
    path = "/sessions/{id}/snapshots",
    tag = "files",
    operation_id = "createSnapshot",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        parameters::IdempotencyKey,
    ),
    request_body = Option<CreateBody>,
    responses(
        (
            status = 201,
            description = "The new snapshot.",
            body = SnapshotBody,
            headers(("Location"), ("Idempotency-Replayed")),
            links(
                ("get" = (operation_id = "getSnapshot", parameters(("snapshot" = "$response.body#/data/id")))),
                ("delete" = (operation_id = "deleteSnapshot", parameters(("snapshot" = "$response.body#/data/id")))),
            )
        ),
        problems::Forbidden,
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    IdempotencyKey(key): IdempotencyKey,
    body: Option<Body<CreateBody>>,
) -> Result<Reply<SnapshotBody>, ApiError> {
    let name = match body {
        Some(Body(body)) => body.parse()?,
        None => None,
    };
    let (snapshot, replayed) = match ops::create(&app.env, &caller, id, name, key.as_ref()).await? {
        Outcome::Fresh(snapshot) => (snapshot, false),
        Outcome::Replayed(snapshot) => (snapshot, true),
    };
    let location = format!("/v5/sessions/{id}/snapshots/{}", snapshot.id);
    Ok(Reply::created(snapshot.into()).location(location).replayed(replayed))
}
