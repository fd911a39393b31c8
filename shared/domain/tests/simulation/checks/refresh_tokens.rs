//! Refresh tokens: a model of each login's token family, in the order of the audit log. It predicts the effect of every
//! request.

use std::collections::BTreeSet;

use domain::Timestamp;
use domain::audit::Action;
use domain::logins::{GRACE, MAX_REPLAYS};

use super::known_login::KnownLogin;
use super::problems::Problems;
use crate::history::{Call, Event, Reply};

/// How many generations a login remembers within their grace period.
const REMEMBERED: usize = 16;

/// The tokens that were issued between two rotations. A token whose reply was lost has no text.
#[derive(Default)]
struct Generation {
    tokens: Vec<Option<String>>,
    superseded: Option<Superseded>,
}

struct Superseded {
    first: String,
    at: Timestamp,
    accepted: usize,
    divided: bool,
}

pub(super) fn check(login: &KnownLogin<'_>, problems: &mut Problems) {
    let trail = login.run.trail;
    for event in login.events() {
        let is_rejected = matches!(event.reply, Reply::InvalidRefreshToken)
            && matches!(&event.call, Call::Refresh { token, .. } if token.login() == login.id());
        let is_logged = trail.has_replayed(event) || trail.has_detected_reuse(event);
        problems.unless(!is_rejected || is_logged || login.may_be_missing_for(event), || {
            format!("#{} lost login {} through a race", event.number, login.id())
        });
    }
    let mut family = Family::of(login.first_token.reveal());
    let mut received = BTreeSet::new();
    for (event, action) in logged(login) {
        let (number, Call::Refresh { token, .. }) = (event.number, &event.call) else {
            continue;
        };
        if family.generations.len() > REMEMBERED {
            // The login may have forgotten a generation within its grace period.
            return;
        }
        let Some((expected, is_accepted)) = family.send(&token.reveal(), event.at) else {
            problems.add(format!("#{number} sent a token that login {} never issued", login.id()));
            return;
        };
        problems.unless(expected == *action, || {
            format!("#{number} logged {action:?}, and {expected:?} was due")
        });
        let successor = match &event.reply {
            Reply::SignedIn(signed_in) => Some(signed_in.refresh_token.reveal()),
            _ => None,
        };
        let is_new = successor.as_ref().is_none_or(|token| received.insert(token.clone()));
        problems.unless(is_new, || {
            format!("#{number} received a token that another request had received")
        });
        let fits = match event.reply {
            Reply::SignedIn(_) => is_accepted,
            Reply::InvalidRefreshToken => !is_accepted,
            _ => true,
        };
        problems.unless(fits, || {
            format!("#{number} got {:?}, and {is_accepted} was due", event.reply)
        });
        if is_accepted {
            family.newest().tokens.push(successor);
        }
    }
}

/// The refreshes of this login that the audit log contains, in its order.
fn logged<'h>(login: &KnownLogin<'h>) -> Vec<(&'h Event, &'h Action)> {
    let entries = login.run.trail.tenants.values().flatten();
    let own =
        entries.filter(|(event, entry)| entry.login == Some(login.id()) && matches!(event.call, Call::Refresh { .. }));
    own.map(|(event, entry)| (*event, &entry.action)).collect()
}

struct Family {
    generations: Vec<Generation>,
    divisions: usize,
}

impl Family {
    fn of(first: String) -> Self {
        let first = Generation {
            tokens: vec![Some(first)],
            superseded: None,
        };
        Self {
            generations: vec![first],
            divisions: 0,
        }
    }

    fn newest(&mut self) -> &mut Generation {
        self.generations.last_mut().expect("there always is one")
    }

    /// What the login does with a token that a client sends, and whether the client receives another. `None` for a
    /// token that the login never issued.
    fn send(&mut self, token: &str, now: Timestamp) -> Option<(Action, bool)> {
        let is_in_grace = |at: Timestamp| now <= at.plus(GRACE);
        let has_token = |generation: &Generation| generation.tokens.iter().flatten().any(|issued| issued == token);
        let index = self.generations.iter().position(has_token)?;
        if index == self.generations.len() - 1 {
            if self
                .last_round()
                .all(|superseded| !is_in_grace(superseded.at) && !superseded.divided)
            {
                self.divisions = 0;
            }
            self.newest().superseded = Some(Superseded {
                first: token.to_owned(),
                at: now,
                accepted: 0,
                divided: false,
            });
            self.generations.push(Generation::default());
            return Some((Action::Refreshed, true));
        }
        let has_room = self.newest().tokens.len() <= usize::from(MAX_REPLAYS);
        let superseded = self.generations[index].superseded.as_mut()?;
        if !is_in_grace(superseded.at) {
            return Some((Action::ReuseDetected, false));
        }
        let is_accepted = has_room && superseded.accepted < usize::from(MAX_REPLAYS);
        if superseded.first != token && !superseded.divided {
            superseded.divided = true;
            self.divisions += 1;
            if self.divisions == 2 || !is_accepted {
                return Some((Action::ReuseDetected, false));
            }
        }
        superseded.accepted += usize::from(is_accepted);
        Some((Action::RefreshReplayed, is_accepted))
    }

    /// The generations whose grace period lasted until the last rotation. Divisions are forgotten once all of them are
    /// over and none was divided.
    fn last_round(&self) -> impl Iterator<Item = &Superseded> {
        let superseded = self
            .generations
            .iter()
            .filter_map(|generation| generation.superseded.as_ref());
        let last = superseded.clone().next_back().map(|superseded| superseded.at);
        superseded.filter(move |superseded| last.is_some_and(|last| last <= superseded.at.plus(GRACE)))
    }
}
