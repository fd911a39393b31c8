//! Idempotency keys of registrations: while the key is kept, a repeated registration signs in to the account that the
//! first one created.

use domain::idempotency::KEY_LIFETIME;
use domain::{TenantId, Timestamp, UserId};
use sha2::{Digest as _, Sha256};

use super::problems::Problems;
use super::run::Run;
use crate::client::key_text;
use crate::history::{Call, Event, Reply, mark};

pub(super) fn check(run: Run<'_>, problems: &mut Problems) {
    for event in &run.history.events {
        if matches!(event.call, Call::Register { key: None, .. }) {
            problems.unless(!matches!(event.reply, Reply::IdempotencyMismatch), || {
                format!("#{} had no key and was taken for a repeated registration", event.number)
            });
        }
    }
    let mut stored = 0;
    for (user, event) in run.trail.users() {
        let Some(registration) = Registration::of(run, user, event) else {
            continue;
        };
        for event in &run.history.events {
            repetition(&registration, event, problems);
        }
        stored += usize::from(stored_outcome(&registration, run, problems));
    }
    problems.unless(stored == run.records.kept_registrations.len(), || {
        "an idempotency record exists that no registration wrote".into()
    });
}

/// A registration that created an account.
struct Registration<'h> {
    event: &'h Event,
    user: UserId,
    email: &'h str,
    key: Option<u32>,
    names: usize,
    /// The expiry of the key.
    until: Timestamp,
}

impl<'h> Registration<'h> {
    fn of(run: Run<'h>, user: UserId, event: &'h Event) -> Option<Self> {
        let Call::Register { email, key, names, .. } = &event.call else {
            return None;
        };
        let record = run.records.users.get(&user.uuid())?;
        Some(Self {
            event,
            user,
            email,
            key: *key,
            names: *names,
            until: record.created_at.plus(KEY_LIFETIME),
        })
    }
}

/// Another registration of the same email gets the reply that its key, names and password call for.
fn repetition(registration: &Registration<'_>, event: &Event, problems: &mut Problems) {
    let Call::Register { email, key, names, .. } = &event.call else {
        return;
    };
    let (number, original) = (event.number, registration.event.number);
    if email != registration.email || number == original {
        return;
    }
    let has_same_key = registration.key.is_some() && registration.key == *key;
    let may_find_it = has_same_key && registration.event.called < event.replied && event.at < registration.until;
    let has_other_names = registration.names != *names;
    match &event.reply {
        Reply::SignedIn(signed_in) => {
            let user = registration.user;
            let is_same = signed_in.user.id == user && signed_in.tenant.id == TenantId::own(user);
            let is_new_login = signed_in.login.created_at >= event.at;
            problems.unless(may_find_it && !has_other_names && is_same && is_new_login, || {
                format!("#{number} signed in to the account that #{original} registered")
            });
        }
        Reply::IdempotencyMismatch => {
            // Other names are detected before the password is verified.
            let is_right = has_other_names == (event.verifications == 0);
            problems.unless(may_find_it && is_right, || {
                format!("#{number} was rejected as a mismatch with another registration")
            });
        }
        Reply::EmailTaken => problems.unless(!has_same_key || event.replied_at() >= registration.until, || {
            format!("#{number} was rejected because {email} is taken, although it repeats #{original}")
        }),
        Reply::InvalidCredentials => {
            problems.add(format!("#{number} registers, and was rejected like a login"));
        }
        _ => {}
    }
}

/// Whether the outcome of the registration is stored, and that it is right.
fn stored_outcome(registration: &Registration<'_>, run: Run<'_>, problems: &mut Problems) -> bool {
    let Some(key) = registration.key else { return false };
    let digest = Sha256::digest(format!("{}\n{}", registration.email, key_text(key))).to_vec();
    let Some(record) = run.records.kept_registrations.get(&digest) else {
        problems.unless(run.may_be_swept(registration.until), || {
            format!("the outcome of #{} is not stored", registration.event.number)
        });
        return false;
    };
    let outcome = &record.outcome;
    let is_right = record.until == registration.until
        && outcome["user"] == registration.user.uuid().to_string()
        && outcome["firstName"] == mark(registration.names);
    problems.unless(is_right, || {
        format!(
            "the outcome of #{} is stored as {outcome} until {}",
            registration.event.number, record.until
        )
    });
    true
}
