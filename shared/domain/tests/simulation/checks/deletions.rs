//! Deleted accounts: they were to be deleted, nothing succeeds for them afterwards, and nothing of them remains.
//!
//! The other checks explain what the store contains, so they cannot judge an account whose data is gone, nor one that
//! has registered its email since. They get the history and the records without both.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::mail::Mail;
use domain::{TenantId, UserId};
use kv::{Element, Entry, Key};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::problems::Problems;
use crate::history::{Call, END, Event, History, Reply};
use crate::records::Records;
use crate::scenario::Stored;

/// How long a deletion must be due before a sweep executes it.
const SWEPT_AFTER: Duration = Duration::from_secs(60);

pub(super) struct Deletions<'h> {
    history: &'h History,
    /// The email of every user that a reply named.
    emails: BTreeMap<UserId, &'h str>,
    /// The users of these that are gone.
    deleted: BTreeSet<UserId>,
    /// The sessions in the store.
    sessions: BTreeSet<Uuid>,
}

impl<'h> Deletions<'h> {
    pub(super) fn of(history: &'h History, records: &Records) -> Self {
        let signed_in = history.events.iter().filter_map(|event| match &event.reply {
            Reply::SignedIn(signed_in) => Some((signed_in.user.id, signed_in.user.email.as_str())),
            _ => None,
        });
        let emails: BTreeMap<_, _> = signed_in.collect();
        let is_gone = |user: &&UserId| !records.users.contains_key(&user.uuid());
        Self {
            history,
            deleted: emails.keys().filter(is_gone).copied().collect(),
            emails,
            sessions: records.sessions.keys().copied().collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.deleted.is_empty()
    }

    pub(super) fn check(&self, stored: &Stored, problems: &mut Problems) {
        for user in &self.deleted {
            problems.unless(self.may_be_deleted(*user), || {
                format!("user {user} is missing, and no deletion was due")
            });
            self.nothing_succeeds_later(*user, problems);
            no_trace(*user, &self.needles(*user), stored, problems);
        }
        self.successors_keep_their_sessions(problems);
    }

    /// Whether a deletion was scheduled, not cancelled, and due at a sweep.
    fn may_be_deleted(&self, user: UserId) -> bool {
        let is_own = |event: &&Event| event.call.authority().is_some_and(|caller| caller.user() == user);
        let own: Vec<_> = self.history.events.iter().filter(is_own).collect();
        let cancelled = own
            .iter()
            .filter(|event| matches!(event.call, Call::CancelDeletion { .. }) && event.reply.is_success())
            .map(|event| event.called)
            .max()
            .unwrap_or(0);
        let mut scheduled = own.iter().filter(|event| {
            matches!(event.call, Call::ScheduleDeletion { .. })
                && event.may_have_executed()
                && event.executed_by() > cancelled
        });
        let delay = self.history.limits.deletion_delay;
        scheduled.any(|event| {
            let mut sweeps = self.history.events.iter();
            sweeps.any(|sweep| {
                matches!(sweep.call, Call::Sweep)
                    && sweep.replied > event.called
                    && (sweep.replied == END || sweep.replied_at().minus(SWEPT_AFTER) >= event.at.plus(delay))
            })
        })
    }

    /// What nothing in the store contains, once the data of this user is gone: the ids, and the digest of the email
    /// unless a request may have counted an attempt at the email since.
    fn needles(&self, user: UserId) -> Vec<Vec<u8>> {
        let tenant = TenantId::own(user);
        let mut needles = vec![
            user.as_bytes().to_vec(),
            user.to_string().into_bytes(),
            tenant.as_bytes().to_vec(),
            tenant.to_string().into_bytes(),
        ];
        let events = self.history.events.iter();
        let is_schedule = |event: &&Event| {
            let is_own = event.call.authority().is_some_and(|caller| caller.user() == user);
            is_own && matches!(event.call, Call::ScheduleDeletion { .. })
        };
        let scheduled = events.clone().filter(is_schedule).map(|event| event.called).min();
        let sweeps = events.clone().filter(|event| matches!(event.call, Call::Sweep));
        let swept = sweeps
            .map(|sweep| sweep.called)
            .filter(|called| scheduled.is_some_and(|scheduled| scheduled < *called))
            .min()
            .unwrap_or(0);
        let email = self.emails[&user];
        let is_attempted_later = events.clone().any(|event| match &event.call {
            Call::Register { email: of, .. } | Call::LogIn { email: of, .. } => of == email && event.replied > swept,
            _ => false,
        });
        if !is_attempted_later {
            needles.push(Sha256::digest(email).to_vec());
        }
        needles
    }

    /// Once another account has the email, no request of the deleted account succeeds.
    fn nothing_succeeds_later(&self, user: UserId, problems: &mut Problems) {
        let email = self.emails[&user];
        let successors = self.history.events.iter().filter(|event| match &event.reply {
            Reply::SignedIn(signed_in) => signed_in.user.id > user && signed_in.user.email.as_str() == email,
            _ => false,
        });
        let Some(gone_by) = successors.map(|event| event.replied).min() else {
            return;
        };
        for event in &self.history.events {
            let is_own = match (&event.call, &event.reply) {
                (Call::Refresh { token, .. }, _) => token.user() == user,
                (Call::LogOut { .. }, _) => false,
                (_, Reply::SignedIn(signed_in)) => signed_in.user.id == user,
                (call, _) => call.authority().is_some_and(|caller| caller.user() == user),
            };
            problems.unless(!(is_own && event.reply.is_success() && event.called > gone_by), || {
                format!("#{} succeeded for user {user}, whose account was deleted", event.number)
            });
        }
    }

    /// What a later account of the same email has stored is there, unless it has deleted it.
    fn successors_keep_their_sessions(&self, problems: &mut Problems) {
        for event in &self.history.events {
            let (Call::Create { caller, .. }, Reply::Session(session)) = (&event.call, &event.reply) else {
                continue;
            };
            let mut events = self.history.events.iter();
            let may_be_deleted = self.deleted.contains(&caller.user())
                || events.any(|other| {
                    matches!(&other.call, Call::Delete { id, .. } if *id == session.id) && other.may_have_executed()
                });
            problems.unless(may_be_deleted || self.sessions.contains(&session.id.uuid()), || {
                format!("session {} is missing, and its account was not deleted", session.id)
            });
        }
    }

    /// Removes the accounts of all emails that belonged to a deleted account from the records, and returns the history
    /// without their events.
    pub(super) fn without(&self, records: &mut Records) -> History {
        let emails: BTreeSet<&str> = self.deleted.iter().map(|user| self.emails[user]).collect();
        let named = self.emails.iter().filter(|(_, email)| emails.contains(*email));
        let stored = records
            .users
            .values()
            .filter(|user| emails.contains(user.email.as_str()));
        let users: BTreeSet<UserId> = named.map(|(user, _)| *user).chain(stored.map(|user| user.id)).collect();
        records.remove(&users);
        let is_of_others = |event: &&Event| match &event.call {
            Call::Register { email, .. } | Call::LogIn { email, .. } => !emails.contains(email.as_str()),
            Call::Refresh { token, .. } => !users.contains(&token.user()),
            Call::LogOut { caller } => !users.contains(&caller.user()),
            call if call.operators_target().is_some_and(|email| emails.contains(email)) => false,
            call => call.authority().is_none_or(|caller| !users.contains(&caller.user())),
        };
        let is_to_others = |mail: &Mail| !emails.contains(mail.to.as_str());
        records.outbox.retain(is_to_others);
        records.dead_letters.retain(is_to_others);
        let sendings = self.history.sendings.iter();
        History {
            limits: self.history.limits,
            events: self.history.events.iter().filter(is_of_others).cloned().collect(),
            sendings: sendings
                .filter(|sending| is_to_others(&sending.mail))
                .cloned()
                .collect(),
        }
    }
}

/// No entry names the user or their own tenant, except the record for operators and its entry in the expiry index.
fn no_trace(user: UserId, needles: &[Vec<u8>], stored: &Stored, problems: &mut Problems) {
    let done = domain::deletion::keys::done(user);
    let removal = domain::deletion::keys::removal(user);
    if stored.entries.iter().any(|entry| entry.key == removal) {
        // The next sweep continues.
        return;
    }
    let contains = |bytes: &[u8], needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    for Entry { key, value } in &stored.entries {
        if *key == done || expiring_key(key).is_some_and(|key| key == done) {
            continue;
        }
        let is_trace = |needle: &Vec<u8>| contains(key.as_bytes(), needle) || contains(value, needle);
        problems.unless(!needles.iter().any(is_trace), || {
            format!("{key:?} is of user {user}, who was deleted")
        });
    }
}

/// The key that an entry of the expiry index is about.
fn expiring_key(entry: &Key) -> Option<Key> {
    let elements: Vec<Element<'_>> = entry.unpack().ok()?;
    match &elements[..] {
        [Element::String(space), _, _, Element::Bytes(key)] if space == "expiry" => Some(Key::from_bytes(key.to_vec())),
        _ => None,
    }
}
