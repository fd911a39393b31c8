//! Passwords: which one is an account's when, and how many guesses at it are let through.

use std::collections::BTreeMap;

use domain::LoginId;
use domain::throttle::Rule;

use crate::audit::Records;
use crate::history::{Call, END, Event, History, Reply, Tick};
use crate::log::Log;
use crate::rules::Problems;
use crate::world::FOR_GOOD;

/// An attempt at the password of an account.
struct Attempt<'h> {
    event: &'h Event,
    email: &'h str,
    /// The call that has set the password that it is made with.
    password: Option<usize>,
}

impl Attempt<'_> {
    /// Whether its counts may have been taken back, and its address been made known to the account.
    fn may_succeed(&self) -> bool {
        self.event.may_be_done()
    }

    /// Whether its password is known not to have been. To who registers again it is one reason of two to be told of another registration.
    fn was_wrong(&self) -> bool {
        match self.event.reply {
            Reply::InvalidCredentials => true,
            Reply::Mismatch => self.event.compared > 0,
            _ => false,
        }
    }

    /// The login that it is made with, which it is counted by alone, from wherever it is used.
    fn login(&self) -> Option<LoginId> {
        match &self.event.call {
            Call::ChangePassword { caller, .. } => Some(caller.login()),
            _ => None,
        }
    }

    /// Whether both are made with one login, or by strangers at one address for one email.
    fn is_of_pair(&self, other: &Self) -> bool {
        match (self.login(), other.login()) {
            (None, None) => self.email == other.email && self.event.address == other.event.address,
            (login, its) => login == its,
        }
    }

    /// Whether both are made by strangers for one email.
    fn is_of_account(&self, other: &Self) -> bool {
        self.email == other.email && self.login().is_none() && other.login().is_none()
    }

    /// Whether both are made by strangers at one address.
    fn is_of_address(&self, other: &Self) -> bool {
        self.event.address == other.event.address && self.login().is_none() && other.login().is_none()
    }
}

pub(crate) fn check(history: &History, records: &Records, log: &Log<'_>, problems: &mut Problems) {
    let emails: BTreeMap<_, _> = records
        .users
        .values()
        .map(|user| (user.id, user.email.as_str()))
        .collect();
    let attempts: Vec<Attempt<'_>> = history
        .events
        .iter()
        .filter_map(|event| {
            let (email, password) = match &event.call {
                Call::LogIn { email, password } => (email.as_str(), *password),
                Call::ChangePassword { caller, current } => (*emails.get(&caller.user())?, *current),
                // Who registers again is let in by the password.
                Call::Register {
                    email,
                    key: Some(_),
                    password,
                    ..
                } if !log.has_registered(event) && !matches!(event.reply, Reply::EmailTaken) => {
                    (email.as_str(), Some(*password))
                }
                _ => return None,
            };
            Some(Attempt { event, email, password })
        })
        .collect();
    for user in records.users.values() {
        let mut setters: Vec<&Event> = history
            .events
            .iter()
            .filter(|event| matches!(&event.call, Call::ChangePassword { caller, .. } if caller.user() == user.id))
            .filter(|event| event.may_be_done())
            .collect();
        setters.extend(log.registrations(user.id));
        let own = attempts.iter().filter(|attempt| attempt.email == user.email.as_str());
        passwords(&own.collect::<Vec<_>>(), &setters, problems);
    }
    for attempt in &attempts {
        // A password whose hash was replaced meanwhile is verified again, and that is the same attempt.
        let replaced = attempts.iter().filter(|other| {
            other.email == attempt.email
                && other.event.number != attempt.event.number
                && other.may_succeed()
                && other.event.called < attempt.event.replied
                && other.event.done_by() > attempt.event.called
        });
        let most = 1 + replaced.count() as u64;
        problems.unless(attempt.event.compared <= most, || {
            format!(
                "#{} has verified a password more than {most} times",
                attempt.event.number
            )
        });
    }
    throttled(history, &attempts, problems);
}

