//! Pauses between the attempts of [`Db::run`](crate::Db::run).

use std::time::Duration;

/// Longest pause before the second retry; it doubles with each further retry.
const FIRST_CEILING: Duration = Duration::from_millis(1);
/// Longest pause before any retry.
const LAST_CEILING: Duration = Duration::from_millis(250);

/// Exponential backoff with full jitter: each pause is drawn evenly from zero to a ceiling that doubles, because
/// transactions that collided once would collide again if they retried in step.
///
/// The first retry has no pause: most conflicts are over when they are reported.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    retries: u32,
}

impl Backoff {
    /// The pause before the next retry.
    pub(crate) fn pause(&mut self) -> Duration {
        let ceiling = self.ceiling();
        self.retries = self.retries.saturating_add(1);
        ceiling.mul_f64(fastrand::f64())
    }

    fn ceiling(&self) -> Duration {
        match self.retries.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => FIRST_CEILING
                .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
                .min(LAST_CEILING),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_below_a_ceiling_that_doubles_up_to_a_maximum() {
        let mut backoff = Backoff::default();
        let mut ceilings = Vec::new();
        for _ in 0..100 {
            let ceiling = backoff.ceiling();
            assert!(backoff.pause() <= ceiling);
            ceilings.push(ceiling);
        }

        let millis: Vec<_> = ceilings.iter().take(11).map(Duration::as_millis).collect();
        assert_eq!(millis, [0, 1, 2, 4, 8, 16, 32, 64, 128, 250, 250]);
        assert_eq!(ceilings.last(), Some(&LAST_CEILING));
    }
}
