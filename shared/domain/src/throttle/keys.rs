//! `throttles / pair / {email digest} / {address}`, `throttles / account / {email digest}`, `throttles / address / {address}` and
//! `throttles / registration / {address}` → a count; `throttles / login / {login_id}` too, of attempts at the password of whoever is signed in. An address that nobody vouches for is the empty one.

use kv::Key;
use sha2::{Digest as _, Sha256};

use crate::client::{Address, Client};
use crate::id::LoginId;
use crate::users::Email;

pub fn pair(email: &Email, client: &Client) -> Key {
    Key::of(&("throttles", "pair", &digest(email)[..], network(client)))
}

pub fn account(email: &Email) -> Key {
    Key::of(&("throttles", "account", &digest(email)[..]))
}

pub fn address(client: &Client) -> Key {
    Key::of(&("throttles", "address", network(client)))
}

pub fn login(login: LoginId) -> Key {
    Key::of(&("throttles", "login", login.uuid()))
}

pub fn registration(client: &Client) -> Key {
    Key::of(&("throttles", "registration", network(client)))
}

fn digest(email: &Email) -> [u8; 32] {
    Sha256::digest(email.as_str()).into()
}

fn network(client: &Client) -> String {
    client
        .address
        .map(Address::network)
        .map_or_else(String::new, |address| address.to_string())
}
