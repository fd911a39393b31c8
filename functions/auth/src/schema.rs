//! What stands in more than one body.

use api::openapi::schema::{formatted, text};
use domain::tenants::Kind;
use domain::text::NAME_MAX;
use domain::{logins, password, users};

api::schemas! {
    /// An address.
    Email = formatted("email")
        .description(Some("An email address in ASCII (RFC 5321), trimmed and in small letters."))
        .min_length(Some(3))
        .max_length(Some(users::Email::MAX_BYTES))
        .examples(["test@example.com"]);

    /// A person's name, or their company's.
    PersonName = text()
        .description(Some("At most 200 characters after trimming, none of them a control character."))
        .max_length(Some(NAME_MAX))
        .pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]*$"))
        .examples(["Test"]);

    /// How the access token is sent.
    TokenType = text().enum_values(Some(["Bearer"]));

    /// Whose tenant it is.
    TenantType = text().enum_values(Some(Kind::NAMES.iter().copied()));

    /// What a user may do in a tenant.
    Role = text().enum_values(Some(domain::Role::NAMES.iter().copied()));

    /// A password that somebody has.
    Password = formatted("password")
        .description(Some("A password, of at most 1,024 bytes."))
        .max_length(Some(password::MAX_BYTES))
        .examples(["password123"]);

    /// A password that somebody chooses.
    NewPassword = formatted("password")
        .description(Some(
            "A new password, of at most 1,024 bytes, of any characters, never trimmed. In a deployment with the strict policy, of at least 15 \
             characters, and not mostly what is guessed first.",
        ))
        .min_length(Some(password::MIN_LENGTH))
        .max_length(Some(password::MAX_BYTES))
        .examples(["password123"]);

    /// What gets a login its next tokens.
    RefreshToken = text()
        .description(Some("Gets the login its next tokens, once. Opaque, and a secret."))
        .min_length(Some(1))
        .max_length(Some(logins::RefreshToken::MAX_CHARS))
        .examples(["coditect_rt_AZDQoHw-ehGPPgEjRWeJqw"]);
}
