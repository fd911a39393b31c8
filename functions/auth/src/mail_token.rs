//! A mail token, as clients send it.

use api::{ApiError, Checks, Field};
use domain::mail_tokens::MailToken;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::schema;

/// A mail token.
#[derive(Deserialize, ToSchema)]
#[schema(as = UseMailToken)]
pub struct MailTokenBody {
    /// The token.
    #[schema(value_type = schema::MailToken)]
    token: Field<String>,
}

impl MailTokenBody {
    /// The token; any other text is a token that is not valid.
    pub fn parse(self) -> Result<MailToken, ApiError> {
        let mut checks = Checks::new();
        let token = checks.required("token", self.token, schema::bounded);
        let token = token.ok_or_else(|| checks.into_error())?;
        parse(&token)
    }
}

/// Parses a token. Any other text is a token that is not valid.
pub fn parse(text: &str) -> Result<MailToken, ApiError> {
    MailToken::parse(text).ok_or_else(|| domain::Error::InvalidMailToken.into())
}
