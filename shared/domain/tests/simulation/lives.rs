//! How logins live: nobody who uses their tokens as they should is logged out, and what has ended stays so.

use std::collections::BTreeMap;

use domain::logins::{GRACE, Login};
use domain::{Caller, LoginId, Timestamp};

use crate::audit::Records;
use crate::history::{Call, END, Event, History, Reply, Tick};
use crate::log::Log;
use crate::rules::Problems;

/// How long a lifetime has to be over before a sweep removes what had it.
pub(crate) const SWEPT_AFTER: std::time::Duration = std::time::Duration::from_secs(60);

/// How many replaced tokens a login knows.
const REMEMBERED: usize = 16;

/// The caller of an operation that a login has to be alive for.
pub(crate) fn authority(call: &Call) -> Option<&Caller> {
    match call {
        Call::Create { caller, .. }
        | Call::Get { caller, .. }
        | Call::List { caller }
        | Call::Change { caller, .. }
        | Call::Delete { caller, .. }
        | Call::ListLogins { caller }
        | Call::EndLogin { caller, .. }
        | Call::LogOutEverywhere { caller }
        | Call::ChangePassword { caller, .. }
        | Call::ReadAudit { caller, .. } => Some(caller),
        Call::Register { .. } | Call::LogIn { .. } | Call::Refresh { .. } | Call::LogOut { .. } | Call::Sweep => None,
    }
}

/// A login that somebody was told of.
struct Life<'h> {
    history: &'h History,
    log: &'h Log<'h>,
    /// What opened it.
    opened: &'h Event,
    /// What it was then.
    login: &'h Login,
}

impl Life<'_> {
    fn id(&self) -> LoginId {
        self.login.id
    }

    /// Whether this is an operation that ends it, and may have been carried out.
    fn may_be_ended_by(&self, event: &Event) -> bool {
        let own = |caller: &Caller| caller.user() == self.login.user;
        match &event.call {
            Call::LogOut { caller } => caller.login() == self.id() && event.may_be_done(),
            Call::EndLogin { caller, id } => *id == self.id() && own(caller) && event.may_be_done(),
            Call::LogOutEverywhere { caller } => own(caller) && event.may_be_done(),
            Call::ChangePassword { caller, .. } => own(caller) && caller.login() != self.id() && event.may_be_done(),
            Call::Refresh { token, .. } => token.login() == self.id() && self.log.reuse_was_detected(event),
            _ => false,
        }
    }

    fn ends(&self) -> impl Iterator<Item = &Event> {
        self.history.events.iter().filter(|event| self.may_be_ended_by(event))
    }

    /// By when it had ended at the latest, as far as this operation tells. What finds it over by the clock does not tell: to another clock
    /// it may not be over yet.
    fn ended_by(&self, event: &Event) -> Tick {
        let in_time = event.at < self.lasts_at_least(event.called);
        let tells = match &event.call {
            Call::LogOut { .. } => self.may_be_ended_by(event) && event.reply.is_success() && in_time,
            Call::EndLogin { .. } | Call::LogOutEverywhere { .. } | Call::ChangePassword { .. }
                if self.may_be_ended_by(event) && event.reply.is_success() =>
            {
                self.opened.replied < event.called
            }
            Call::Refresh { token, .. } => {
                token.login() == self.id() && matches!(event.reply, Reply::InvalidRefreshToken) && in_time
            }
            call => self.is_used_by(call) && matches!(event.reply, Reply::Revoked) && in_time,
        };
        if tells { event.replied } else { END }
    }

    fn is_used_by(&self, call: &Call) -> bool {
        authority(call).is_some_and(|caller| caller.login() == self.id())
    }

    /// Until when it lives at least, as everybody has to see it who comes after `tick`.
    fn lasts_at_least(&self, tick: Tick) -> Timestamp {
        let told = self.history.events.iter().filter_map(|event| match &event.reply {
            Reply::SignedIn(told) if told.login.id == self.id() && event.replied < tick => Some(told.login.expires_at),
            _ => None,
        });
        told.max().unwrap_or(self.login.expires_at)
    }

    /// Until when it may live, as it may be seen by somebody who is answered at `tick`.
    fn lasts_at_most(&self, tick: Tick) -> Timestamp {
        let limits = self.history.limits.login;
        let longest = self.login.created_at.plus(limits.absolute);
        let refreshed = self.history.events.iter().filter(|event| {
            matches!(&event.call, Call::Refresh { token, .. } if token.login() == self.id())
                && event.may_be_done()
                && event.called < tick
        });
        let ends = refreshed.map(|event| event.at.plus(limits.idle).min(longest));
        ends.fold(self.login.expires_at, Timestamp::max)
    }

    /// Whether something else than the operation itself can be why it found the login gone.
    fn may_be_gone_for(&self, event: &Event) -> bool {
        let mut ends = self.ends();
        ends.any(|end| end.called < event.replied && end.number != event.number)
            || event.at >= self.lasts_at_least(event.called)
    }
}

