//! Cookies that carry tokens for the pages of browsers, whose scripts cannot read them (RFC 6265).
//!
//! Only handlers that extract [`Cookies`] accept cookies. A browser adds its cookies to every request to the API, also
//! to those of pages that the user does not trust. So each use requires that the page's origin may use cookies.

use std::borrow::Cow;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite};
use domain::SecurityEvent;
use domain::text::Rejection;

use crate::config::CookieOrigins;
use crate::error::{ApiError, Code, Violation};
use crate::state::AppState;

/// The cookie with a refresh token. With the prefix `__Host-`, browsers accept it only over TLS and only for this host,
/// so no other host of the domain can set or receive it.
pub const REFRESH: &str = "__Host-coditect-refresh";

/// The cookie with a device token.
pub const DEVICE: &str = "__Host-coditect-device";

/// The cookies of a request, and whether its page may use them.
pub struct Cookies {
    values: Vec<HeaderValue>,
    origin: PageOrigin,
}

/// The `Origin` of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageOrigin {
    Allowed,
    /// Another origin, `null`, or several.
    Foreign,
    Absent,
}

impl FromRequestParts<AppState> for Cookies {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers, &state.cookie_origins))
    }
}

impl Cookies {
    fn of(headers: &HeaderMap, origins: &CookieOrigins) -> Self {
        let mut sent = headers.get_all(header::ORIGIN).iter();
        let origin = match (sent.next(), sent.next()) {
            (None, _) => PageOrigin::Absent,
            (Some(origin), None) if origin.to_str().is_ok_and(|origin| origins.allow(origin)) => PageOrigin::Allowed,
            _ => PageOrigin::Foreign,
        };
        Self {
            values: headers.get_all(header::COOKIE).iter().cloned().collect(),
            origin,
        }
    }

    /// Rejects the request unless a page whose origin may use cookies sent it.
    pub fn check_origin(&self) -> Result<(), ApiError> {
        match self.origin {
            PageOrigin::Allowed => Ok(()),
            PageOrigin::Foreign => {
                Err(origin_not_allowed("the request has another origin")
                    .with_security_event(SecurityEvent::ForeignOrigin))
            }
            PageOrigin::Absent => Err(origin_not_allowed("the request has no `Origin`")),
        }
    }

    /// The value of the cookie, if the request has it; its page must be allowed to use it. Fails if the request has the
    /// cookie twice.
    pub fn get(&self, name: &str) -> Result<Option<String>, ApiError> {
        // Several headers are one list (RFC 9113, section 8.2.3). Other cookies of the host may have any bytes.
        let texts = self
            .values
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        let all = texts.flat_map(|text| Cookie::split_parse(Cow::into_owned(text)));
        let mut found = all.filter_map(Result::ok).filter(|cookie| cookie.name() == name);
        let Some(cookie) = found.next() else {
            return Ok(None);
        };
        self.check_origin()?;
        if found.next().is_some() {
            let reason = Rejection(format!("must have `{name}` only once"));
            return Err(ApiError::invalid(vec![Violation::new("/Cookie", &reason)]));
        }
        Ok(Some(cookie.value().to_owned()))
    }
}

/// The rejection of a request that uses cookies from an origin that may not.
pub(crate) fn origin_not_allowed(cause: &str) -> ApiError {
    ApiError::new(
        Code::OriginNotAllowed,
        "Cookies are accepted only with the header `Origin` of a page of this deployment: the origin of `PUBLIC_URL`, \
         or one that `CORS_ALLOWED_ORIGINS` names.",
    )
    .with_cause(cause)
}

