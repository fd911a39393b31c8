//! The content of the store after a run, decoded and sorted by kind of record.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::Event;
use domain::logins::Login;
use domain::mail::Mail;
use domain::record::{self, Record};
use domain::sessions::Session;
use domain::tenants::{Membership, Tenant};
use domain::users::User;
use domain::users::profile::Profile;
use domain::{TenantId, Timestamp, UserId};
use kv::{Element, Entry};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::scenario::Stored;

/// Every record, by the ids in its key.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) users: BTreeMap<Uuid, User>,
    pub(crate) logins: BTreeMap<Uuid, Login>,
    pub(crate) sessions: BTreeMap<Uuid, Session>,
    /// The email index: email to user.
    pub(crate) emails: BTreeMap<String, Uuid>,
    pub(crate) tenants: BTreeMap<Uuid, Tenant>,
    /// By user.
    pub(crate) profiles: BTreeMap<Uuid, Profile>,
    /// By user and tenant.
    pub(crate) memberships: BTreeMap<(Uuid, Uuid), Membership>,
    /// The audit log of each tenant, in its order.
    pub(crate) audit_logs: BTreeMap<Uuid, Vec<Event>>,
    /// Idempotency records of session creations, by user and digest of the key.
    pub(crate) kept_creations: BTreeMap<(Uuid, Vec<u8>), IdempotencyRecord<Session>>,
    /// Idempotency records of registrations, by digest of email and key.
    pub(crate) kept_registrations: BTreeMap<Vec<u8>, IdempotencyRecord<Value>>,
    /// The counters of each tenant by quota, except those of audit events.
    pub(crate) counters: BTreeMap<(Uuid, String), i64>,
    /// The emails that wait to be sent, and those that could not be sent.
    pub(crate) outbox: Vec<Mail>,
    pub(crate) dead_letters: Vec<Mail>,
}

/// The stored outcome of a request with an idempotency key. The domain's own type is private.
#[derive(Deserialize)]
pub(crate) struct IdempotencyRecord<T> {
    /// The expiry of the key.
    pub(crate) until: Timestamp,
    pub(crate) outcome: T,
}

impl Records {
    pub(crate) fn read(stored: &Stored) -> Self {
        let mut records = Self::default();
        for entry in &stored.entries {
            records.add(entry);
        }
        records
    }

    /// Removes the data of these users.
    pub(crate) fn remove(&mut self, users: &BTreeSet<UserId>) {
        let ids: BTreeSet<Uuid> = users.iter().map(|user| user.uuid()).collect();
        let tenants: BTreeSet<Uuid> = users.iter().map(|user| TenantId::own(*user).uuid()).collect();
        self.users.retain(|id, _| !ids.contains(id));
        self.profiles.retain(|user, _| !ids.contains(user));
        self.logins.retain(|_, login| !users.contains(&login.user));
        self.sessions.retain(|_, session| !users.contains(&session.owner));
        self.emails.retain(|_, id| !ids.contains(id));
        self.tenants.retain(|id, _| !tenants.contains(id));
        self.memberships.retain(|(user, _), _| !ids.contains(user));
        self.audit_logs.retain(|tenant, _| !tenants.contains(tenant));
        self.kept_creations.retain(|(user, _), _| !ids.contains(user));
        self.kept_registrations.retain(|_, record| {
            let user = record.outcome["user"].as_str().and_then(UserId::parse);
            user.is_none_or(|user| !users.contains(&user))
        });
        self.counters.retain(|(tenant, _), _| !tenants.contains(tenant));
    }

    fn add(&mut self, Entry { key, value }: &Entry) {
        let elements: Vec<Element<'_>> = key.unpack().expect("every key is a tuple");
        let texts: Vec<_> = elements.iter().map(text).collect();
        let ids: Vec<_> = elements.iter().map(uuid).collect();
        let texts: Vec<_> = texts.iter().map(Option::as_deref).collect();
        match (&texts[..], &ids[..]) {
            ([Some("users"), Some("by_email"), Some(email)], _) => {
                let id = Uuid::from_slice(value).expect("an index entry is an id");
                self.emails.insert((*email).to_owned(), id);
            }
            ([Some("users"), None], [_, Some(user)]) => {
                self.users.insert(*user, decode(value));
            }
            ([Some("users"), None, Some("profile")], [_, Some(user), _]) => {
                self.profiles.insert(*user, decode(value));
            }
            ([Some("users"), None, Some("tenants"), None], [_, Some(user), _, Some(tenant)]) => {
                self.memberships.insert((*user, *tenant), decode(value));
            }
            ([Some("users"), None, Some("logins"), None], [_, _, _, Some(login)]) => {
                self.logins.insert(*login, decode(value));
            }
            ([Some("tenants"), None], [_, Some(tenant)]) => {
                self.tenants.insert(*tenant, decode(value));
            }
            ([Some("sessions"), None], [_, Some(session)]) => {
                self.sessions.insert(*session, decode(value));
            }
            ([Some("tenants"), None, Some("audit"), None], [_, Some(tenant), ..]) => {
                self.audit_logs.entry(*tenant).or_default().push(decode(value));
            }
            (
                [
                    Some("tenants"),
                    None,
                    Some("idempotency"),
                    None,
                    Some("sessions.create"),
                    None,
                ],
                [_, _, _, Some(user), ..],
            ) => {
                self.kept_creations
                    .insert((*user, bytes(&elements[5])), decode_private(value));
            }
            ([Some("idempotency"), Some("register"), None], _) => {
                self.kept_registrations
                    .insert(bytes(&elements[2]), decode_private(value));
            }
            ([Some("tenants"), None, Some("usage"), Some(quota)], [_, Some(tenant), ..]) => {
                let counter = kv::counter(Some(value));
                self.counters.insert((*tenant, (*quota).to_owned()), counter);
            }
            // What a recovery of an unknown email writes has a text in place of the shard.
            ([Some("outbox"), None, ..], _) => self.outbox.push(decode(value)),
            ([Some("dead_letters"), ..], _) => self.dead_letters.push(decode(value)),
            // `domain::check` checks everything else.
            _ => {}
        }
    }
}

fn decode<T: Record>(value: &[u8]) -> T {
    record::decode(value).expect("every record decodes")
}

/// Decodes the data of a record whose type is private to the domain.
fn decode_private<T: DeserializeOwned>(value: &[u8]) -> T {
    let mut record: Value = serde_json::from_slice(value).expect("a record is JSON");
    serde_json::from_value(record["data"].take()).expect("the record has the expected fields")
}

fn bytes(element: &Element<'_>) -> Vec<u8> {
    match element {
        Element::Bytes(bytes) => bytes.to_vec(),
        _ => panic!("{element:?} is not a digest"),
    }
}

fn text(element: &Element<'_>) -> Option<String> {
    match element {
        Element::String(text) => Some(text.to_string()),
        _ => None,
    }
}

fn uuid(element: &Element<'_>) -> Option<Uuid> {
    match element {
        Element::Uuid(id) => Some(*id),
        _ => None,
    }
}
