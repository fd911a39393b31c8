//! A counter of attempts: how long the next one must wait, and which wrong attempts the audit log has not reported yet.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::record::{NewerMembers, Record, keeps_newer_members};
use crate::throttle::rules::Rule;
use crate::time::Timestamp;

/// The minimum time between two audit events about wrong attempts at one account, unless twice as many as in the last
/// event have gathered. One event reports all attempts since the last.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// How long attempts that no event has reported are kept for the next event.
const UNREPORTED_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// A counter of attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Counter {
    /// The number of attempts, less those forgotten by `since`.
    pub(super) count: u32,
    /// The start of the interval after which the next attempt is forgotten.
    since: Timestamp,
    /// When the last attempt was made.
    pub(super) last: Timestamp,
    /// When the record may be removed, because it equals an absent one.
    pub(super) expires_at: Timestamp,
    /// Pair and device counters: until when the account trusts the client. The account's counter: clients that are
    /// trusted until an earlier time are forgotten.
    #[serde(rename = "knownUntil")]
    pub(super) trusted_until: Option<Timestamp>,
    /// Account and login counters only: the wrong attempts that no audit event has reported yet.
    unreported: u32,
    /// When an audit event last reported attempts.
    reported_at: Option<Timestamp>,
    /// How many attempts it reported.
    reported: u32,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    newer: NewerMembers,
}

impl Record for Counter {
    const KIND: &'static str = "throttle";

    keeps_newer_members!();
}

