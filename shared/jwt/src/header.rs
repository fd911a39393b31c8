//! The header of the tokens that this crate signs.

use jsonwebtoken::{Algorithm, Header};

/// The media type of an access token, without `application/` (RFC 9068, section 2.1).
pub(crate) const TYPE: &str = "at+jwt";

/// The header of every token that the key with this id signs.
pub(crate) fn header(algorithm: Algorithm, id: &str) -> Header {
    Header {
        typ: Some(TYPE.to_owned()),
        kid: Some(id.to_owned()),
        ..Header::new(algorithm)
    }
}
