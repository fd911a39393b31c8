//! The content of the store after a run, decoded and sorted by kind of record.

use std::collections::{BTreeMap, BTreeSet};

use domain::Timestamp;
use domain::audit::Event;
use domain::logins::Login;
use domain::record::{self, Record};
use domain::sessions::Session;
use domain::tenants::{Membership, Tenant};
use domain::users::User;
use kv::{Element, Entry, Key};
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
    /// By user and tenant.
    pub(crate) memberships: BTreeMap<(Uuid, Uuid), Membership>,
    /// The session index: tenant and session.
    pub(crate) session_index: BTreeSet<(Uuid, Uuid)>,
    /// The audit log of each tenant, in its order.
    pub(crate) audit_logs: BTreeMap<Uuid, Vec<Event>>,
    /// The expiry of each key that has one, as its record states it, in milliseconds.
    pub(crate) expiries: BTreeMap<Key, i64>,
    /// The expiries under which the expiry index lists each key.
    pub(crate) expiry_index: BTreeMap<Key, Vec<i64>>,
    /// Idempotency records of session creations, by user and digest of the key.
    pub(crate) kept_creations: BTreeMap<(Uuid, Vec<u8>), IdempotencyRecord<Session>>,
    /// Idempotency records of registrations, by digest of email and key.
    pub(crate) kept_registrations: BTreeMap<Vec<u8>, IdempotencyRecord<Value>>,
    /// The bytes of the records that count in each tenant's usage.
    pub(crate) stored_bytes: BTreeMap<Uuid, i64>,
    /// The counted idempotency keys of each tenant.
    pub(crate) counted_keys: BTreeMap<Uuid, i64>,
    /// The counters of each tenant by quota, except those of audit events.
    pub(crate) counters: BTreeMap<(Uuid, String), i64>,
    /// The counters of audit events by tenant and day.
    pub(crate) event_counters: BTreeMap<(Uuid, i64), i64>,
    /// The index of days with events: tenant and day.
    pub(crate) audit_days: BTreeSet<(Uuid, i64)>,
    /// Entries that do not fit their key.
    pub(crate) problems: Vec<String>,
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
        for entry in stored {
            records.add(entry);
        }
        records
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
            ([Some("users"), None, Some("tenants"), None], [_, Some(user), _, Some(tenant)]) => {
                self.memberships.insert((*user, *tenant), decode(value));
            }
            ([Some("users"), None, Some("logins"), None], [_, Some(user), _, Some(login)]) => {
                let record: Login = decode(value);
                if record.user.uuid() != *user || record.id.uuid() != *login {
                    self.problems.push(format!("{key:?} holds another login, {record:?}"));
                }
                self.expiries.insert(key.clone(), record.expires_at.as_millis());
                self.logins.insert(*login, record);
            }
            ([Some("tenants"), None], [_, Some(tenant)]) => {
                self.tenants.insert(*tenant, decode(value));
            }
            ([Some("tenants"), None, Some("sessions"), None], [_, Some(tenant), _, Some(session)]) => {
                if value != session.as_bytes() {
                    self.problems.push(format!("{key:?} names another session"));
                }
                self.session_index.insert((*tenant, *session));
            }
            ([Some("sessions"), None], [_, Some(session)]) => {
                let record: Session = decode(value);
                *self.stored_bytes.entry(record.tenant.uuid()).or_default() += len(value);
                self.sessions.insert(*session, record);
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
                [_, Some(tenant), _, Some(user), ..],
            ) => {
                let record: IdempotencyRecord<Session> = decode_private(value);
                if record.outcome.tenant.uuid() != *tenant || record.outcome.owner.uuid() != *user {
                    self.problems
                        .push(format!("{key:?} holds a session of another user or tenant"));
                }
                self.expiries.insert(key.clone(), record.until.as_millis());
                *self.stored_bytes.entry(*tenant).or_default() += len(value);
                *self.counted_keys.entry(*tenant).or_default() += 1;
                self.kept_creations.insert((*user, bytes(&elements[5])), record);
            }
            ([Some("idempotency"), Some("register"), None], _) => {
                let record: IdempotencyRecord<Value> = decode_private(value);
                self.expiries.insert(key.clone(), record.until.as_millis());
                self.kept_registrations.insert(bytes(&elements[2]), record);
            }
            ([Some("throttles"), ..], _) => {
                let record: Value = serde_json::from_slice(value).expect("a counter is JSON");
                let expiry = serde_json::from_value::<Timestamp>(record["data"]["expiresAt"].clone());
                let expiry = expiry.expect("a counter has an expiry");
                self.expiries.insert(key.clone(), expiry.as_millis());
            }
            ([Some("tenants"), None, Some("usage"), Some(quota)], [_, Some(tenant), ..]) => {
                let counter = kv::counter(Some(value));
                self.counters.insert((*tenant, (*quota).to_owned()), counter);
            }
            ([Some("tenants"), None, Some("usage"), Some("auditEvents"), None], [_, Some(tenant), ..]) => {
                self.event_counters
                    .insert((*tenant, int(&elements[4])), kv::counter(Some(value)));
            }
            ([Some("audit_days"), None, None, None], [_, _, _, Some(tenant)]) => {
                self.audit_days.insert((*tenant, int(&elements[2])));
            }
            ([Some("expiry"), ..], _) => match &elements[1..] {
                [Element::Int(0..16), Element::Int(expiry), Element::Bytes(of)] => {
                    let key = Key::from_bytes(of.to_vec());
                    self.expiry_index.entry(key).or_default().push(*expiry);
                }
                _ => self
                    .problems
                    .push(format!("{key:?} is not an entry of the expiry index")),
            },
            ([Some("audit"), Some("no_account"), None], _) => {
                decode::<Event>(value);
            }
            // What a failed login without an account writes in place of usage, and commit markers of the store.
            ([Some("audit"), Some("no_account"), None, Some("events" | "day")] | [Some("_runs"), ..], _) => {}
            _ => self.problems.push(format!("{key:?} is of no known kind")),
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

fn int(element: &Element<'_>) -> i64 {
    match element {
        Element::Int(number) => *number,
        _ => panic!("{element:?} is not a number"),
    }
}

fn len(value: &[u8]) -> i64 {
    i64::try_from(value.len()).expect("values are short")
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
