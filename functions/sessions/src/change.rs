//! `PATCH /sessions/{id}`

use api::openapi::parameters::{IfMatch, IfNoneMatch};
use api::openapi::problems;
use api::openapi::schema::{self, IdParameter};
use api::{ApiError, AppState, Authenticated, Body, Checks, Field, Preconditions, Reply};
use axum::extract::State;
use domain::sessions::{Change, WorkspacePath, ops};
use domain::text::Name;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::body::SessionBody;

/// The members to change; absent members keep their values.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChangeSession)]
pub struct ChangeBody {
    /// The new name.
    #[schema(value_type = Option<schema::Name>)]
    name: Field<String>,
    /// The new working folder.
    #[schema(value_type = Option<crate::schema::WorkspacePath>)]
    workspace_path: Field<String>,
}

impl ChangeBody {
    fn parse(self) -> Result<Change, ApiError> {
        let mut checks = Checks::new();
        let name = checks.optional("name", self.name, |text| Name::parse(&text));
        let path = checks.optional("workspacePath", self.workspace_path, |text| WorkspacePath::parse(&text));
        match (name, path) {
            (Some(name), Some(workspace_path)) => Ok(Change { name, workspace_path }),
            _ => Err(checks.into_error()),
        }
    }
}

/// Changes a session. Members that are absent from the body keep their values.
#[utoipa::path(
    patch,
    path = "/sessions/{id}",
    tag = "sessions",
    operation_id = "changeSession",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The session's id."), IfMatch, IfNoneMatch),
    request_body = ChangeBody,
    responses(
        (
            status = 200,
            description = "The changed session.",
            body = SessionBody,
            headers(("ETag")),
            links(
                ("get" = (operation_id = "getSession", parameters(("id" = "$response.body#/data/id")))),
                (
                    "delete" = (
                        operation_id = "deleteSession",
                        parameters(("id" = "$response.body#/data/id"), ("If-Match" = "$response.header.ETag"))
                    )
                ),
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
    preconditions: Preconditions,
    api::Id(id): api::Id<domain::SessionId>,
    Body(body): Body<ChangeBody>,
) -> Result<Reply<SessionBody>, ApiError> {
    let expects = |version| preconditions.permits(version);
    let session = ops::change(&app.env, &caller, id, &body.parse()?, expects).await?;
    Ok(SessionBody::reply(Reply::ok, session))
}
