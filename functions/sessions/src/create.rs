//! `POST /sessions`

use api::openapi::{parameters, problems, schema};
use api::{ApiError, AppState, Authenticated, Body, Checks, Field, IdempotencyKey, Reply};
use axum::extract::State;
use domain::idempotency::Outcome;
use domain::sessions::{Draft, WorkspacePath, ops};
use domain::text::Name;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::body::SessionBody;

/// A session to create.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateSession)]
pub struct CreateBody {
    /// The display name.
    #[schema(value_type = schema::Name)]
    name: Field<String>,
    /// The working folder.
    #[schema(value_type = crate::schema::WorkspacePath)]
    workspace_path: Field<String>,
}

impl CreateBody {
    fn parse(self) -> Result<Draft, ApiError> {
        let mut checks = Checks::new();
        let name = checks.required("name", self.name, |text| Name::parse(&text));
        let path = checks.required("workspacePath", self.workspace_path, |text| WorkspacePath::parse(&text));
        match (name, path) {
            (Some(name), Some(workspace_path)) => Ok(Draft { name, workspace_path }),
            _ => Err(checks.into_error()),
        }
    }
}

/// Creates a session in the caller's tenant. A repeated request with the same `Idempotency-Key` returns the session as
/// it was created, and 404 if it was deleted meanwhile.
#[utoipa::path(
    post,
    path = "/sessions",
    tag = "sessions",
    operation_id = "createSession",
    security(("accessToken" = [])),
    params(parameters::IdempotencyKey),
    request_body = CreateBody,
    responses(
        (
            status = 201,
            description = "The new session.",
            body = SessionBody,
            headers(("Location"), ("ETag"), ("Idempotency-Replayed")),
            links(
                ("get" = (operation_id = "getSession", parameters(("id" = "$response.body#/data/id")))),
                ("change" = (operation_id = "changeSession", parameters(("id" = "$response.body#/data/id")))),
                ("delete" = (operation_id = "deleteSession", parameters(("id" = "$response.body#/data/id")))),
                ("list" = (operation_id = "listSessions")),
            )
        ),
        problems::Forbidden,
        problems::NotFound,
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<CreateBody>,
) -> Result<Reply<SessionBody>, ApiError> {
    let (session, replayed) = match ops::create(&app.env, &caller, body.parse()?, key.as_ref()).await? {
        Outcome::Fresh(session) => (session, false),
        Outcome::Replayed(session) => (session, true),
    };
    let location = format!("/v5/sessions/{}", session.id);
    Ok(SessionBody::reply(Reply::created, session)
        .location(location)
        .replayed(replayed))
}