/// The `Set-Cookie` that stores a secret in the browser, or removes it if the value is empty.
pub(crate) fn set_cookie(name: &'static str, value: String, max_age: Duration) -> Result<HeaderValue, ApiError> {
    let seconds = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
    let cookie = Cookie::build((name, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Strict)
        .max_age(cookie::time::Duration::seconds(seconds));
    let mut value = HeaderValue::try_from(cookie.to_string()).map_err(ApiError::internal)?;
    // Logs of libraries show it as `Sensitive`.
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Origins;

    const OWN: &str = "https://app.example.com";

    fn cookies(sent: &[(header::HeaderName, &[u8])]) -> Cookies {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        Cookies::of(&headers, &CookieOrigins::new(Some(OWN), &Origins::Any))
    }

    fn get(headers: &[&[u8]]) -> Result<Option<String>, Code> {
        let mut sent = vec![(header::ORIGIN, OWN.as_bytes())];
        sent.extend(headers.iter().map(|value| (header::COOKIE, *value)));
        cookies(&sent).get(REFRESH).map_err(|error| error.code())
    }

    #[test]
    fn a_cookie_is_found_among_those_of_others() {
        let one = Ok(Some("one".to_owned()));
        for headers in [
            &[&b"__Host-coditect-refresh=one"[..]][..],
            &[b"a=b; __Host-coditect-refresh=one; c=d"],
            &[b"a=b", b"__Host-coditect-refresh=one"],
            &[b" ; ;=;a;=b;\xff\xfe=\xe9; __Host-coditect-refresh=one ;;"],
            &[b"__Host-coditect-device=two;__Host-coditect-refresh=one"],
        ] {
            assert_eq!(get(headers), one, "{headers:?}");
        }
        for headers in [
            &[][..],
            &[&b""[..]],
            &[b"__Host-coditect-refresh"],
            &[b"x__Host-coditect-refresh=one"],
            &[b"__host-coditect-refresh=one"],
            &[b"a=__Host-coditect-refresh=one"],
        ] {
            assert_eq!(get(headers), Ok(None), "{headers:?}");
        }
    }

    #[test]
    fn a_cookie_that_is_sent_twice_is_rejected() {
        for headers in [
            &[&b"__Host-coditect-refresh=one; __Host-coditect-refresh=two"[..]][..],
            &[b"__Host-coditect-refresh=one", b"a=b; __Host-coditect-refresh=one"],
        ] {
            assert_eq!(get(headers), Err(Code::ValidationFailed));
        }
    }

    #[test]
    fn a_cookie_is_accepted_only_with_one_allowed_origin() {
        let cookie = (header::COOKIE, &b"__Host-coditect-refresh=one"[..]);
        for origins in [
            &[][..],
            &["null"],
            &["https://evil.example.com"],
            &["https://app.example.com.evil.com"],
            &["http://app.example.com"],
            &["https://app.example.com/"],
            &["HTTPS://APP.EXAMPLE.COM"],
            &[""],
            &[OWN, OWN],
            &[OWN, "null"],
        ] {
            let sent = origins.iter().map(|origin| (header::ORIGIN, origin.as_bytes()));
            let sent: Vec<_> = sent.chain([cookie.clone()]).collect();
            let error = cookies(&sent).get(REFRESH).unwrap_err();
            assert_eq!(error.code(), Code::OriginNotAllowed, "{origins:?}");
            let security = (!origins.is_empty()).then_some(SecurityEvent::ForeignOrigin);
            assert_eq!(error.security, security, "{origins:?}");
        }
        // Without the cookie there is nothing to protect.
        assert_eq!(cookies(&[]).get(REFRESH).unwrap(), None);
    }

    #[test]
    fn a_cookie_is_for_this_host_over_tls_and_not_for_scripts() {
        let set = set_cookie(REFRESH, "one".to_owned(), Duration::from_millis(7_900)).unwrap();
        assert_eq!(
            set.to_str().unwrap(),
            "__Host-coditect-refresh=one; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=7"
        );
        assert_eq!(format!("{set:?}"), "Sensitive");
    }

    proptest! {
        #[test]
        fn no_header_panics(bytes in proptest::collection::vec(prop_oneof![
            Just(b';'), Just(b'='), Just(b' '), Just(b'"'), Just(b'_'), 0x20..0x7f_u8, 0x80..=0xff_u8,
        ], 0..200)) {
            let mut header = b"__Host-coditect-refresh=".to_vec();
            header.extend(bytes);
            let _ = get(&[&header]);
        }
    }
}
