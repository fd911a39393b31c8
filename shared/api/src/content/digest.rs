//! Digests of contents in headers (RFC 9530): `Content-Digest` and `Repr-Digest`, with SHA-256.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::text::Rejection;
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use crate::error::{ApiError, Violation};

/// The digest of the representation: of the whole file, also in the response with a part of it.
pub(crate) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The digest of the body.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// The only algorithm that is checked; the others are ignored, as RFC 9530 requires of unknown ones.
const ALGORITHM: &str = "sha-256";

/// The fields that a request can have, with their names in violations. The body of a `PUT` is the whole
/// representation, so both have the same meaning.
const FIELDS: [(HeaderName, &str); 2] = [(CONTENT_DIGEST, "/Content-Digest"), (REPR_DIGEST, "/Repr-Digest")];

/// A SHA-256 digest.
pub type Sha256Digest = [u8; 32];

/// The digest as a structured field, for `Repr-Digest` and for bodies.
pub fn digest_field(digest: &Sha256Digest) -> String {
    format!("{ALGORITHM}=:{}:", STANDARD.encode(digest))
}

/// Parses the digest of a content that was sent before, in the form of [`digest_field`].
pub fn parse_digest_field(text: &str) -> Result<Sha256Digest, Rejection> {
    parse(text)?.ok_or_else(malformed)
}

/// The digests that a request states for its body.
#[derive(Debug, Default)]
pub struct StatedDigests(Vec<(&'static str, Sha256Digest)>);

impl StatedDigests {
    /// The digests in the headers. A field that is malformed is rejected, because its sender wanted to guard the body.
    pub fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let (mut stated, mut violations) = (Vec::new(), Vec::new());
        for (name, pointer) in FIELDS {
            // Several lines are one field (RFC 9651, section 4.2).
            let values: Vec<_> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
            let field = values.join(&b", "[..]);
            match str::from_utf8(&field).map_err(|_| malformed()).and_then(parse) {
                Ok(digest) => stated.extend(digest.map(|digest| (pointer, digest))),
                Err(reason) => violations.push(Violation::new(pointer, &reason)),
            }
        }
        if violations.is_empty() {
            Ok(Self(stated))
        } else {
            Err(ApiError::invalid(violations))
        }
    }

    /// Whether the request states any.
    pub(crate) fn has_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Rejects a body with another digest than the stated ones.
    pub fn check(&self, actual: &Sha256Digest) -> Result<(), ApiError> {
        let wrong = self.0.iter().filter(|(_, stated)| stated != actual);
        let violations: Vec<_> = wrong
            .map(|(pointer, _)| {
                let reason = format!("does not match the body, whose digest is `{}`", digest_field(actual));
                Violation::new(*pointer, &Rejection(reason))
            })
            .collect();
        if violations.is_empty() {
            Ok(())
        } else {
            Err(ApiError::invalid(violations))
        }
    }
}

/// The SHA-256 digest in a dictionary of digests, if it has one.
fn parse(field: &str) -> Result<Option<Sha256Digest>, Rejection> {
    let digests: Dictionary = Parser::new(field).parse().map_err(|_| malformed())?;
    let bytes = match digests.get(ALGORITHM) {
        None => return Ok(None),
        Some(ListEntry::Item(item)) => match &item.bare_item {
            BareItem::ByteSequence(bytes) => bytes.as_slice(),
            _ => &[],
        },
        Some(_) => &[],
    };
    bytes.try_into().map(Some).map_err(|_| malformed())
}

fn malformed() -> Rejection {
    Rejection(
        "must be a digest like `sha-256=:…:`, with the base64 of 32 bytes between the colons (RFC 9530)".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Code;

    /// The digest of no bytes.
    const EMPTY: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

    fn empty() -> Sha256Digest {
        parse_digest_field(EMPTY).unwrap()
    }

    fn headers(values: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn pointers(error: &ApiError) -> Vec<&str> {
        assert_eq!(error.code(), Code::ValidationFailed);
        error.violations.iter().map(|violation| &*violation.pointer).collect()
    }

    #[test]
    fn a_digest_is_written_as_it_is_read() {
        assert_eq!(digest_field(&empty()), EMPTY);
    }

    #[test]
    fn both_fields_are_checked_and_other_algorithms_are_ignored() {
        for values in [
            &[][..],
            &[(CONTENT_DIGEST, EMPTY)],
            &[(REPR_DIGEST, EMPTY), (CONTENT_DIGEST, EMPTY)],
            &[(CONTENT_DIGEST, "sha-512=:AAAA:, md5=:AA==:, future=?1;x=2")],
            &[(CONTENT_DIGEST, &format!("sha-512=:AAAA:, {EMPTY};a=1"))],
            &[(CONTENT_DIGEST, "sha-512=:AAAA:"), (CONTENT_DIGEST, EMPTY)],
            &[(CONTENT_DIGEST, "")],
        ] {
            let stated = StatedDigests::read(&headers(values)).unwrap();
            stated.check(&empty()).unwrap();
        }
        let stated = StatedDigests::read(&headers(&[(REPR_DIGEST, EMPTY), (CONTENT_DIGEST, EMPTY)])).unwrap();
        let error = stated.check(&[1; 32]).unwrap_err();
        assert_eq!(pointers(&error), ["/Content-Digest", "/Repr-Digest"]);
        let message = &error.violations[0].message;
        assert!(
            message.contains("sha-256=:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=:"),
            "{message}"
        );
    }

    #[test]
    fn the_last_of_repeated_digests_counts() {
        let zero = digest_field(&[0; 32]);
        let twice = headers(&[(CONTENT_DIGEST, &zero), (CONTENT_DIGEST, EMPTY)]);
        let stated = StatedDigests::read(&twice).unwrap();
        stated.check(&empty()).unwrap();
        stated.check(&[0; 32]).unwrap_err();
    }

    #[test]
    fn a_malformed_field_is_rejected_with_its_name() {
        for field in [
            "sha-256",
            "sha-256=",
            "sha-256=::",
            "sha-256=:AAAA:",
            "sha-256=:!:",
            "sha-256=(:AAAA:)",
            "sha-256=\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"",
            "sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:,",
            "SHA-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
            "=",
            "ü",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(REPR_DIGEST, HeaderValue::from_bytes(field.as_bytes()).unwrap());
            let error = StatedDigests::read(&headers).unwrap_err();
            assert_eq!(pointers(&error), ["/Repr-Digest"], "{field}");
            assert!(parse_digest_field(field).is_err(), "{field}");
        }
        for no_digest in ["", "sha-512=:AAAA:"] {
            assert!(parse_digest_field(no_digest).is_err(), "{no_digest}");
        }
    }

    proptest! {
        #[test]
        fn any_field_is_read_or_rejected(field in "(sha-256=:)?[ -~]{0,60}") {
            let stated = StatedDigests::read(&headers(&[(CONTENT_DIGEST, &field)]));
            if let Ok(stated) = stated {
                let _ = stated.check(&[0; 32]);
            }
        }

        #[test]
        fn every_digest_round_trips(digest: [u8; 32]) {
            prop_assert_eq!(parse_digest_field(&digest_field(&digest)), Ok(digest));
        }
    }
}
