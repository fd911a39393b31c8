//! Checks of the store alone: the invariants that `gateway check` also checks, and those that hold as long as
//! no user is a member of another tenant.

use super::problems::Problems;
use crate::records::Records;
use crate::scenario::Stored;

pub(super) fn check(stored: &Stored, records: &Records, problems: &mut Problems) {
    for finding in &stored.findings {
        problems.add(format!("{}: {}", finding.key, finding.problem));
    }
    let Records {
        users,
        emails,
        tenants,
        memberships,
        ..
    } = records;
    problems.unless(emails.len() == users.len(), || {
        "the numbers of emails and users differ".into()
    });
    problems.unless(tenants.len() == users.len(), || {
        "the numbers of tenants and users differ".into()
    });
    problems.unless(memberships.len() == users.len(), || {
        "the numbers of memberships and users differ".into()
    });
}
