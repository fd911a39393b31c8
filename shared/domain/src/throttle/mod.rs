//! Throttling of guesses at passwords, and of registrations: counted in the store, so that all processes count together.
//!
//! **Before the work.** An attempt is [reserved](AttemptCounters::reserve) as if it had failed, in the transaction that reads the account and before
//! anything is hashed; attempts that run at once can not slip through together. Success [gives back](AttemptCounters::succeed) what was
//! reserved, failure [keeps](AttemptCounters::fail) it.
//!
//! **Three counts.** Of an account from an address (the pair), of an account from anywhere, and of an address for any account. After a number of free
//! attempts each one more doubles the wait, up to a limit; what was counted is forgotten one by one as time passes. Whoever is signed in and
//! says their password again is counted by their login instead.
//!
//! **Nobody locks out somebody else.** An address from which the account was signed in to is known to it. From a known address only the pair's
//! count is held against an attempt, with waits of a minute at most: what others did to the account, or from the same network, does not
//! matter there. Success empties the pair's count and takes what the pair had added from the account's, but from the address's only its
//! own attempt: with an account of one's own one can not buy guesses at those of others. An address that nobody vouches for is never known.
//!
//! **What that costs.** From an address that several share, an attacker has the pair's attempts at each account that knows it, and when the
//! address's own count is used up, tells these accounts from others. Attempts that are still being hashed count as failed, so of more than the free
//! ones at once the rest has to wait, also with the right password.
//!
//! Emails are kept as digests: most of those that are tried belong to nobody.

mod keys;
mod store;

use std::time::Duration;

use serde::{Deserialize, Serialize};
pub use store::{AttemptCounters, Registrations, Reserved};

use crate::record::Record;
use crate::time::Timestamp;

/// How long an address stays known to an account after the longest that a login from there can live: until somebody has to log in again, and longer.
pub const KNOWN_AFTER_LOGIN: Duration = Duration::from_hours(90 * 24);

/// The longest wait from an address that the account knows: somebody on the same network must not be able to do more than annoy.
const KNOWN_MAX_WAIT: Duration = Duration::from_secs(60);

/// The shortest time between two audit events that tell of refused logins of one account, unless there were twice as many as the last one
/// told of. What happens between is summed up.
const REPORTS: Duration = Duration::from_secs(60);

/// How long what no audit event has told of yet is kept for the next one.
const REPORTS_KEPT: Duration = Duration::from_hours(30 * 24);

/// What a count allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How many attempts are free of waiting.
    pub free: u32,
    /// How long it takes until one attempt is forgotten.
    pub regain: Duration,
    /// The longest wait. The first is one second, and each is twice the one before.
    pub max_wait: Duration,
}

/// The rules in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// For an account from one address.
    pub pair: Rule,
    /// For an account from addresses that it does not know.
    pub account: Rule,
    /// For an address and the accounts that do not know it.
    pub address: Rule,
    /// For registrations from an address.
    pub registration: Rule,
}

impl Default for Rules {
    /// For a person who mistypes nothing is felt. Guessing at one account from everywhere gets about a hundred attempts a day
    /// (NIST SP 800-63B-4, section 3.2.2, allows a hundred in a row), from one address at any accounts some thousands.
    fn default() -> Self {
        let rule = |free, regain, max_wait| Rule {
            free,
            regain: Duration::from_secs(regain),
            max_wait: Duration::from_secs(max_wait),
        };
        Self {
            pair: rule(10, 900, 900),
            account: rule(20, 900, 900),
            address: rule(50, 30, 60),
            registration: rule(100, 60, 300),
        }
    }
}

/// A count in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Counter {
    /// How many attempts, less those that were forgotten by `since`.
    count: u32,
    /// From when on the next one is being forgotten.
    since: Timestamp,
    /// When the last one was made.
    last: Timestamp,
    /// When the record means nothing any more.
    expires_at: Timestamp,
    /// Of a pair: until when the address is known to the account.
    known_until: Option<Timestamp>,
    /// Of an account: how many refused attempts no audit event has told of yet, and when the last one told of some.
    unreported: u32,
    reported_at: Option<Timestamp>,
    reported: u32,
}

impl Record for Counter {
    const KIND: &'static str = "throttle";
}

impl Counter {
    fn new(now: Timestamp) -> Self {
        Self {
            count: 0,
            since: now,
            last: now,
            expires_at: now,
            known_until: None,
            unreported: 0,
            reported_at: None,
            reported: 0,
        }
    }

    fn is_known(&self, now: Timestamp) -> bool {
        self.known_until.is_some_and(|until| now < until)
    }

    /// The same with what has been forgotten by `now`.
    fn at(mut self, rule: &Rule, now: Timestamp) -> Self {
        if rule.regain.is_zero() {
            self.count = 0;
        }
        while self.count > 0 && self.since.plus(rule.regain) <= now {
            self.since = self.since.plus(rule.regain);
            self.count -= 1;
        }
        if self.count == 0 {
            self.since = now;
        }
        self
    }

