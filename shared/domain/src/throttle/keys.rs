//! Counters of attempts:
//! `throttles / pair / {email digest} / {network}` at an account, from one network;
//! `throttles / account / {email digest}` at an account;
//! `throttles / address / {network}` from a network, at any account;
//! `throttles / login / {login_id}` at the password of the user behind a login;
//! `throttles / registration / {network}` to register, from a network.
//!
//! The digest is SHA-256: most emails that are tried belong to no account, and are not stored. The network is that of
//! one subscriber as text; it is empty if the front door vouches for no address.

use kv::Key;
use sha2::{Digest as _, Sha256};

use crate::client::{Address, Client};
use crate::id::LoginId;
use crate::users::Email;

pub(super) fn pair(email: &Email, client: &Client) -> Key {
    Key::of(&("throttles", "pair", &digest(email)[..], network(client)))
}

pub(super) fn account(email: &Email) -> Key {
    Key::of(&("throttles", "account", &digest(email)[..]))
}

pub(super) fn address(client: &Client) -> Key {
    Key::of(&("throttles", "address", network(client)))
}

pub(super) fn login(login: LoginId) -> Key {
    Key::of(&("throttles", "login", login.uuid()))
}

pub(super) fn registration(client: &Client) -> Key {
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