pub(crate) fn check(history: &History, records: &Records, log: &Log<'_>, problems: &mut Problems) {
    let mut lives: BTreeMap<LoginId, Life<'_>> = BTreeMap::new();
    for opened in &history.events {
        let (Call::Register { .. } | Call::LogIn { .. }, Reply::SignedIn(signed_in)) = (&opened.call, &opened.reply)
        else {
            continue;
        };
        let login = &signed_in.login;
        let life = Life {
            history,
            log,
            opened,
            login,
        };
        let twice = lives.insert(login.id, life);
        problems.unless(twice.is_none(), || {
            format!("#{} was given another's login", opened.number)
        });
    }
    for life in lives.values() {
        one_life(life, records, problems);
        tokens(life, problems);
    }
    for event in &history.events {
        lists(event, &lives, problems);
    }
    // Whoever was not told of their login may have one all the same.
    let strangers = records.logins.values().filter(|login| !lives.contains_key(&login.id));
    let untold = history.events.iter().filter(|event| {
        matches!(event.call, Call::Register { .. } | Call::LogIn { .. }) && matches!(event.reply, Reply::Undecided)
    });
    let (strangers, untold) = (strangers.count(), untold.count());
    problems.unless(strangers <= untold, || {
        format!("{strangers} logins are nobody's, and only {untold} were left open")
    });
}

fn one_life(life: &Life<'_>, records: &Records, problems: &mut Problems) {
    let (id, events) = (life.id(), &life.history.events);
    let ended_by = events.iter().map(|event| life.ended_by(event)).min().unwrap_or(END);
    let mut log_outs = 0;
    for event in events {
        let number = event.number;
        let uses = match &event.call {
            Call::Refresh { token, .. } => token.login() == id,
            call => life.is_used_by(call),
        };
        if uses {
            let served = event.reply.is_success()
                || matches!(
                    event.reply,
                    Reply::NotFound | Reply::InvalidCredentials | Reply::TooManyAttempts(_)
                );
            problems.unless(!served || event.called < ended_by, || {
                format!("#{number} was served, and login {id} had ended")
            });
            problems.unless(!served || event.at < life.lasts_at_most(event.replied), || {
                format!("#{number} was served, and login {id} was over")
            });
            let revoked = matches!(event.reply, Reply::Revoked);
            problems.unless(!revoked || life.may_be_gone_for(event), || {
                format!("#{number} was refused, and nobody had ended login {id}")
            });
        }
        if let Call::LogOut { caller } = &event.call {
            let is_its = caller.login() == id;
            let is_logged = life.log.actions(number).count() > 0;
            let says_so = is_its && event.reply.is_success();
            problems.unless(!says_so || is_logged || life.may_be_gone_for(event), || {
                format!("#{number} did not log out of {id}, and nobody else had ended it")
            });
            problems.unless(!is_its || !is_logged || event.called < ended_by, || {
                format!("#{number} has logged that it logged out of {id}, which had ended")
            });
            log_outs += usize::from(is_its && is_logged);
        }
        if let Call::EndLogin { caller, id: of } = &event.call
            && *of == id
        {
            let own = caller.user() == life.login.user;
            let found = event.reply.is_success();
            problems.unless(!found || own && event.called < ended_by, || {
                format!("#{number} ended login {id}, which was not there for it")
            });
            let missed = own && life.opened.replied < event.called && matches!(event.reply, Reply::NotFound);
            problems.unless(!missed || life.may_be_gone_for(event), || {
                format!("#{number} did not find login {id}, and nobody had ended it")
            });
        }
    }
    let ends = events
        .iter()
        .filter(|event| matches!(&event.call, Call::EndLogin { id: of, .. } if *of == id) && event.reply.is_success());
    problems.unless(ends.count() + log_outs <= 1, || format!("login {id} was ended twice"));

    let stored = records.logins.contains_key(&id.uuid());
    problems.unless(!stored || ended_by == END, || {
        format!("login {id} had ended and is stored")
    });
    let swept = events
        .iter()
        .any(|event| matches!(event.call, Call::Sweep) && event.at.minus(SWEPT_AFTER) >= life.lasts_at_least(END));
    problems.unless(stored || swept || life.ends().next().is_some(), || {
        format!("login {id} is gone, and nobody had ended it")
    });
}

