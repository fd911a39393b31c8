//! Requests that a client sends to the store itself.

use std::fmt;
use std::time::Duration;

use crate::error::Error;

/// Longest validity of a presigned request: S3's limit.
pub const MAX_VALIDITY: Duration = Duration::from_secs(7 * 86_400);

/// Longest value of a response header, in bytes.
const MAX_HEADER_LEN: usize = 1024;

/// A request whose signature permits its holder to send it, until it expires.
///
/// The client must send exactly these headers, and a body of the announced length: all are signed. `Debug` does not
/// show the query, which is the permission.
#[derive(Clone, PartialEq, Eq)]
pub struct PresignedRequest {
    /// The HTTP method.
    pub method: &'static str,
    /// The URL, with the signature.
    pub url: String,
    /// Names in lower case and values, by name. Browsers set `content-length` themselves.
    pub headers: Vec<(&'static str, String)>,
}

impl fmt::Debug for PresignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("PresignedRequest")
            .field("method", &self.method)
            .field("url", &format_args!("{url}?…"))
            .field("headers", &self.headers)
            .finish()
    }
}

/// Headers that the store adds to its response to a presigned GET.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeaders<'a> {
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Content-Disposition`; other alphabets need the form `filename*=UTF-8''…` (RFC 8187).
    pub content_disposition: Option<&'a str>,
}

impl<'a> ResponseHeaders<'a> {
    /// The query parameters, by name.
    pub(crate) fn query(&self) -> Result<Vec<(&'static str, &'a str)>, Error> {
        let all = [
            ("response-content-disposition", self.content_disposition),
            ("response-content-type", self.content_type),
        ];
        let given: Vec<_> = all
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let is_header = |value: &str| {
            let is_visible = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
            is_visible && !value.is_empty() && value.len() <= MAX_HEADER_LEN
        };
        if given.iter().any(|(_, value)| !is_header(value)) {
            let why = "a header of the response must have 1 to 1024 characters of visible ASCII or spaces";
            return Err(Error::Unusable { why });
        }
        Ok(given)
    }
}

/// Checks that S3 accepts the validity, which it counts in seconds.
pub(crate) fn check_validity(validity: Duration) -> Result<(), Error> {
    if validity.as_secs() == 0 || validity > MAX_VALIDITY {
        let why = "a presigned request must be valid for one second to seven days";
        return Err(Error::Unusable { why });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_signature() {
        let request = PresignedRequest {
            method: "PUT",
            url: "https://b.example.com/k?X-Amz-Security-Token=t0k&X-Amz-Signature=5ig".to_owned(),
            headers: vec![("content-length", "1".to_owned())],
        };

        let shown = format!("{request:?}");

        assert!(shown.contains("https://b.example.com/k?…"), "{shown}");
        assert!(!shown.contains("5ig") && !shown.contains("t0k"), "{shown}");
    }

    #[test]
    fn a_response_header_with_a_line_break_or_another_alphabet_is_rejected() {
        for value in ["", "a\r\nset-cookie: b", "é", "a\tb", &"a".repeat(1025)] {
            let headers = ResponseHeaders {
                content_type: Some(value),
                ..ResponseHeaders::default()
            };
            assert!(headers.query().is_err(), "{value:?}");
        }
    }

    #[test]
    fn a_validity_is_one_second_to_seven_days() {
        for (validity, is_valid) in [
            (Duration::from_millis(999), false),
            (Duration::from_secs(1), true),
            (MAX_VALIDITY, true),
            (MAX_VALIDITY + Duration::from_secs(1), false),
        ] {
            assert_eq!(check_validity(validity).is_ok(), is_valid, "{validity:?}");
        }
    }
}
