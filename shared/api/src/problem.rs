//! The problem document (RFC 9457): the body of every failure.

use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::error::{ApiError, Code, Violation};
use crate::openapi::schema;
use crate::organization::OrganizationBody;
use crate::quota::QuotaBody;

/// A failure, as a problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem<'a> {
    /// Always false.
    #[schema(schema_with = constant_false)]
    success: bool,
    /// The problem's type: the same for every problem with this code.
    #[serde(rename = "type")]
    #[schema(
        format = "uri",
        max_length = 100,
        example = "https://api.coditect.ai/problems/not-found"
    )]
    uri: String,
    /// The problem's name: the same for every problem with this code.
    #[schema(min_length = 1, max_length = 100, example = "Not found")]
    title: &'static str,
    /// The response's status.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    status: u16,
    /// What happened in this case, for people.
    #[schema(
        min_length = 1,
        max_length = 2000,
        example = "No resource with this id is available to this token."
    )]
    detail: &'a str,
    /// What went wrong, for programs.
    #[schema(value_type = Code)]
    code: &'static str,
    /// The request's id, as in the header `X-Request-Id`.
    #[schema(value_type = schema::RequestId)]
    request_id: &'a str,
    /// Every bad value, up to 100; present with `VALIDATION_FAILED`, and with the failure of an operation in a
    /// changeset, to which it points.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<Violation>, required = false, min_items = 1, max_items = 100)]
    errors: &'a [Violation],
    /// The quota; present only with `QUOTA_EXCEEDED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = QuotaBody, required = false)]
    quota: Option<QuotaBody>,
    /// The organisations that would lose their last owner; present only with `LAST_OWNER`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<OrganizationBody>, required = false, min_items = 1, max_items = 1000)]
    organizations: &'a [OrganizationBody],
}

/// A problem names at most this many bad values.
const MAX_VIOLATIONS: usize = 100;

fn constant_false() -> RefOr<Schema> {
    schema::constant(false)
}

impl<'a> Problem<'a> {
    pub(crate) fn new(error: &'a ApiError, request_id: &'a str) -> Self {
        Self {
            success: false,
            uri: error.code.uri(),
            title: error.code.title(),
            status: error.code.status().as_u16(),
            detail: &error.detail,
            code: error.code.as_str(),
            request_id,
            errors: &error.violations[..error.violations.len().min(MAX_VIOLATIONS)],
            quota: error.quota.as_deref().copied(),
            organizations: &error.organizations,
        }
    }
}
