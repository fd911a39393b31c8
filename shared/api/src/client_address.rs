//! The client address of a request: the one for which a front door vouches, never one that a client can choose.
//!
//! A client can send any header. Only the end of `X-Forwarded-For` is trusted, where our own proxies append an address.
//! `Forwarded` (RFC 7239), `X-Real-IP` and similar headers are ignored: a proxy that does not know them forwards the
//! client's value.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Parses the address that a proxy or a gateway wrote, with or without a port; an IPv6 address may be in brackets.
///
/// Returns `None` for any other text, such as `unknown` and the obfuscated identifiers that some proxies write.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let address = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let in_brackets = || {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    };
    address.or_else(with_port).or_else(in_brackets)
}

/// The address that the nearest proxy appended to `X-Forwarded-For`, for a proxy that always appends one and reports it
/// nowhere else.
pub(crate) fn last_forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    forwarded_for(headers).next().flatten()
}

/// Whether the request has an `X-Forwarded-For`, from a proxy or from a client that imitates one.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(X_FORWARDED_FOR)
}

/// The client address of a request from `peer` that passed through this number of our proxies.
///
/// Each proxy appends the address of its own peer to `X-Forwarded-For`, and the last proxy is our peer. So with `n`
/// proxies the client is the `n`-th element from the end, and everything before it comes from the client itself. If
/// that element is missing or is no address, the request did not pass through our proxies, and the client is the peer.
pub(crate) fn behind_proxies(proxies: usize, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    let from_end = proxies.checked_sub(1);
    from_end
        .and_then(|index| forwarded_for(headers).nth(index).flatten())
        .unwrap_or(peer)
}

/// Whether the nearest proxy received the request over TLS, as it says in `X-Forwarded-Proto`.
pub(crate) fn is_forwarded_https(headers: &HeaderMap) -> bool {
    let last = headers.get_all(X_FORWARDED_PROTO).into_iter().next_back();
    let scheme = last.and_then(|value| value.as_bytes().rsplit(|&byte| byte == b',').next());
    scheme.is_some_and(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
}

/// The elements of all `X-Forwarded-For` headers, the last one first. An element that is no address counts as one, even
/// if it is empty.
fn forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let values = headers.get_all(X_FORWARDED_FOR).into_iter().rev();
    let elements = values.flat_map(|value| value.as_bytes().rsplit(|&byte| byte == b','));
    elements.map(|element| parse(str::from_utf8(element).ok()?))
}

#[cfg(test)]
mod tests {
    use axum::http::header;
    use proptest::prelude::*;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn headers(values: &[&str]) -> HeaderMap {
        let named = |value: &&str| (HeaderName::from_static("x-forwarded-for"), value.parse().unwrap());
        values.iter().map(named).collect()
    }

    fn client(proxies: usize, values: &[&str]) -> String {
        behind_proxies(proxies, &headers(values), PEER).to_string()
    }

