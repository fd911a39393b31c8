//! Where a request comes from: the address that the gateway vouches for, never one that a client can set.
//!
//! Anybody can send any header, so none is believed but for what a proxy of ours has put at the end of `X-Forwarded-For`.
//! `Forwarded` (RFC 7239), `X-Real-IP` and their kin are not consulted at all: a proxy that does not know them passes on what the
//! client has put there.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use domain::{Address, Client, UserAgent};

use crate::observer::Seen;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that a request came from, inserted as an extension by whoever accepted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceAddress(pub IpAddr);

impl SourceAddress {
    /// What a proxy or a gateway wrote: an address, with or without a port; an IPv6 one may stand in brackets. `None` for everything
    /// else, such as the obfuscated identifiers and the `unknown` that some proxies write.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let address = text.parse::<IpAddr>().ok();
        let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
        let in_brackets = || {
            let inner = text.strip_prefix('[')?.strip_suffix(']')?;
            inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        };
        address.or_else(with_port).or_else(in_brackets).map(Self)
    }

    /// What the proxy in front of us has appended to `X-Forwarded-For`, for one that always does and has no other way to say it.
    pub(crate) fn appended(headers: &HeaderMap) -> Option<Self> {
        forwarded_for(headers).next().flatten()
    }

    /// Whether a proxy, or a client that plays one, has said whom it got the request from.
    pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
        headers.contains_key(X_FORWARDED_FOR)
    }

    /// The client of a request that came from `peer`, through `proxies` proxies of ours.
    ///
    /// Each proxy appends to `X-Forwarded-For` whom it got the request from, and the last one is the peer. So the client is as many
    /// places before the peer as there are proxies, and what it sent itself is before that. A request with too few addresses, or with
    /// something else in that place, did not come through our proxies: its client is the peer.
    pub(crate) fn behind(proxies: usize, headers: &HeaderMap, peer: IpAddr) -> Self {
        let before_peer = proxies.checked_sub(1);
        before_peer
            .and_then(|place| forwarded_for(headers).nth(place).flatten())
            .unwrap_or(Self(peer))
    }
}

/// The elements of all `X-Forwarded-For` headers, the last one first. What is no address keeps its place, even if it is empty.
fn forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<SourceAddress>> {
    let values = headers.get_all(X_FORWARDED_FOR).into_iter().rev();
    let elements = values.flat_map(|value| value.as_bytes().rsplit(|&byte| byte == b','));
    elements.map(|element| SourceAddress::parse(str::from_utf8(element).ok()?))
}

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct ClientInfo(pub Client);

impl<S: Send + Sync> FromRequestParts<S> for ClientInfo {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(client(parts)))
    }
}

pub(crate) fn client(parts: &Parts) -> Client {
    let source = parts.extensions.get::<SourceAddress>();
    let user_agent = parts.headers.get(header::USER_AGENT);
    let seen = parts.extensions.get::<Seen>();
    Client {
        address: source.map(|SourceAddress(address)| Address::new(*address)),
        user_agent: user_agent.and_then(|value| UserAgent::new(&String::from_utf8_lossy(value.as_bytes()))),
        request_id: seen.map(|seen| seen.id().0.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn headers(values: &[&str]) -> HeaderMap {
        let named = |value: &&str| (HeaderName::from_static("x-forwarded-for"), value.parse().unwrap());
        values.iter().map(named).collect()
    }

    fn behind(proxies: usize, values: &[&str]) -> String {
        SourceAddress::behind(proxies, &headers(values), PEER).0.to_string()
    }

    #[test]
    fn an_address_may_have_a_port_and_brackets_and_space_around_it() {
        for (text, address) in [
            ("203.0.113.7", "203.0.113.7"),
            (" 203.0.113.7\t", "203.0.113.7"),
            ("203.0.113.7:5678", "203.0.113.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:5678", "2001:db8::7"),
            ("::ffff:203.0.113.7", "::ffff:203.0.113.7"),
        ] {
            assert_eq!(
                SourceAddress::parse(text),
                Some(SourceAddress(address.parse().unwrap())),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
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
            assert_eq!(SourceAddress::parse(text), None, "{text}");
        }
    }

    #[test]
    fn without_proxies_of_ours_the_client_is_the_peer_whatever_is_forwarded() {
        assert_eq!(behind(0, &[]), "192.0.2.1");
        assert_eq!(behind(0, &["203.0.113.7"]), "192.0.2.1");
    }

    #[test]
    fn the_client_is_as_many_places_before_the_peer_as_there_are_proxies() {
        let values = ["198.51.100.66, 203.0.113.7:5678", "[2001:db8::8]:443 ,\t203.0.113.9"];
        for (proxies, client) in [
            (1, "203.0.113.9"),
            (2, "2001:db8::8"),
            (3, "203.0.113.7"),
            (4, "198.51.100.66"),
        ] {
            assert_eq!(behind(proxies, &values), client, "{proxies}");
        }
    }

    #[test]
    fn a_request_that_did_not_come_through_the_proxies_is_the_peers() {
        for (proxies, values) in [
            (1, &[][..]),
            (3, &["203.0.113.7, 203.0.113.8"]),
            (16, &["203.0.113.7"]),
            (1, &["203.0.113.7, unknown"]),
            (1, &["203.0.113.7, "]),
            (1, &["203.0.113.7", ""]),
            (2, &["203.0.113.7, , 203.0.113.9"]),
        ] {
            assert_eq!(behind(proxies, values), "192.0.2.1", "{proxies} {values:?}");
        }
    }

    #[test]
    fn an_element_that_is_not_text_keeps_its_place() {
        let mut headers = headers(&[]);
        let value = header::HeaderValue::from_bytes(b"203.0.113.7, \xff, 203.0.113.9").unwrap();
        headers.insert("x-forwarded-for", value);
        let client = |proxies| SourceAddress::behind(proxies, &headers, PEER).0.to_string();
        assert_eq!(
            [client(1), client(2), client(3)],
            ["203.0.113.9", "192.0.2.1", "203.0.113.7"]
        );
    }

    #[test]
    fn what_a_load_balancer_appended_is_the_last_element_of_the_last_header() {
        let appended = |values: &[&str]| SourceAddress::appended(&headers(values)).map(|source| source.0.to_string());
        assert_eq!(
            appended(&["198.51.100.66", "198.51.100.67, 203.0.113.7"]),
            Some("203.0.113.7".into())
        );
        assert_eq!(appended(&["198.51.100.66, 203.0.113.7:80"]), Some("203.0.113.7".into()));
        assert_eq!(appended(&["203.0.113.7", "unknown"]), None);
        assert_eq!(appended(&["203.0.113.7,"]), None);
        assert_eq!(appended(&[]), None);
    }

    proptest! {
        #[test]
        fn what_a_client_sends_changes_nothing(
            sent in prop::collection::vec("[ -~]{0,40}|(198\\.51\\.100\\.6[0-9]|, ?|\\[?2001:db8::6\\]?|unknown){0,8}", 0..4),
            // How many of the proxies begin a header of their own, as some do, instead of going on with the last one.
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
            prop_assert_eq!(SourceAddress::behind(hops.len(), &headers(&values), PEER), SourceAddress(client));
            prop_assert_eq!(SourceAddress::behind(0, &headers(&values), PEER), SourceAddress(PEER));
            prop_assert_eq!(SourceAddress::appended(&headers(&values)).map(|source| source.0), hops.last().map(|hop| hop.0));
        }
    }
}
