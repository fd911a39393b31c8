//! Attempt limits: no attempt waits without a reason, and no more passwords are verified than the limits allow.

use domain::throttle::{Rule, Rules};

use super::attempt::Attempt;
use super::problems::Problems;
use crate::history::{Call, END, Event, History, Reply};
use crate::scenario::LONGER_THAN_A_RUN;

pub(super) fn check(history: &History, attempts: &[Attempt<'_>], problems: &mut Problems) {
    let Some(rules) = &history.limits.throttle else {
        let mut events = history.events.iter();
        let is_throttled = events.any(|event| matches!(event.reply, Reply::TooManyAttempts(_)));
        problems.unless(!is_throttled, || {
            "an attempt was throttled, although throttling is off".into()
        });
        return;
    };
    for attempt in attempts {
        rejection_is_due(history, attempts, attempt, rules, problems);
    }
    // Under the default rules, a run is too short to reach the limits, and forgets some attempts.
    if rules.pair.regain.as_secs() < LONGER_THAN_A_RUN {
        return;
    }
    for attempt in attempts {
        limits_hold(history, attempts, attempt, rules, problems);
    }
}

/// A throttled attempt follows enough earlier ones, and its password is not verified.
fn rejection_is_due(
    history: &History,
    attempts: &[Attempt<'_>],
    attempt: &Attempt<'_>,
    rules: &Rules,
    problems: &mut Problems,
) {
    let event = attempt.event;
    let (number, Reply::TooManyAttempts(wait)) = (event.number, &event.reply) else {
        return;
    };
    let earlier = |counts: &dyn Fn(&Attempt<'_>) -> bool| {
        let earlier = attempts
            .iter()
            .filter(|other| counts(other) && other.event.called < event.replied && other.event.number != number);
        u32::try_from(earlier.count()).expect("a run is short")
    };
    let registers = |event: &Event| matches!(event.call, Call::Register { .. });
    let registrations = history.events.iter().filter(|other| {
        registers(other) && other.number != number && other.address == event.address && other.called < event.replied
    });
    let is_due = registers(event) && registrations.count() >= rules.registration.free as usize
        || earlier(&|other| other.has_same_pair(attempt)) >= rules.pair.free
        || earlier(&|other| other.has_same_device(attempt)) >= rules.pair.free
        || earlier(&|other| other.has_same_account(attempt)) >= rules.account.free.min(rules.known.free)
        || earlier(&|other| other.has_same_login(attempt)) >= rules.account.free
        || earlier(&|other| other.has_same_address(attempt)) >= rules.address.free;
    problems.unless(is_due && !wait.is_zero(), || {
        format!("#{number} was throttled after too few attempts")
    });
    problems.unless(event.verifications == 0, || {
        format!("#{number} was throttled, and its password was verified")
    });
}

/// From `attempt` on, each rule allows only so many verifications.
fn limits_hold(
    history: &History,
    attempts: &[Attempt<'_>],
    attempt: &Attempt<'_>,
    rules: &Rules,
    problems: &mut Problems,
) {
    // An address is known to an account once the account has registered or signed in from there. A valid device token
    // has its own limit.
    let is_from_unknown_address = |other: &Attempt<'_>| {
        let registered_there = history.events.iter().any(|event| {
            matches!(&event.call, Call::Register { email, .. } if *email == other.email)
                && event.address == other.event.address
                && event.called < other.event.replied
                && event.may_have_executed()
        });
        other.device().is_none()
            && !registered_there
            && !attempts.iter().any(|success| {
                success.may_succeed() && success.has_same_pair(other) && success.event.called < other.event.replied
            })
    };
    let pair = &|other: &Attempt<'_>| other.has_same_pair(attempt);
    let limit = AttemptLimit {
        name: "pair",
        counters: 1,
        rule: &rules.pair,
        resets: pair,
        counts: &|other| pair(other) && other.device().is_none(),
    };
    limit.check(attempts, attempt, problems);

    // From one address, an attempt with a device token is counted for the device or, if it was revoked, for the pair.
    let device = &|other: &Attempt<'_>| other.has_same_device(attempt) && other.has_same_pair(attempt);
    let limit = AttemptLimit {
        name: "device",
        counters: 2,
        rule: &rules.pair,
        resets: &|other| other.has_same_account(attempt),
        counts: device,
    };
    limit.check(attempts, attempt, problems);

    let account = &|other: &Attempt<'_>| other.has_same_account(attempt);
    let limit = AttemptLimit {
        name: "account",
        counters: 1,
        rule: &rules.account,
        resets: account,
        counts: &|other| account(other) && is_from_unknown_address(other),
    };
    limit.check(attempts, attempt, problems);

    // A success gives an address only its own attempt back, so it resets nothing and is not counted.
    let limit = AttemptLimit {
        name: "address",
        counters: 1,
        rule: &rules.address,
        resets: &|_| false,
        counts: &|other| other.has_same_address(attempt) && is_from_unknown_address(other) && !other.may_succeed(),
    };
    limit.check(attempts, attempt, problems);
}

struct AttemptLimit<'a> {
    name: &'a str,
    /// In how many counters the attempts may be.
    counters: u64,
    rule: &'a Rule,
    /// The attempts whose success resets the count.
    resets: &'a dyn Fn(&Attempt<'_>) -> bool,
    counts: &'a dyn Fn(&Attempt<'_>) -> bool,
}

impl AttemptLimit<'_> {
    /// From `first` on, until an attempt that resets the count may have succeeded, the rule limits the verifications.
    fn check(&self, attempts: &[Attempt<'_>], first: &Attempt<'_>, problems: &mut Problems) {
        let start = first.event.called;
        let resets = attempts
            .iter()
            .filter(|other| (self.resets)(other) && other.may_succeed());
        let resets = resets.filter(|other| other.event.executed_by() > start);
        let end = resets.map(|other| other.event.called).min().unwrap_or(END);
        let counted = attempts
            .iter()
            .filter(|other| (self.counts)(other) && other.event.called >= start && other.event.replied < end);
        let (mut verifications, mut until) = (0, first.event.millis.0);
        for other in counted {
            verifications += other.event.verifications.min(1);
            until = until.max(other.event.millis.1);
        }
        let most = self.counters * most(self.rule, until - first.event.millis.0);
        problems.unless(verifications <= most, || {
            format!(
                "from #{} on, {verifications} passwords were verified, and the rule for the {} allows {most}",
                first.event.number, self.name
            )
        });
    }
}

/// How many attempts a rule allows in this time if it forgets none. Clocks differ by up to a second, and an attempt
/// never sets an earlier time than the one that it found.
fn most(rule: &Rule, millis: u128) -> u64 {
    let seconds = (millis + 1000).div_ceil(1000);
    // After the free attempts, each waits one second longer than all before it together.
    let mut surplus = 0;
    while (1_u128 << (surplus + 1)) - 1 <= seconds {
        surplus += 1;
    }
    u64::from(rule.free) + surplus
}