    #[test]
    fn an_address_may_have_a_port_brackets_and_surrounding_space() {
        for (text, address) in [
            ("203.0.113.7", "203.0.113.7"),
            (" 203.0.113.7\t", "203.0.113.7"),
            ("203.0.113.7:5678", "203.0.113.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:5678", "2001:db8::7"),
            ("::ffff:203.0.113.7", "::ffff:203.0.113.7"),
        ] {
            assert_eq!(parse(text), Some(address.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn other_text_is_rejected() {
        for text in [
            "",
            " ",
            "unknown",
            "_hidden",
            "_SEVKISEK:5678",
            "localhost",
            "203.0.113",
            "203.0.113.256",
            "0203.0.113.7",
            "203.0.113.7:",
            "203.0.113.7:65536",
            "[203.0.113.7]",
            "[2001:db8::7",
            "2001:db8::7]",
            "[2001:db8::7]x",
            "\"[2001:db8::7]\"",
            "for=203.0.113.7",
            "203.0.113.7 203.0.113.8",
            "test-invoke-source-ip",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn without_proxies_the_client_is_the_peer() {
        assert_eq!(client(0, &[]), "192.0.2.1");
        assert_eq!(client(0, &["203.0.113.7"]), "192.0.2.1");
    }

    #[test]
    fn with_n_proxies_the_client_is_the_nth_address_from_the_end() {
        let values = ["198.51.100.66, 203.0.113.7:5678", "[2001:db8::8]:443 ,\t203.0.113.9"];
        for (proxies, expected) in [
            (1, "203.0.113.9"),
            (2, "2001:db8::8"),
            (3, "203.0.113.7"),
            (4, "198.51.100.66"),
        ] {
            assert_eq!(client(proxies, &values), expected, "{proxies}");
        }
    }

    #[test]
    fn a_request_that_bypassed_the_proxies_has_the_address_of_its_peer() {
        for (proxies, values) in [
            (1, &[][..]),
            (3, &["203.0.113.7, 203.0.113.8"]),
            (16, &["203.0.113.7"]),
            (1, &["203.0.113.7, unknown"]),
            (1, &["203.0.113.7, "]),
            (1, &["203.0.113.7", ""]),
            (2, &["203.0.113.7, , 203.0.113.9"]),
        ] {
            assert_eq!(client(proxies, values), "192.0.2.1", "{proxies} {values:?}");
        }
    }

    #[test]
    fn the_scheme_is_the_one_that_the_nearest_proxy_states() {
        let is = |values: &[&str]| {
            let values = values.iter().map(|value| (X_FORWARDED_PROTO, value.parse().unwrap()));
            is_forwarded_https(&values.collect())
        };
        for https in [
            &["https"][..],
            &["HTTPS"],
            &["http, https"],
            &["http", "https"],
            &["x", " http , https "],
        ] {
            assert!(is(https), "{https:?}");
        }
        for other in [
            &[][..],
            &["http"],
            &["https, http"],
            &["https", "http"],
            &["https,"],
            &["httpsx"],
            &[""],
        ] {
            assert!(!is(other), "{other:?}");
        }
    }

    #[test]
    fn an_element_that_is_not_utf8_counts() {
        let mut headers = headers(&[]);
        let value = header::HeaderValue::from_bytes(b"203.0.113.7, \xff, 203.0.113.9").unwrap();
        headers.insert("x-forwarded-for", value);
        let client = |proxies| behind_proxies(proxies, &headers, PEER).to_string();
        assert_eq!(
            [client(1), client(2), client(3)],
            ["203.0.113.9", "192.0.2.1", "203.0.113.7"]
        );
    }

    #[test]
    fn the_last_forwarded_address_is_at_the_end_of_the_last_header() {
        let last = |values: &[&str]| last_forwarded(&headers(values)).map(|address| address.to_string());
        assert_eq!(
            last(&["198.51.100.66", "198.51.100.67, 203.0.113.7"]),
            Some("203.0.113.7".into())
        );
        assert_eq!(last(&["198.51.100.66, 203.0.113.7:80"]), Some("203.0.113.7".into()));
        assert_eq!(last(&["203.0.113.7", "unknown"]), None);
        assert_eq!(last(&["203.0.113.7,"]), None);
        assert_eq!(last(&[]), None);
    }

    proptest! {
        #[test]
        fn headers_from_the_client_do_not_change_its_address(
            sent in prop::collection::vec(
                "[ -~]{0,40}|(198\\.51\\.100\\.6[0-9]|, ?|\\[?2001:db8::6\\]?|unknown){0,8}",
                0..4,
            ),
            // The address that each proxy appends, and whether it does so in a new header.
            hops in prop::collection::vec((any::<IpAddr>(), any::<bool>()), 1..=16),
        ) {
            let mut values = sent;
            for (hop, own_header) in &hops {
                match values.last_mut() {
                    Some(value) if !own_header => *value = format!("{value}, {hop}"),
                    _ => values.push(hop.to_string()),
                }
            }
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            let (client, _) = hops[0];
            prop_assert_eq!(behind_proxies(hops.len(), &headers(&values), PEER), client);
            prop_assert_eq!(behind_proxies(0, &headers(&values), PEER), PEER);
            prop_assert_eq!(last_forwarded(&headers(&values)), hops.last().map(|hop| hop.0));
        }
    }
}
