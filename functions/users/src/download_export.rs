//! `GET /exports/{token}`

use api::openapi::{parameters, problems};
use api::{ApiError, AppState, Attachment, ClientInfo, Id, Query};
use axum::body::Bytes;
use axum::extract::State;
use domain::exports::{MAX_PARTS, PresentedLink, ops};
use domain::text::Rejection;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Type};

use crate::export_body::{ExportFile, ExportToken};

/// The parameter that selects a part.
pub struct Part;

impl utoipa::IntoParams for Part {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let number = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(MAX_PARTS))
            .default(Some(1.into()));
        vec![parameters::optional(
            ParameterIn::Query,
            "part",
            "The number of the part.",
            number,
        )]
    }
}

fn parse(text: &str) -> Result<usize, Rejection> {
    match text.parse() {
        Ok(number @ 1..=MAX_PARTS) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
        _ => Err(Rejection(format!("must be a whole number from 1 to {MAX_PARTS}"))),
    }
}

/// Returns a part of an export. The token in the link is the only credential, and good for nothing else; it can be used
/// repeatedly. A link that is unknown, has expired, was replaced, or whose login has ended is a 404.
#[utoipa::path(
    get,
    path = "/exports/{token}",
    tag = "users",
    operation_id = "downloadExport",
    params(("token" = inline(ExportToken), Path, description = "The token in the link."), Part),
    responses(
        (
            status = 200,
            description = "A zip file.",
            content_type = "application/zip",
            body = ExportFile,
            headers(("Content-Disposition")),
            extensions(("x-bare" = json!(true)))
        ),
        problems::StoreUnavailable,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    ClientInfo(client): ClientInfo,
    Id(link): Id<PresentedLink>,
    mut query: Query,
) -> Result<Attachment, ApiError> {
    let Some(number) = query.optional("part", parse) else {
        return Err(query.into_error());
    };
    let number = number.unwrap_or(1);
    let download = ops::download(&app.env, &client, &link, number).await?;
    let date = download.taken_at.to_string();
    let date = date.split('T').next().unwrap_or_default();
    Ok(Attachment {
        media_type: "application/zip",
        name: match number {
            1 => format!("coditect-export-{date}.zip"),
            _ => format!("coditect-export-{date}-{number}.zip"),
        },
        // With its place among the downloads, until the server has sent it.
        body: Bytes::from_owner(download),
    })
}
