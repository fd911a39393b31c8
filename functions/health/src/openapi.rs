//! `GET /openapi.json`

use api::Static;
use api::openapi::schema::text;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::AdditionalProperties;

/// The committed file; a test compares it with the code.
const DOCUMENT: &[u8] = include_bytes!("../../../infra/openapi.json");

api::schemas! {
    /// An OpenAPI document.
    Document = ObjectBuilder::new()
        .description(Some("An OpenAPI 3.1 document: this one."))
        .property("openapi", text().max_length(Some(8)).pattern(Some(r"^3\.1\.[0-9]+$")).examples(["3.1.0"]))
        .required("openapi")
        .property("info", ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true))))
        .required("info")
        .property("paths", ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true))))
        .required("paths")
        .additional_properties(Some(AdditionalProperties::FreeForm(true)));
}

/// Returns the OpenAPI document of this API, for programs.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "health",
    operation_id = "getDocument",
    responses((status = 200, description = "The document.", body = Document, extensions(("x-bare" = json!(true))))),
)]
pub async fn handle() -> Static {
    Static {
        media_type: "application/json",
        body: DOCUMENT,
    }
}
