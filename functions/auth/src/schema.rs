//! Schemas that several bodies share.

pub(crate) use api::openapi::schema::{Email, Password, PersonName};
use api::openapi::schema::{formatted, text};
use domain::text::Rejection;
use domain::{logins, password, throttle};

use crate::transport;

api::schemas! {
    /// The access token's authentication scheme.
    TokenType = text().enum_values(Some(["Bearer"]));

    /// A new password.
    NewPassword = formatted("password")
        .description(Some(
            "A new password of at most 1,024 bytes. Any characters are allowed, and none are trimmed. With the strict \
             policy it has at least 15 characters and is not easy to guess.",
        ))
        .min_length(Some(password::MIN_LENGTH))
        .max_length(Some(password::MAX_BYTES))
        .examples(["password123"]);

    /// A device token.
    DeviceToken = text()
        .description(Some(
            "A secret that proves at a later login that this device has signed in before. Keep it after logging out. \
             A password change revokes it. Opaque.",
        ))
        .max_length(Some(throttle::DeviceToken::CHARS))
        .examples(["coditect_dt_UNcbT3_yzB2MX0vQSAzjCPPIZ2mpnoEmbXPMqGJM5tE"]);

    /// The transport of the refresh token and the device token.
    Transport = text()
        .description(Some(
            "`cookie` stores the refresh token and the device token in cookies, which scripts cannot read, instead of \
             the body. The request must come from a page whose `Origin` may use cookies.",
        ))
        .enum_values(Some(transport::RequestedTransport::NAMES));

    /// The transport of a page.
    CookieTransport = text().enum_values(Some(["cookie"]));

    /// A mail token: the token in the link of an email.
    MailToken = text()
        .description(Some("The secret in the link of an email, which is used once. Opaque."))
        .min_length(Some(1))
        .max_length(Some(1024))
        .examples(["coditect_mt_AZDQoHw-ehGPPgEjRWeJqwABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"]);

    /// A refresh token.
    RefreshToken = text()
        .description(Some("A secret that a client exchanges for new tokens, once. Opaque."))
        .min_length(Some(1))
        .max_length(Some(logins::RefreshToken::MAX_CHARS))
        .examples(["coditect_rt_AZDQoHw-ehGPPgEjRWeJqw"]);
}

/// Accepts a text of at most 1,024 characters: the limit of a token that is ignored if it is invalid.
pub(crate) fn bounded(text: String) -> Result<String, Rejection> {
    if text.chars().count() > 1024 {
        return Err(Rejection("must have at most 1,024 characters".to_owned()));
    }
    Ok(text)
}