    /// How long an attempt at `now` has to wait; none if it need not.
    fn wait(&self, rule: &Rule, now: Timestamp) -> Duration {
        let counted = self.at(rule, now);
        let Some(surplus) = counted.count.checked_sub(rule.free) else {
            return Duration::ZERO;
        };
        let doubled = 1_u64.checked_shl(surplus).unwrap_or(u64::MAX);
        let wait = Duration::from_secs(doubled).min(rule.max_wait);
        // A clock that is ahead must not make anybody wait for longer than the rule says.
        let by_waiting = self.last.plus(wait).since(now).min(wait);
        // With nothing free, or a regain shorter than the wait, it may be forgotten before that.
        by_waiting.min(counted.since.plus(rule.regain * (surplus + 1)).since(now))
    }

    fn add(&mut self, rule: &Rule, now: Timestamp) {
        *self = self.at(rule, now);
        self.count = self.count.saturating_add(1);
        self.last = now.max(self.last);
    }

    fn take(&mut self, rule: &Rule, count: u32, now: Timestamp) {
        *self = self.at(rule, now);
        self.count = self.count.saturating_sub(count);
    }

    /// Notes a refused attempt. Answers how many an audit event is to tell of now, if one is to.
    fn tell_one_more(&mut self, now: Timestamp) -> Option<u32> {
        self.unreported = self.unreported.saturating_add(1);
        let is_due = self.reported_at.is_none_or(|last| last.plus(REPORTS) <= now);
        if is_due || self.unreported >= self.reported.saturating_mul(2) {
            self.tell_rest(now)
        } else {
            None
        }
    }

    /// How many refused attempts no audit event has told of, if there are any; one is to tell of them now.
    fn tell_rest(&mut self, now: Timestamp) -> Option<u32> {
        let unreported = std::mem::take(&mut self.unreported);
        (unreported > 0).then(|| {
            (self.reported, self.reported_at) = (unreported, Some(now));
            unreported
        })
    }

    /// Sets when it means nothing any more, to the hour: so it need not be filed anew at every attempt.
    fn set_expiry(&mut self, rule: &Rule) {
        const HOUR: i64 = 3_600_000;
        let kept = if self.unreported > 0 { REPORTS_KEPT } else { REPORTS };
        let forgotten = self.since.plus(rule.regain * self.count).max(self.last.plus(kept));
        let end = self.known_until.map_or(forgotten, |until| until.max(forgotten));
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

    fn waits(tally: &Counter, now: i64) -> u64 {
        tally.wait(&RULE, at(now)).as_secs()
    }

    #[test]
    fn attempts_are_free_and_then_each_doubles_the_wait() {
        let mut tally = Counter::new(at(0));
        let mut seen = Vec::new();
        for _ in 0..9 {
            seen.push(waits(&tally, 0));
            tally.add(&RULE, at(0));
        }
        assert_eq!(seen, [0, 0, 0, 1, 2, 4, 8, 10, 10]);
        assert_eq!((waits(&tally, 9), waits(&tally, 10)), (1, 0));
    }

    #[test]
    fn what_was_counted_is_forgotten_one_by_one() {
        let mut tally = Counter::new(at(0));
        for _ in 0..5 {
            tally.add(&RULE, at(0));
        }
        assert_eq!(tally.at(&RULE, at(99)).count, 5);
        assert_eq!(tally.at(&RULE, at(100)).count, 4);
        tally.add(&RULE, at(150));
        assert_eq!(tally.at(&RULE, at(199)).count, 5, "half of the second one's time stays");
        assert_eq!(tally.at(&RULE, at(200)).count, 4);
        assert_eq!(tally.at(&RULE, at(100_000)).count, 0);
    }

    #[test]
    fn taking_back_never_goes_below_nothing() {
        let mut tally = Counter::new(at(0));
        tally.add(&RULE, at(0));
        tally.take(&RULE, 5, at(0));
        assert_eq!(tally.count, 0);
    }

    #[test]
    fn refused_attempts_are_told_at_once_then_summed_up_and_a_burst_is_told_as_it_grows() {
        let mut tally = Counter::new(at(0));
        let told: Vec<_> = (0..20).filter_map(|_| tally.tell_one_more(at(0))).collect();
        assert_eq!(told, [1, 2, 4, 8]);
        assert_eq!(tally.tell_one_more(at(60)), Some(6));
        assert_eq!(tally.tell_one_more(at(61)), None);
        assert_eq!(tally.tell_rest(at(61)), Some(1));
        assert_eq!(tally.tell_rest(at(61)), None);
    }

    proptest! {
        #[test]
        fn a_wait_is_never_longer_than_the_rule_says_and_always_ends(
            free in 0u32..10, regain in 0u64..1000, max_wait in 0u64..1000, attempts in 0usize..60, pause in 0i64..100,
        ) {
            let rule = Rule { free, regain: Duration::from_secs(regain), max_wait: Duration::from_secs(max_wait) };
            let mut tally = Counter::new(at(0));
            let mut now = 0;
            for _ in 0..attempts {
                tally.add(&rule, at(now));
                now += pause;
            }
            let wait = tally.wait(&rule, at(now));
            prop_assert!(wait <= rule.max_wait);
            prop_assert_eq!(tally.wait(&rule, at(now).plus(wait)), Duration::ZERO);
        }

        #[test]
        fn a_record_that_has_expired_counts_nothing(attempts in 1usize..60, pause in 0i64..100) {
            let mut tally = Counter::new(at(0));
            for attempt in 0..attempts {
                tally.add(&RULE, at(i64::try_from(attempt).unwrap() * pause));
            }
            tally.set_expiry(&RULE);
            prop_assert_eq!(tally.at(&RULE, tally.expires_at).count, 0);
        }
    }
}
