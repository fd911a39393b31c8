//! Schemas that several bodies share.

use api::openapi::schema::{formatted, text};
use domain::users::profile::{self, Avatar};
use serde_json::json;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{ObjectBuilder, Type};

api::schemas! {
    /// The preferences of a user.
    Preferences = ObjectBuilder::new()
        .description(Some(
            "A JSON object that clients define: at most 16,000 bytes without white space, and at most 16 nested \
             objects and arrays. The order of its members is not kept, and numbers are 64-bit integers or floating \
             point. The API reads `notifications.newDevice` (true or false, by default true): whether a login from a \
             new device sends an email.",
        ))
        .property(
            "notifications",
            ObjectBuilder::new()
                .property("newDevice", ObjectBuilder::new().schema_type(Type::Boolean))
                .additional_properties(Some(AdditionalProperties::FreeForm(true))),
        )
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .examples([json!({"theme": "dark", "notifications": {"newDevice": true}})]);

    /// A merge patch of the preferences.
    PreferencesPatch = ObjectBuilder::new()
        .description(Some(
            "A JSON merge patch (RFC 7396) of the preferences: its members are merged into the stored ones, and null \
             removes a member.",
        ))
        .examples([json!({"theme": "dark", "sidebar": null})]);

    /// The digest of a picture, in a path.
    AvatarDigest = text()
        .max_length(Some(profile::AvatarDigest::CHARS))
        .pattern(Some("^[0-9a-f]{64}$"))
        .examples(["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]);

    /// A picture, as the API shows it.
    Picture = formatted("binary").max_length(Some(Avatar::MAX_BYTES)).examples(["(JPEG)"]);

    /// A picture, as a client sends it.
    PictureUpload = formatted("binary").max_length(Some(picture::MAX_BYTES)).examples(["(picture)"]);

    /// The path of a picture.
    AvatarUrl = formatted("uri-reference")
        .description(Some("The path of the picture, under the prefix of the request."))
        .max_length(Some(100))
        .pattern(Some("^(/api)?/v5/avatars/[0-9a-f]{64}$"))
        .examples(["/v5/avatars/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]);
}
