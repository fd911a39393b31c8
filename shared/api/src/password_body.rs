//! The request body of an operation that requires the caller's password.

use domain::password::Password;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::json::{Checks, Field};
use crate::openapi::schema;

/// The caller's password.
#[derive(Deserialize, ToSchema)]
#[schema(as = CallerPassword)]
pub struct PasswordBody {
    /// The current password.
    #[schema(value_type = schema::Password)]
    password: Field<String>,
}

impl PasswordBody {
    /// The password, which is not verified yet.
    pub fn parse(self) -> Result<Password, ApiError> {
        let mut checks = Checks::new();
        let password = checks.required("password", self.password, |text| Password::claimed(&text));
        password.ok_or_else(|| checks.into_error())
    }
}
