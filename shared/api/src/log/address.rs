//! The client address as the log shows it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Serialize, Serializer};

use crate::config::AddressDetail;

/// The length of a logged prefix: the smallest IPv4 network that is routed by itself.
const IPV4_BITS: u8 = 24;

/// The length of a logged prefix: the largest network of one site (RFC 6177).
const IPV6_BITS: u8 = 48;

/// An address, or a network if it has a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoggedAddress {
    address: IpAddr,
    bits: Option<u8>,
}

impl LoggedAddress {
    /// What the log shows of this address.
    pub(crate) fn of(address: IpAddr, detail: AddressDetail) -> Option<Self> {
        let address = address.to_canonical();
        match (detail, address) {
            (AddressDetail::Off, _) => None,
            (AddressDetail::Full, address) => Some(Self { address, bits: None }),
            (AddressDetail::Prefix, IpAddr::V4(address)) => {
                let mask = u32::MAX << (u32::BITS - u32::from(IPV4_BITS));
                Some(Self {
                    address: Ipv4Addr::from_bits(address.to_bits() & mask).into(),
                    bits: Some(IPV4_BITS),
                })
            }
            (AddressDetail::Prefix, IpAddr::V6(address)) => {
                let mask = u128::MAX << (u128::BITS - u32::from(IPV6_BITS));
                Some(Self {
                    address: Ipv6Addr::from_bits(address.to_bits() & mask).into(),
                    bits: Some(IPV6_BITS),
                })
            }
        }
    }
}

impl fmt::Display for LoggedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bits {
            None => self.address.fmt(f),
            Some(bits) => write!(f, "{}/{bits}", self.address),
        }
    }
}

impl Serialize for LoggedAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_hides_the_subscriber_and_a_mapped_address_is_ipv4() {
        let logged = |detail: AddressDetail, address: &str| {
            let logged = LoggedAddress::of(address.parse().unwrap(), detail);
            logged.map(|logged| logged.to_string())
        };
        for (address, full, prefix) in [
            ("203.0.113.77", "203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
            ("2001:DB8:1:ffff::1", "2001:db8:1:ffff::1", "2001:db8:1::/48"),
        ] {
            assert_eq!(logged(AddressDetail::Full, address).as_deref(), Some(full));
            assert_eq!(logged(AddressDetail::Prefix, address).as_deref(), Some(prefix));
            assert_eq!(logged(AddressDetail::Off, address), None);
        }
        assert_eq!(AddressDetail::default(), AddressDetail::Prefix);
    }
}
