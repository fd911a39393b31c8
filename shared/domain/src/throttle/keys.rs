//! Counters of attempts:
//! `throttles / pair / {email digest} / {network}` at an account, from one network;
//! `throttles / device / {email digest} / {token digest}` at an account, from a device that has signed in before;
//! `throttles / known / {email digest}` at an account, from networks that it knows;
//! `throttles / account / {email digest}` at an account;
//! `throttles / address / {site}` from a site, at any account;
//! `throttles / login / {login_id}` at the password of the user behind a login;
//! `throttles / login / {login_id} / {network}` the same, from one network;
//! `throttles / registration / {site}` to register, from a site;
//! `throttles / email_requests / {site}` to recover an account, from a site;
//! `throttles / recipient / {email digest}` and `throttles / recipient / {user_id}` to have one sent to this recipient;
//! `throttles / email_change / {email digest}` to have one sent that makes this address an account's;
//! `throttles / email_change / {user_id}` to have one sent that changes this account's address.
//!
//! The digests are SHA-256: most emails that are tried belong to no account, and are not stored; the store cannot
//! reveal device tokens. A network is that of one subscriber as text, a site is an IPv4 address or 48 bits of an IPv6
//! address; both are empty if the front door vouches for no address.

use kv::Key;
use sha2::{Digest as _, Sha256};

use crate::client::{Address, Client};
use crate::id::{LoginId, UserId};
use crate::throttle::device::DeviceToken;
use crate::users::Email;

pub(super) fn pair(email: &Email, client: &Client) -> Key {
    Key::of(&("throttles", "pair", &digest(email)[..], network(client)))
}

pub(super) fn device(email: &Email, token: &DeviceToken) -> Key {
    Key::of(&("throttles", "device", &digest(email)[..], &token.digest()[..]))
}

pub(super) fn known(email: &Email) -> Key {
    Key::of(&("throttles", "known", &digest(email)[..]))
}

pub(super) fn account(email: &Email) -> Key {
    Key::of(&("throttles", "account", &digest(email)[..]))
}

/// The prefixes of the counters of an account from one network, and from one device.
pub(super) fn prefixes(email: &Email) -> [Key; 2] {
    ["pair", "device"].map(|kind| Key::of(&("throttles", kind, &digest(email)[..])))
}

pub(super) fn site(client: &Client) -> Key {
    Key::of(&("throttles", "address", site_text(client)))
}

pub(super) fn login(login: LoginId) -> Key {
    Key::of(&("throttles", "login", login.uuid()))
}

pub(super) fn login_from(login: LoginId, client: &Client) -> Key {
    Key::of(&("throttles", "login", login.uuid(), network(client)))
}

pub(super) fn registration(client: &Client) -> Key {
    Key::of(&("throttles", "registration", site_text(client)))
}

pub(super) fn email_requests(client: &Client) -> Key {
    Key::of(&("throttles", "email_requests", site_text(client)))
}

pub(super) fn recipient(email: &Email) -> Key {
    Key::of(&("throttles", "recipient", &digest(email)[..]))
}

pub(super) fn recipient_user(user: UserId) -> Key {
    Key::of(&("throttles", "recipient", user.uuid()))
}

pub(super) fn email_change(email: &Email) -> Key {
    Key::of(&("throttles", "email_change", &digest(email)[..]))
}

pub(super) fn email_changes(user: UserId) -> Key {
    Key::of(&("throttles", "email_change", user.uuid()))
}

fn digest(email: &Email) -> [u8; 32] {
    Sha256::digest(email.as_str()).into()
}

fn network(client: &Client) -> String {
    text(client.address.map(Address::network))
}

fn site_text(client: &Client) -> String {
    text(client.address.map(Address::site))
}

fn text(address: Option<Address>) -> String {
    address.map_or_else(String::new, |address| address.to_string())
}