/// Each token has one successor, which everybody is answered who has the token and comes in time; nobody else ends the login.
fn tokens(life: &Life<'_>, problems: &mut Problems) {
    let mut presented: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
    let mut rotations = 0;
    for event in &life.history.events {
        if let Call::Refresh { token, .. } = &event.call
            && token.login() == life.id()
        {
            presented.entry(token.reveal()).or_default().push(event);
            rotations += usize::from(life.log.has_rotated(event));
        }
    }
    for events in presented.values() {
        let rotators: Vec<&Event> = events
            .iter()
            .copied()
            .filter(|event| life.log.has_rotated(event))
            .collect();
        let numbers = || rotators.iter().map(|event| event.number).collect::<Vec<_>>();
        problems.unless(rotators.len() <= 1, || {
            format!("one token was replaced by {:?}", numbers())
        });
        let rotator = rotators.first().copied();
        // A replaced token is answered its successor within the grace, by the clocks of those who replace it and who ask.
        let in_grace = |event: &Event| rotator.is_none_or(|rotator| event.at <= rotator.at.plus(GRACE));
        let mut successor: Option<String> = None;
        for event in events {
            let number = event.number;
            match &event.reply {
                Reply::SignedIn(signed_in) => {
                    let its = signed_in.refresh_token.reveal();
                    problems.unless(successor.get_or_insert_with(|| its.clone()) == &its, || {
                        format!("#{number} was answered another successor than others")
                    });
                    let replaced = rotator.is_some_and(|rotator| rotator.called < event.replied);
                    problems.unless(replaced && in_grace(event), || {
                        format!("#{number} was served for a token that {:?} had replaced", numbers())
                    });
                }
                Reply::InvalidRefreshToken => {
                    let late = rotator.is_some_and(|rotator| rotator.called < event.replied) && !in_grace(event);
                    let forgotten = rotations > REMEMBERED;
                    problems.unless(late || forgotten || life.may_be_gone_for(event), || {
                        format!("#{number} was logged out of {} by a race", life.id())
                    });
                }
                _ => {}
            }
            problems.unless(
                !life.log.reuse_was_detected(event) || !in_grace(event) || rotations > REMEMBERED,
                || format!("#{number} was taken for a thief"),
            );
        }
    }
}

/// A list of logins has those that are alive, and no others.
fn lists(event: &Event, lives: &BTreeMap<LoginId, Life<'_>>, problems: &mut Problems) {
    let (Call::ListLogins { caller }, Reply::Logins(logins)) = (&event.call, &event.reply) else {
        return;
    };
    let number = event.number;
    problems.unless(logins.iter().all(|login| login.user == caller.user()), || {
        format!("#{number} was shown somebody else's logins")
    });
    for life in lives.values().filter(|life| life.login.user == caller.user()) {
        let id = life.id();
        if logins.iter().any(|login| login.id == id) {
            let events = life.history.events.iter();
            let ended_by = events.map(|event| life.ended_by(event)).min().unwrap_or(END);
            let may_be_seen = event.called < ended_by
                && event.at < life.lasts_at_most(event.replied)
                && life.opened.called < event.replied;
            problems.unless(may_be_seen, || {
                format!("#{number} was shown login {id}, which had ended")
            });
        } else {
            let may_be_missed = life.opened.replied > event.called || life.may_be_gone_for(event);
            problems.unless(may_be_missed, || {
                format!("#{number} was not shown login {id}, which nobody had ended")
            });
        }
    }
}