impl Counter {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            count: 0,
            since: now,
            last: now,
            expires_at: now,
            trusted_until: None,
            unreported: 0,
            reported_at: None,
            reported: 0,
            newer: NewerMembers::default(),
        }
    }

    /// Whether the account of the counter `account` trusts the client of this one.
    pub(super) fn is_trusted(&self, account: &Self, now: Timestamp) -> bool {
        self.trusted_until
            .is_some_and(|until| now < until && account.trusted_until.is_none_or(|forgotten| forgotten <= until))
    }

    /// The counter without the attempts that are forgotten at `now`.
    fn at(&self, rule: &Rule, now: Timestamp) -> Self {
        let mut current = self.clone();
        if rule.regain.is_zero() {
            current.count = 0;
        }
        while current.count > 0 && current.since.plus(rule.regain) <= now {
            current.since = current.since.plus(rule.regain);
            current.count -= 1;
        }
        if current.count == 0 {
            current.since = now;
        }
        current
    }

    /// How long an attempt at `now` must wait; zero if it is free.
    pub(super) fn wait(&self, rule: &Rule, now: Timestamp) -> Duration {
        let current = self.at(rule, now);
        let Some(surplus) = current.count.checked_sub(rule.free) else {
            return Duration::ZERO;
        };
        let doubled = 1_u64.checked_shl(surplus).unwrap_or(u64::MAX);
        let wait = Duration::from_secs(doubled).min(rule.max_wait);
        // Clocks differ: a clock that is ahead must not extend the wait beyond the rule's.
        let since_last = self.last.plus(wait).since(now).min(wait);
        // If nothing is free, or `regain` is shorter than the wait, the attempt may be forgotten before that.
        since_last.min(current.since.plus(rule.regain * (surplus + 1)).since(now))
    }

    /// Counts an attempt.
    pub(super) fn add(&mut self, rule: &Rule, now: Timestamp) {
        *self = self.at(rule, now);
        self.count = self.count.saturating_add(1);
        self.last = now.max(self.last);
    }

    /// Subtracts up to `count` attempts.
    pub(super) fn subtract(&mut self, rule: &Rule, count: u32, now: Timestamp) {
        *self = self.at(rule, now);
        self.count = self.count.saturating_sub(count);
    }

    /// Notes a wrong attempt. Returns the number of attempts for an audit event, if one is due.
    pub(super) fn report_one_more(&mut self, now: Timestamp) -> Option<u32> {
        self.unreported = self.unreported.saturating_add(1);
        let is_due = self.reported_at.is_none_or(|last| last.plus(REPORT_INTERVAL) <= now);
        if is_due || self.unreported >= self.reported.saturating_mul(2) {
            self.report_rest(now)
        } else {
            None
        }
    }

    /// Returns the number of unreported attempts for an audit event, if there are any.
    pub(super) fn report_rest(&mut self, now: Timestamp) -> Option<u32> {
        let unreported = std::mem::take(&mut self.unreported);
        (unreported > 0).then(|| {
            (self.reported, self.reported_at) = (unreported, Some(now));
            unreported
        })
    }

    /// Sets the expiry, rounded up to the hour, so that not every attempt has to update the expiry index.
    pub(super) fn set_expiry(&mut self, rule: &Rule) {
        const HOUR: i64 = 3_600_000;
        let kept = if self.unreported > 0 {
            UNREPORTED_LIFETIME
        } else {
            REPORT_INTERVAL
        };
        let forgotten = self.since.plus(rule.regain * self.count).max(self.last.plus(kept));
        let end = self.trusted_until.map_or(forgotten, |until| until.max(forgotten));
        self.expires_at = Timestamp::from_millis((end.as_millis().div_euclid(HOUR) + 1).saturating_mul(HOUR));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: Rule = Rule {
        free: 3,
        regain: Duration::from_secs(100),
        max_wait: Duration::from_secs(10),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn waits(counter: &Counter, now: i64) -> u64 {
        counter.wait(&RULE, at(now)).as_secs()
    }

    #[test]
    fn attempts_are_free_and_then_each_doubles_the_wait() {
        let mut counter = Counter::new(at(0));
        let mut waited = Vec::new();
        for _ in 0..9 {
            waited.push(waits(&counter, 0));
            counter.add(&RULE, at(0));
        }
        assert_eq!(waited, [0, 0, 0, 1, 2, 4, 8, 10, 10]);
        assert_eq!((waits(&counter, 9), waits(&counter, 10)), (1, 0));
    }

    #[test]
    fn counted_attempts_are_forgotten_one_by_one() {
        let mut counter = Counter::new(at(0));
        for _ in 0..5 {
            counter.add(&RULE, at(0));
        }
        assert_eq!(counter.at(&RULE, at(99)).count, 5);
        assert_eq!(counter.at(&RULE, at(100)).count, 4);
        counter.add(&RULE, at(150));
        assert_eq!(
            counter.at(&RULE, at(199)).count,
            5,
            "half of the second interval has passed"
        );
        assert_eq!(counter.at(&RULE, at(200)).count, 4);
        assert_eq!(counter.at(&RULE, at(100_000)).count, 0);
    }

    #[test]
    fn subtracting_stops_at_zero() {
        let mut counter = Counter::new(at(0));
        counter.add(&RULE, at(0));
        counter.subtract(&RULE, 5, at(0));
        assert_eq!(counter.count, 0);
    }

    #[test]
    fn wrong_attempts_are_reported_at_once_then_summed_up_and_earlier_in_a_burst() {
        let mut counter = Counter::new(at(0));
        let reports: Vec<_> = (0..20).filter_map(|_| counter.report_one_more(at(0))).collect();
        assert_eq!(reports, [1, 2, 4, 8]);
        assert_eq!(counter.report_one_more(at(60)), Some(6));
        assert_eq!(counter.report_one_more(at(61)), None);
        assert_eq!(counter.report_rest(at(61)), Some(1));
        assert_eq!(counter.report_rest(at(61)), None);
    }

    proptest! {
        #[test]
        fn a_wait_never_exceeds_the_rules_maximum_and_always_ends(
            free in 0u32..10, regain in 0u64..1000, max_wait in 0u64..1000, attempts in 0usize..60, pause in 0i64..100,
        ) {
            let rule = Rule { free, regain: Duration::from_secs(regain), max_wait: Duration::from_secs(max_wait) };
            let mut counter = Counter::new(at(0));
            let mut now = 0;
            for _ in 0..attempts {
                counter.add(&rule, at(now));
                now += pause;
            }
            let wait = counter.wait(&rule, at(now));
            prop_assert!(wait <= rule.max_wait);
            prop_assert_eq!(counter.wait(&rule, at(now).plus(wait)), Duration::ZERO);
        }

        #[test]
        fn an_expired_counter_counts_nothing(attempts in 1usize..60, pause in 0i64..100) {
            let mut counter = Counter::new(at(0));
            for attempt in 0..attempts {
                counter.add(&RULE, at(i64::try_from(attempt).unwrap() * pause));
            }
            counter.set_expiry(&RULE);
            prop_assert_eq!(counter.at(&RULE, counter.expires_at).count, 0);
        }
    }
}
