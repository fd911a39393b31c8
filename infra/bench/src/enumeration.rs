//! Whether the time of a failed login reveals that the email has an account.
//!
//! Emails with and without an account are tried with wrong passwords, in pairs of random order, through the real router
//! on LMDB. Attempts are counted and logged as usual. The result is the area under the ROC curve: the probability that
//! a failure for an account takes longer than one for an unknown email. 0.5 means that the time reveals nothing; the
//! goal is 0.45 to 0.55.
//!
//! `cargo run --bin bench -- enumeration 5000` takes 5,000 samples of each kind instead of 1,000.

use std::time::Duration;

use fastrand::Rng;
use serde_json::json;
use testkit::{Code, Target as _, TestApp};
use tokio::time::Instant;

use crate::stats::{millis, quantile_of};

/// Default number of samples of each kind.
const SAMPLES: usize = 1000;

/// Number of emails of each kind, so that no single email decides the result.
const EMAILS: usize = 20;

/// Number of attempts before the samples: the first attempt for an email creates the counters that later ones change.
const WARM_UP: usize = 3 * EMAILS;

/// Time between samples on the injected clock. The audit log reports wrong passwords at most once a minute, so each
/// attempt writes an entry: the worst case for an account compared with an unknown email.
const PAUSE: Duration = Duration::from_secs(61);

/// Prints a table.
pub(crate) fn print() {
    let argument = std::env::args().nth(2);
    let samples = argument.map_or(SAMPLES, |text| text.parse().expect("the argument is a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let [unknown, known] = runtime.expect("a runtime can be built").block_on(measure(samples));
    println!("{:<24} {:>10}", "failed login", "median ms");
    println!("{:<24} {:>10.2}", "unknown email", quantile_of(&unknown, 0.5));
    println!("{:<24} {:>10.2}", "wrong password", quantile_of(&known, 0.5));
    let (area, error) = roc(&unknown, &known);
    println!(
        "area under the ROC curve {area:.3}, 95 % confidence interval {:.3}..{:.3}, {samples} samples of each kind",
        area - 1.96 * error,
        area + 1.96 * error
    );
}

/// The times in milliseconds: unknown emails, then accounts.
async fn measure(samples: usize) -> [Vec<f64>; 2] {
    let app = &TestApp::with_limits(gateway::router(), |limits| {
        let rules = limits.throttle.as_mut().expect("attempts are throttled by default");
        // Attempts are counted but never throttled.
        for rule in [&mut rules.pair, &mut rules.account, &mut rules.address] {
            rule.free = u32::MAX;
        }
    });
    for number in 0..EMAILS {
        app.register(&email(1, number)).await;
    }
    let mut rng = Rng::with_seed(1);
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..WARM_UP + samples {
        let first = rng.usize(..2);
        for kind in [first, 1 - first] {
            app.clock.advance(PAUSE);
            let body = json!({ "email": email(kind, number % EMAILS), "password": "a wrong one" });
            let start = Instant::now();
            let response = app.post("/v5/auth/login").json(&body).send().await;
            let elapsed = start.elapsed();
            response.assert_problem(401, Code::InvalidCredentials);
            if number >= WARM_UP {
                times[kind].push(millis(elapsed));
            }
        }
    }
    times
}

/// Emails of equal length: kind 0 is unknown, kind 1 has an account.
fn email(kind: usize, number: usize) -> String {
    format!("user{kind}{number:04}@example.com")
}

/// The area under the ROC curve, and its standard error (Hanley and `McNeil`, 1982).
#[expect(clippy::cast_precision_loss, reason = "a run takes fewer than 2^52 samples")]
fn roc(negative: &[f64], positive: &[f64]) -> (f64, f64) {
    let mut sorted = negative.to_vec();
    sorted.sort_by(f64::total_cmp);
    let below = |time: f64| {
        let (less, not_more) = (
            sorted.partition_point(|other| *other < time),
            sorted.partition_point(|other| *other <= time),
        );
        (less + not_more) as f64 / 2.0
    };
    let (n, p) = (negative.len() as f64, positive.len() as f64);
    let area = positive.iter().map(|time| below(*time)).sum::<f64>() / (n * p);
    let of_positives = area / (2.0 - area);
    let of_negatives = 2.0 * area * area / (1.0 + area);
    let square = area * area;
    let variance = area * (1.0 - area) + (p - 1.0) * (of_positives - square) + (n - 1.0) * (of_negatives - square);
    (area, (variance / (n * p)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_half_for_equal_times_and_one_for_separate_times() {
        let (slow, fast) = ([3.0, 4.0, 5.0], [0.0, 1.0, 2.0]);
        let area = |negative: &[f64], positive: &[f64]| format!("{:.3}", roc(negative, positive).0);
        assert_eq!(area(&fast, &slow), "1.000");
        assert_eq!(area(&slow, &fast), "0.000");
        assert_eq!(area(&slow, &slow), "0.500");
        assert_eq!(area(&[1.0, 3.0], &[2.0, 4.0]), "0.750");
        let (_, error) = roc(&[1.0; 1000], &[1.0; 1000]);
        assert!((0.012..0.014).contains(&error), "{error}");
    }
}
