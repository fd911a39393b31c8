//! `PATCH /users/me`

use api::merge_patch::Json;
use api::openapi::parameters::{IfMatch, IfNoneMatch};
use api::openapi::problems;
use api::openapi::schema::PersonName;
use api::{ApiError, AppState, Authenticated, Body, Checks, PatchField, Preconditions, Prefix, Reply};
use axum::extract::State;
use domain::text::Name;
use domain::users::profile::{PreferencesPatch, ProfileChange, ops};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::body::AccountBody;
use crate::schema;

/// A JSON merge patch (RFC 7396): absent members keep their values, and null removes a value.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChangeAccount)]
pub struct ChangeBody {
    /// The new first name. Blank text is as good as null.
    #[serde(default)]
    #[schema(value_type = Option<PersonName>)]
    first_name: PatchField<String>,
    /// The new last name. Blank text is as good as null.
    #[serde(default)]
    #[schema(value_type = Option<PersonName>)]
    last_name: PatchField<String>,
    /// The new company. Blank text is as good as null.
    #[serde(default)]
    #[schema(value_type = Option<PersonName>)]
    company: PatchField<String>,
    /// The change of the preferences.
    #[serde(default)]
    #[schema(value_type = Option<schema::PreferencesPatch>)]
    preferences: PatchField<Json>,
}

impl ChangeBody {
    fn parse(self) -> Result<ProfileChange, ApiError> {
        let mut checks = Checks::new();
        let name = |text: String| Name::parse_optional(&text);
        let first_name = checks.patched("firstName", self.first_name, name);
        let last_name = checks.patched("lastName", self.last_name, name);
        let company = checks.patched("company", self.company, name);
        let preferences = checks.patched("preferences", self.preferences, |Json(patch)| {
            PreferencesPatch::parse(patch).map(Some)
        });
        match (first_name, last_name, company, preferences) {
            (Some(first_name), Some(last_name), Some(company), Some(preferences)) => Ok(ProfileChange {
                first_name,
                last_name,
                company,
                preferences,
            }),
            _ => Err(checks.into_error()),
        }
    }
}

/// Changes the caller's names, company and preferences. The user's own tenant, which is named after the company, the
/// names or else the email, is renamed with them.
#[utoipa::path(
    patch,
    path = "/users/me",
    tag = "users",
    operation_id = "changeAccount",
    security(("accessToken" = [])),
    params(IfMatch, IfNoneMatch),
    request_body(content((ChangeBody = "application/merge-patch+json"), (ChangeBody = "application/json"))),
    responses(
        (
            status = 200,
            description = "The changed account.",
            body = AccountBody,
            headers(("ETag")),
            links(("get" = (operation_id = "getAccount")))
        ),
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    preconditions: Preconditions,
    prefix: Prefix,
    Body(body): Body<ChangeBody>,
) -> Result<Reply<AccountBody>, ApiError> {
    let expects = |version| preconditions.permits(version);
    let account = ops::change(&app.env, &caller, &body.parse()?, expects).await?;
    AccountBody::reply(account, prefix)
}
