//! Statistics of samples. The median and the quartiles are robust against single disturbances.

use std::time::Duration;

use serde::Serialize;

/// The quartiles of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
    /// The number of values.
    pub(crate) of: usize,
}

impl Spread {
    /// The quartiles of `values`, which must not be empty.
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

    /// The quartiles of the ratios of each round, so that a round which is slow for both sides does not count.
    pub(crate) fn of_ratios(measured: &[f64], baseline: &[f64]) -> Self {
        Self::of(
            measured
                .iter()
                .zip(baseline)
                .map(|(measured, baseline)| measured / baseline),
        )
    }
}

/// The quantile at `part` (0 to 1) of a sorted sample, interpolated between two values.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a sample has fewer than 2^52 values")]
    let position = part * (sorted.len() - 1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the position is an index of the sample"
    )]
    let (below, above) = (position.floor() as usize, position.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * position.fract()
}

/// The quantile at `part` (0 to 1) of a sample in any order.
pub(crate) fn quantile_of(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, part)
}

/// The results of both sides, which alternate within each round.
pub(crate) fn alternate(rounds: usize, mut measure: impl FnMut(usize) -> f64) -> [Vec<f64>; 2] {
    let mut results = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for side in [round % 2, 1 - round % 2] {
            results[side].push(measure(side));
        }
    }
    results
}

/// The median of each round's batch, of both sides, which alternate. One more batch of each is not counted: it warms
/// up.
pub(crate) fn alternate_batches(rounds: usize, batch: usize, mut sample: impl FnMut(usize) -> f64) -> [Vec<f64>; 2] {
    let mut median = |side| {
        let batch: Vec<f64> = (0..batch).map(|_| sample(side)).collect();
        quantile_of(&batch, 0.5)
    };
    for side in [0, 1] {
        median(side);
    }
    alternate(rounds, median)
}

#[expect(clippy::cast_precision_loss, reason = "the numbers are below 2^52")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
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
    fn quartiles_are_interpolated() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!((spread.low, spread.median, spread.high), (1.75, 2.5, 3.25));
        let one = Spread::of([7.0]);
        assert_eq!((one.low, one.median, one.high, one.of), (7.0, 7.0, 7.0, 1));
    }

    #[test]
    fn batches_alternate_and_the_first_of_each_side_does_not_count() {
        let mut order = Vec::new();
        let mut number = 0.0;
        let medians = alternate_batches(2, 3, |side| {
            order.push(side);
            number += 1.0;
            number
        });
        assert_eq!(order, [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0]);
        assert_eq!(medians, [vec![8.0, 17.0], vec![11.0, 14.0]]);
    }

    #[test]
    fn a_round_that_is_slow_for_both_sides_changes_no_ratio() {
        let ratio = Spread::of_ratios(&[2.0, 200.0, 2.0], &[1.0, 100.0, 1.0]);
        assert_eq!((ratio.low, ratio.high), (2.0, 2.0));
    }
}
