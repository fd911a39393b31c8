//! `PATCH /sessions/{id}`

use api::{ApiError, AppState, Authenticated, Body, Checks, Field, Id, Preconditions, Reply};
use axum::extract::State;
use domain::sessions::{Change, WorkspacePath, ops};
use domain::text::Name;
use serde::Deserialize;

use crate::body::SessionBody;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChangeBody {
    name: Field<String>,
    workspace_path: Field<String>,
}

impl ChangeBody {
    fn parse(self) -> Result<Change, ApiError> {
        let mut checks = Checks::new();
        let name = checks.optional("name", self.name, |text| Name::parse(&text));
        let path = checks.optional("workspacePath", self.workspace_path, |text| WorkspacePath::parse(&text));
        match (name, path) {
            (Some(name), Some(workspace_path)) => Ok(Change { name, workspace_path }),
            _ => Err(checks.refuse()),
        }
    }
}

/// Changes what the body names; what it does not name stays.
pub async fn change(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    preconditions: Preconditions,
    Id(id): Id<domain::SessionId>,
    Body(body): Body<ChangeBody>,
) -> Result<Reply<SessionBody>, ApiError> {
    let expects = |version| preconditions.permit(version);
    let session = ops::change(&app.env, &caller, id, &body.parse()?, expects).await?;
    Ok(SessionBody::reply(Reply::ok, session))
}
