//! The header `Host` of a request (RFC 9112, section 3.2).

use std::net::Ipv6Addr;

use axum::http::{HeaderMap, Version, header};

/// Whether the request has the `Host` that HTTP demands: one, and in HTTP/1.0 at most one, with a valid value.
pub(super) fn is_valid(version: Version, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (None, _) => version == Version::HTTP_10,
        (Some(value), None) => is_host(value.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

/// Whether the text is `uri-host [ ":" port ]` (RFC 3986, section 3.2.2). The host may be empty, if the request's
/// target has none.
fn is_host(text: &[u8]) -> bool {
    let end = match text.strip_prefix(b"[") {
        Some(rest) => {
            let Some(length) = rest.iter().position(|&byte| byte == b']') else {
                return false;
            };
            let address = str::from_utf8(&rest[..length]).ok();
            if address.and_then(|address| address.parse::<Ipv6Addr>().ok()).is_none() {
                return false;
            }
            length + 2
        }
        None => text.iter().position(|&byte| byte == b':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(end);
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_port && (host.starts_with(b"[") || is_name(host))
}

/// Whether the text is a name or an IPv4 address: unreserved characters, sub-delimiters and percent-encoded bytes.
fn is_name(mut text: &[u8]) -> bool {
    loop {
        text = match text {
            [] => return true,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            [byte, rest @ ..] if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte) => rest,
            _ => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_an_optional_port() {
        for host in [
            "",
            "localhost",
            "localhost:8080",
            "api.example.com:",
            "127.0.0.1:80",
            "[::1]",
            "[2001:db8::1]:443",
            "a_b.example",
            "b%C3%BCcher.example",
            ":80",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "a b",
            "a, b",
            "user@example.com",
            "example.com/path",
            "http://example.com",
            "example.com:80a",
            "example.com:80:80",
            "::1",
            "[::1",
            "[::1]80",
            "[127.0.0.1]",
            "[]",
            "a%",
            "a%zz",
            "a\\b",
            "b\u{fc}cher.example",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn a_request_has_one_host_and_only_http_1_0_may_have_none() {
        let is = |version, hosts: &[&str]| {
            let hosts = hosts.iter().map(|host| (header::HOST, host.parse().unwrap()));
            is_valid(version, &hosts.collect())
        };
        for (version, absent) in [(Version::HTTP_11, false), (Version::HTTP_10, true)] {
            assert_eq!(is(version, &[]), absent);
            assert!(is(version, &["a"]));
            assert!(!is(version, &["a", "a"]));
            assert!(!is(version, &["a b"]));
        }
    }
}
