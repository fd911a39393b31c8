//! Samples, and what is told of them: the median and the quartiles, which one disturbance more or less does not move.

use std::time::Duration;

use serde::Serialize;

/// The quartiles of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
    /// How many values it is made of.
    pub(crate) of: usize,
}

impl Spread {
    /// The quartiles of `values`, of which there must be one.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self {
            low: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            high: quantile(&sorted, 0.75),
            of: sorted.len(),
        }
    }

    /// Of what was measured side by side, round by round: the ratios of the rounds, so that what slows a whole round down does not count.
    pub(crate) fn ratio(ours: &[f64], theirs: &[f64]) -> Self {
        Self::of(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs))
    }
}

/// The value below which this part of a sorted sample lies, between two of them if need be.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "nobody takes 2^52 samples")]
    let place = part * (sorted.len() - 1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between the first place and the last"
    )]
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

/// The value below which this part of a sample lies.
pub(crate) fn quantile_of(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, part)
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_the_values_where_they_have_to() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!((spread.low, spread.median, spread.high), (1.75, 2.5, 3.25));
        let one = Spread::of([7.0]);
        assert_eq!((one.low, one.median, one.high, one.of), (7.0, 7.0, 7.0, 1));
    }

    #[test]
    fn a_round_that_was_slow_for_both_changes_no_ratio() {
        let ratio = Spread::ratio(&[2.0, 200.0, 2.0], &[1.0, 100.0, 1.0]);
        assert_eq!((ratio.low, ratio.high), (2.0, 2.0));
    }
}
