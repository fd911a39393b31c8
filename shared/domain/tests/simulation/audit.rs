//! What must hold of a store whatever happened: every record is where it belongs, and has what belongs to it.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::Event;
use domain::logins::Login;
use domain::record::{self, Record};
use domain::sessions::Session;
use domain::tenants::{Kind, Membership, Tenant};
use domain::users::User;
use domain::{Role, TenantId, Timestamp};
use kv::{Element, Entry, Key};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::world::Stored;

/// The records of a store, by their keys.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) users: BTreeMap<Uuid, User>,
    pub(crate) logins: BTreeMap<Uuid, Login>,
    pub(crate) sessions: BTreeMap<Uuid, Session>,
    emails: BTreeMap<String, Uuid>,
    tenants: BTreeMap<Uuid, Tenant>,
    memberships: BTreeMap<(Uuid, Uuid), Membership>,
    index: BTreeSet<(Uuid, Uuid)>,
    /// The audit log of each tenant, in its order.
    pub(crate) log: BTreeMap<Uuid, Vec<Event>>,
    /// When the lifetime of a key ends, by its record.
    lifetimes: BTreeMap<Key, i64>,
    /// Under which ends a key is filed.
    filed: BTreeMap<Key, Vec<i64>>,
    /// What is kept of requests under the digests of their keys, by their callers.
    pub(crate) kept: BTreeMap<(Uuid, Vec<u8>), Kept<Session>>,
    /// And of registrations, which have none.
    pub(crate) registered: BTreeMap<Vec<u8>, Kept<Value>>,
    problems: Vec<String>,
}

/// What came of a request with a key.
#[derive(Deserialize)]
pub(crate) struct Kept<T> {
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
                self.lifetimes.insert(key.clone(), record.expires_at.as_millis());
                self.logins.insert(*login, record);
            }
            ([Some("tenants"), None], [_, Some(tenant)]) => {
                self.tenants.insert(*tenant, decode(value));
            }
            ([Some("tenants"), None, Some("sessions"), None], [_, Some(tenant), _, Some(session)]) => {
                if value != session.as_bytes() {
                    self.problems.push(format!("{key:?} names another session"));
                }
                self.index.insert((*tenant, *session));
            }
            ([Some("sessions"), None], [_, Some(session)]) => {
                self.sessions.insert(*session, decode(value));
            }
            ([Some("tenants"), None, Some("audit"), None], [_, Some(tenant), ..]) => {
                self.log.entry(*tenant).or_default().push(decode(value));
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
                let kept: Kept<Session> = data(value);
                if kept.outcome.tenant.uuid() != *tenant || kept.outcome.owner.uuid() != *user {
                    self.problems.push(format!("{key:?} holds what somebody else has made"));
                }
                self.lifetimes.insert(key.clone(), kept.until.as_millis());
                self.kept.insert((*user, bytes(&elements[5])), kept);
            }
            ([Some("idempotency"), Some("register"), None], _) => {
                let kept: Kept<Value> = data(value);
                self.lifetimes.insert(key.clone(), kept.until.as_millis());
                self.registered.insert(bytes(&elements[2]), kept);
            }
            ([Some("throttles"), ..], _) => {
                let record: Value = serde_json::from_slice(value).expect("a count is JSON");
                let end = serde_json::from_value::<Timestamp>(record["data"]["expiresAt"].clone());
                let end = end.expect("a count has an end");
                self.lifetimes.insert(key.clone(), end.as_millis());
            }
            ([Some("expiry"), ..], _) => match &elements[1..] {
                [Element::Int(0..16), Element::Int(end), Element::Bytes(of)] => {
                    self.filed.entry(Key::from_bytes(of.to_vec())).or_default().push(*end);
                }
                _ => self.problems.push(format!("{key:?} is no entry of the expiry index")),
            },
            // The store's own.
            ([Some("_runs"), ..], _) => {}
            _ => self.problems.push(format!("{key:?} belongs to nothing")),
        }
    }
}

/// What is wrong with a store, whatever was done to it.
pub(crate) fn check(stored: &Stored) -> Vec<String> {
    let mut records = Records::read(stored);
    let mut problems = std::mem::take(&mut records.problems);
    let mut expect = |holds: bool, problem: &dyn Fn() -> String| {
        if !holds {
            problems.push(problem());
        }
    };
    let Records {
        users,
        logins,
        sessions,
        emails,
        tenants,
        memberships,
        index,
        lifetimes,
        filed,
        ..
    } = &records;

    for (email, id) in emails {
        let named = users.get(id).is_some_and(|user| user.email.as_str() == email);
        expect(named, &|| format!("{email} leads to {id}, which is not its user"));
    }
    for (id, user) in users {
        expect(user.id.uuid() == *id, &|| format!("user {id} is stored as {user:?}"));
        let found = emails.get(user.email.as_str()) == Some(id);
        expect(found, &|| format!("{} does not lead to its user {id}", user.email));
        let own = TenantId::own(user.id).uuid();
        let kind = tenants.get(&own).map(|tenant| tenant.kind);
        expect(kind == Some(Kind::Own), &|| {
            format!("user {id} has no tenant of its own")
        });
        let role = memberships.get(&(*id, own)).map(|membership| membership.role);
        expect(role == Some(Role::Owner), &|| {
            format!("user {id} does not own its own tenant")
        });
    }
    expect(emails.len() == users.len(), &|| {
        "emails and users are not as many".into()
    });
    expect(tenants.len() == users.len(), &|| {
        "tenants and users are not as many".into()
    });
    expect(memberships.len() == users.len(), &|| {
        "memberships and users are not as many".into()
    });
    for login in logins.values() {
        expect(users.contains_key(&login.user.uuid()), &|| {
            format!("{login:?} is nobody's")
        });
    }
    // Entries that lead to nothing go when their time comes; a record has exactly its own.
    for (key, end) in lifetimes {
        expect(filed.get(key).map(Vec::as_slice) == Some(&[*end]), &|| {
            format!("{key:?} lives until {end} and is filed under {:?}", filed.get(key))
        });
    }
    for (id, session) in sessions {
        let place = (session.tenant.uuid(), *id);
        expect(session.id.uuid() == *id, &|| {
            format!("session {id} is stored as {session:?}")
        });
        expect(index.contains(&place), &|| {
            format!("session {id} is missing in the index")
        });
        expect(tenants.contains_key(&place.0), &|| {
            format!("session {id} is in no tenant")
        });
    }
    for (tenant, id) in index {
        let there = sessions.get(id).is_some_and(|session| session.tenant.uuid() == *tenant);
        expect(there, &|| format!("tenant {tenant} lists {id}, which it does not have"));
    }
    problems
}

fn decode<T: Record>(value: &[u8]) -> T {
    record::decode(value).expect("every record decodes")
}

/// What is in the envelope of a record that is private to the crate.
fn data<T: DeserializeOwned>(value: &[u8]) -> T {
    let mut record: Value = serde_json::from_slice(value).expect("a record is JSON");
    serde_json::from_value(record["data"].take()).expect("it has what it has")
}

fn bytes(element: &Element<'_>) -> Vec<u8> {
    match element {
        Element::Bytes(bytes) => bytes.to_vec(),
        _ => panic!("{element:?} is no digest"),
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
