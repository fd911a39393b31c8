//! Schemas that several bodies share.

use api::openapi::schema::{formatted, text};
use domain::tenants::Kind;
use domain::text::{NAME_MAX, Rejection};
use domain::{logins, password, throttle, users};

use crate::transport;

api::schemas! {
    /// An email address.
    Email = formatted("email")
        .description(Some(
            "An email address (RFC 5321), trimmed and in lower case. The part before the `@` is in ASCII. An \
             internationalised domain is stored and returned in ASCII, as its A-label (RFC 5890).",
        ))
        .min_length(Some(3))
        .max_length(Some(users::Email::MAX_BYTES))
        .examples(["test@example.com"]);

    /// The name of a person or company.
    PersonName = text()
        .description(Some(
            "At most 200 characters after trimming, none of them a control character or one that overrides the \
             direction of text. Unless blank, it has a visible character.",
        ))
        .max_length(Some(NAME_MAX))
        .pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$"))
        .examples(["Test"]);

    /// The access token's authentication scheme.
    TokenType = text().enum_values(Some(["Bearer"]));

    /// The type of a tenant.
    TenantType = text().enum_values(Some(Kind::NAMES.iter().copied()));

    /// A user's role in a tenant.
    Role = text().enum_values(Some(domain::Role::NAMES.iter().copied()));

    /// An existing password.
    Password = formatted("password")
        .description(Some("A password of at most 1,024 bytes."))
        .max_length(Some(password::MAX_BYTES))
        .examples(["password123"]);

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
        .enum_values(Some(transport::Transport::NAMES));

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
