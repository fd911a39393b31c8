//! Checks of the store alone: whatever happened, every record is in its place and has everything that belongs to it.

use domain::tenants::Kind;
use domain::{Role, TenantId};

use super::problems::Problems;
use crate::records::Records;

pub(super) fn check(records: &Records, problems: &mut Problems) {
    for problem in &records.problems {
        problems.add(problem.clone());
    }
    accounts(records, problems);
    expiries(records, problems);
    sessions(records, problems);
}

/// Each user has an index entry, a tenant of its own and the ownership of it; no other tenant or membership exists.
fn accounts(records: &Records, problems: &mut Problems) {
    let Records {
        users,
        emails,
        tenants,
        memberships,
        ..
    } = records;
    for (email, id) in emails {
        let named = users.get(id).is_some_and(|user| user.email.as_str() == email);
        problems.unless(named, || {
            format!("the index entry of {email} names {id}, which is another user or missing")
        });
    }
    for (id, user) in users {
        problems.unless(user.id.uuid() == *id, || format!("user {id} is stored as {user:?}"));
        let indexed = emails.get(user.email.as_str()) == Some(id);
        problems.unless(indexed, || {
            format!("the index entry of {} does not name user {id}", user.email)
        });
        let own = TenantId::own(user.id).uuid();
        let kind = tenants.get(&own).map(|tenant| tenant.kind);
        problems.unless(kind == Some(Kind::Own), || format!("user {id} has no own tenant"));
        let role = memberships.get(&(*id, own)).map(|membership| membership.role);
        problems.unless(role == Some(Role::Owner), || {
            format!("user {id} does not own its own tenant")
        });
    }
    problems.unless(emails.len() == users.len(), || {
        "the numbers of emails and users differ".into()
    });
    problems.unless(tenants.len() == users.len(), || {
        "the numbers of tenants and users differ".into()
    });
    problems.unless(memberships.len() == users.len(), || {
        "the numbers of memberships and users differ".into()
    });
    for login in records.logins.values() {
        problems.unless(users.contains_key(&login.user.uuid()), || {
            format!("the user of {login:?} does not exist")
        });
    }
}

/// Every key with an expiry is listed once in the index, under that expiry. Entries of removed keys may remain until
/// they are due.
fn expiries(records: &Records, problems: &mut Problems) {
    for (key, expiry) in &records.expiries {
        let listed = records.expiry_index.get(key).map(Vec::as_slice);
        problems.unless(listed == Some(&[*expiry]), || {
            format!("{key:?} expires at {expiry} and is listed under {listed:?}")
        });
    }
}

/// The sessions and the index of each tenant agree.
fn sessions(records: &Records, problems: &mut Problems) {
    for (id, session) in &records.sessions {
        let tenant = session.tenant.uuid();
        problems.unless(session.id.uuid() == *id, || {
            format!("session {id} is stored as {session:?}")
        });
        problems.unless(records.session_index.contains(&(tenant, *id)), || {
            format!("session {id} is not in the index")
        });
        problems.unless(records.tenants.contains_key(&tenant), || {
            format!("the tenant of session {id} does not exist")
        });
    }
    for (tenant, id) in &records.session_index {
        let session = records.sessions.get(id);
        let exists = session.is_some_and(|session| session.tenant.uuid() == *tenant);
        problems.unless(exists, || {
            format!("the index of tenant {tenant} lists {id}, which it does not have")
        });
    }
}
