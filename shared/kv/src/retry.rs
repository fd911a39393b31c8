//! How long [`Db::run`](crate::Db::run) waits between attempts.

use std::time::Duration;

/// The longest wait before the second retry; it doubles with every further one.
const FIRST: Duration = Duration::from_millis(1);
/// What the longest wait grows to.
const LAST: Duration = Duration::from_millis(250);

/// Exponential backoff with full jitter: each wait is drawn evenly from zero to a ceiling that doubles, because transactions
/// that collided once would collide again if they came back together.
///
/// The first retry comes at once: most conflicts are over by the time they are reported.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    retries: u32,
}

impl Backoff {
    /// The wait before the next retry.
    pub(crate) fn pause(&mut self) -> Duration {
        let ceiling = self.ceiling();
        self.retries = self.retries.saturating_add(1);
        ceiling.mul_f64(fastrand::f64())
    }

    fn ceiling(&self) -> Duration {
        match self.retries.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => FIRST
                .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
                .min(LAST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_none_to_a_ceiling_and_are_drawn_below_it() {
        let mut backoff = Backoff::default();
        let mut ceilings = Vec::new();
        for _ in 0..100 {
            let ceiling = backoff.ceiling();
            assert!(backoff.pause() <= ceiling);
            ceilings.push(ceiling);
        }

        let millis: Vec<_> = ceilings.iter().take(11).map(Duration::as_millis).collect();
        assert_eq!(millis, [0, 1, 2, 4, 8, 16, 32, 64, 128, 250, 250]);
        assert_eq!(ceilings.last(), Some(&LAST));
    }
}
