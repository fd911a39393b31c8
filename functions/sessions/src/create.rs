//! `POST /sessions`

use api::{ApiError, AppState, Authenticated, Body, Checks, Field, IdempotencyKey, Reply};
use axum::extract::State;
use domain::idempotency::Done;
use domain::sessions::{Draft, WorkspacePath, ops};
use domain::text::Name;
use serde::Deserialize;

use crate::body::SessionBody;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateBody {
    name: Field<String>,
    workspace_path: Field<String>,
}

impl CreateBody {
    fn parse(self) -> Result<Draft, ApiError> {
        let mut checks = Checks::new();
        let name = checks.required("name", self.name, |text| Name::parse(&text));
        let path = checks.required("workspacePath", self.workspace_path, |text| WorkspacePath::parse(&text));
        match (name, path) {
            (Some(name), Some(workspace_path)) => Ok(Draft { name, workspace_path }),
            _ => Err(checks.refuse()),
        }
    }
}

/// Opens a session in the caller's tenant.
pub async fn create(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<CreateBody>,
) -> Result<Reply<SessionBody>, ApiError> {
    let (session, replayed) = match ops::create(&app.env, &caller, body.parse()?, key.as_ref()).await? {
        Done::Now(session) => (session, false),
        Done::Before(session) => (session, true),
    };
    let location = format!("/v5/sessions/{}", session.id);
    Ok(SessionBody::reply(Reply::created, session)
        .at(location)
        .replayed(replayed))
}