/// The password of one account: a register that `setters` write and `attempts` compare.
fn passwords(attempts: &[&Attempt<'_>], setters: &[&Event], problems: &mut Problems) {
    let sets = |setter: &Event| match &setter.call {
        Call::Register { password, .. } => *password,
        _ => setter.number,
    };
    let set_by = |setter: &Event| {
        let seen = attempts.iter().filter(|attempt| attempt.password == Some(sets(setter)));
        let seen = seen.map(|attempt| attempt.event.done_by());
        seen.min().unwrap_or(END).min(setter.done_by())
    };
    let times: BTreeMap<usize, (Tick, Tick)> = setters
        .iter()
        .map(|setter| (sets(setter), (setter.called, set_by(setter))))
        .collect();
    for attempt in attempts {
        let (number, event) = (attempt.event.number, attempt.event);
        let set = attempt
            .password
            .and_then(|password| Some((password, *times.get(&password)?)));
        let others = || times.iter().filter(|(other, _)| Some(**other) != attempt.password);
        if event.reply.is_success() {
            let Some((_, (called, set_by))) = set else {
                problems.add(format!("#{number} got in with a password that is not the account's"));
                continue;
            };
            let replaced =
                others().any(|(_, (other_called, other_by))| set_by < *other_called && *other_by < event.called);
            problems.unless(called < event.replied && !replaced, || {
                format!("#{number} got in with a password that was not the account's then")
            });
        } else if attempt.was_wrong()
            && let Some((_, (called, set_by))) = set
        {
            let may_be_another =
                others().any(|(_, (other_called, other_by))| *other_called < event.replied && *other_by >= called);
            problems.unless(set_by > event.called || may_be_another, || {
                format!("#{number} was refused the right password")
            });
        }
    }
}

/// How many attempts a rule lets through in so many milliseconds, if nothing is forgotten in that time. Clocks differ by up to a second, and
/// what an attempt has left is never earlier than what it found.
fn most(rule: &Rule, millis: u128) -> u64 {
    let seconds = (millis + 1000).div_ceil(1000);
    // After the free ones each waits as long as all before it together, and a second.
    let mut surplus = 0;
    while (1_u128 << (surplus + 1)) - 1 <= seconds {
        surplus += 1;
    }
    u64::from(rule.free) + surplus
}

fn throttled(history: &History, attempts: &[Attempt<'_>], problems: &mut Problems) {
    let Some(rules) = &history.limits.throttle else {
        let refused = history
            .events
            .iter()
            .filter(|event| matches!(event.reply, Reply::TooManyAttempts(_)));
        problems.unless(refused.count() == 0, || {
            "somebody had to wait, and nothing is throttled".into()
        });
        return;
    };
    for attempt in attempts {
        let Reply::TooManyAttempts(wait) = attempt.event.reply else {
            continue;
        };
        let number = attempt.event.number;
        let before = |counts: &dyn Fn(&Attempt<'_>) -> bool| {
            let before = attempts
                .iter()
                .filter(|other| counts(other) && other.event.called < attempt.event.replied);
            let counted = before.filter(|other| other.event.number != number);
            u32::try_from(counted.count()).expect("a run is short")
        };
        let registers = |event: &Event| matches!(event.call, Call::Register { .. });
        let registrations = history.events.iter().filter(|other| {
            registers(other)
                && other.number != number
                && other.address == attempt.event.address
                && other.called < attempt.event.replied
        });
        let due = registers(attempt.event) && registrations.count() >= rules.registration.free as usize
            || before(&|other| other.is_of_pair(attempt)) >= rules.pair.free
            || before(&|other| other.is_of_account(attempt)) >= rules.account.free
            || before(&|other| other.is_of_address(attempt)) >= rules.address.free;
        problems.unless(due && !wait.is_zero(), || {
            format!("#{number} had to wait, and there had not been many attempts before it")
        });
        problems.unless(attempt.event.compared == 0, || {
            format!("#{number} had to wait, and its password was verified")
        });
    }
    // Under the usual rules a run is too short to come to their limits, and some of it is forgotten within.
    if rules.pair.regain.as_secs() < FOR_GOOD {
        return;
    }
    for attempt in attempts {
        let from_unknown = |other: &Attempt<'_>| {
            let registered_there = history.events.iter().any(|event| {
                matches!(&event.call, Call::Register { email, .. } if *email == other.email)
                    && event.address == other.event.address
                    && event.called < other.event.replied
                    && event.may_be_done()
            });
            !registered_there
                && !attempts.iter().any(|success| {
                    success.may_succeed() && success.is_of_pair(other) && success.event.called < other.event.replied
                })
        };
        let pair = &|other: &Attempt<'_>| other.is_of_pair(attempt);
        until_success(attempts, attempt, ("pair", &rules.pair), pair, pair, problems);
        let account = &|other: &Attempt<'_>| other.is_of_account(attempt);
        let counted = &|other: &Attempt<'_>| other.is_of_account(attempt) && from_unknown(other);
        until_success(
            attempts,
            attempt,
            ("account", &rules.account),
            account,
            counted,
            problems,
        );
        // An address gets nothing back for a success but the success's own attempt.
        let counted =
            &|other: &Attempt<'_>| other.is_of_address(attempt) && from_unknown(other) && !other.may_succeed();
        until_success(
            attempts,
            attempt,
            ("address", &rules.address),
            &|_| false,
            counted,
            problems,
        );
    }
}

/// From `first` on, until one of those that `resets` names may have succeeded, no more passwords were verified than the rule lets through.
fn until_success(
    attempts: &[Attempt<'_>],
    first: &Attempt<'_>,
    (name, rule): (&str, &Rule),
    resets: &dyn Fn(&Attempt<'_>) -> bool,
    counted: &dyn Fn(&Attempt<'_>) -> bool,
    problems: &mut Problems,
) {
    let start = first.event.called;
    let resets = attempts.iter().filter(|other| resets(other) && other.may_succeed());
    let open = resets.filter(|other| other.event.done_by() > start);
    let end = open.map(|other| other.event.called).min().unwrap_or(END);
    let within = attempts
        .iter()
        .filter(|other| counted(other) && other.event.called >= start && other.event.replied < end);
    let (mut compared, mut until) = (0, first.event.millis.0);
    for other in within {
        compared += other.event.compared.min(1);
        until = until.max(other.event.millis.1);
    }
    let most = most(rule, until - first.event.millis.0);
    problems.unless(compared <= most, || {
        format!(
            "from #{} on {compared} passwords were verified, and the rule for the {name} lets {most} through",
            first.event.number
        )
    });
}
