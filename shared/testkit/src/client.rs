//! The client that tests use where a request does not name its own.

use std::net::{IpAddr, Ipv4Addr};

use domain::{Address, Client};

/// The default client address (RFC 5737).
pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

/// The client of operations that a test calls below HTTP.
pub(crate) fn client() -> Client {
    Client {
        address: Some(Address::new(ADDRESS)),
        request_id: "below-http".to_owned(),
        ..Client::default()
    }
}
