//! The client that sent a request: its address, its program, and the id of the request.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// The client that sent a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The address that the front door vouches for; `None` if it vouches for none.
    pub address: Option<Address>,
    /// The program's name for itself. A client can send any text.
    pub user_agent: Option<UserAgent>,
    /// The id under which the request is logged.
    pub request_id: String,
}

/// An IP address. An IPv4-mapped IPv6 address becomes the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(IpAddr);

impl Address {
    /// The prefix length of one IPv6 subscriber (RFC 6177), who controls every address below the prefix.
    const SUBSCRIBER_BITS: u32 = 64;

    /// The prefix length of the largest network that a site gets.
    const SITE_BITS: u32 = 48;

    /// The address in canonical form.
    pub fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// Whether this is an IPv4 address.
    pub fn is_ipv4(self) -> bool {
        self.0.is_ipv4()
    }

    /// The network of one subscriber: throttling counts its addresses together.
    #[must_use]
    pub fn network(self) -> Self {
        self.prefix(Self::SUBSCRIBER_BITS)
    }

    /// The largest network of one site (RFC 6177): 48 bits of an IPv6 address. Throttling counts attempts at many
    /// accounts by site, because an attacker may use all of its 65,536 smaller networks.
    #[must_use]
    pub fn site(self) -> Self {
        self.prefix(Self::SITE_BITS)
    }

    /// The networks of 48, 56 and 64 bits, in this order, from which providers assign a subscriber one (RFC 6177). An
    /// IPv4 address is a network at each level.
    #[must_use]
    pub fn networks(self) -> [Self; 3] {
        [Self::SITE_BITS, 56, Self::SUBSCRIBER_BITS].map(|bits| self.prefix(bits))
    }

    /// The address as a number; an IPv4 address as its IPv4-mapped IPv6 address.
    pub fn to_bits(self) -> u128 {
        match self.0 {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    /// The first `bits` of an IPv6 address; an IPv4 address stays whole.
    fn prefix(self, bits: u32) -> Self {
        match self.0 {
            IpAddr::V4(_) => self,
            IpAddr::V6(address) => {
                let mask = u128::MAX << (u128::BITS - bits);
                Self(Ipv6Addr::from_bits(address.to_bits() & mask).into())
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A `User-Agent`, without control characters and cut off after 256 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserAgent(String);

impl UserAgent {
    /// The maximum length in characters.
    pub const MAX_CHARS: usize = 256;

    /// Cleans `text`; `None` if nothing is left of it.
    pub fn new(text: &str) -> Option<Self> {
        // Most need no cleaning, so they are copied without looking at characters.
        let is_plain = text.len() <= Self::MAX_CHARS && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let kept = if is_plain {
            Cow::Borrowed(text)
        } else {
            let kept = text.chars().filter(|c| !c.is_control()).take(Self::MAX_CHARS);
            Cow::Owned(kept.collect())
        };
        let kept = kept.trim();
        (!kept.is_empty()).then(|| Self(kept.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::new(text.parse().unwrap())
    }

    #[test]
    fn equal_addresses_have_one_form() {
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_eq!(address("2001:DB8:0:0::1").to_string(), "2001:db8::1");
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_64_bits_of_an_ipv6_address() {
        assert_eq!(address("192.0.2.1").network(), address("192.0.2.1"));
        assert_eq!(address("2001:db8:1:2:3:4:5:6").network(), address("2001:db8:1:2::"));
        assert_ne!(
            address("2001:db8:1:2::1").network(),
            address("2001:db8:1:3::1").network()
        );
    }

    #[test]
    fn an_address_is_in_networks_of_three_sizes() {
        let networks = address("2001:db8:1:2345::6").networks();
        assert_eq!(
            networks,
            ["2001:db8:1::", "2001:db8:1:2300::", "2001:db8:1:2345::"].map(address)
        );
        assert_eq!(address("192.0.2.1").networks(), [address("192.0.2.1"); 3]);
        assert_ne!(address("192.0.2.1").to_bits(), address("192.0.2.2").to_bits());
    }

    #[test]
    fn a_user_agent_loses_control_characters_and_excess_length() {
        let kept = |text: &str| UserAgent::new(text).map(|agent| agent.as_str().to_owned());
        assert_eq!(kept(" curl/8 ~ "), Some("curl/8 ~".into()));
        assert_eq!(kept(" curl/8\u{7f}\n"), Some("curl/8".into()));
        assert_eq!(kept(&"x".repeat(257)), Some("x".repeat(256)));
        assert_eq!(kept("a\u{7f}b"), Some("ab".into()));
        assert_eq!(kept("  "), None);
        assert_eq!(kept(" \t"), None);
        assert_eq!(kept(&"é".repeat(300)), Some("é".repeat(256)));
    }
}
