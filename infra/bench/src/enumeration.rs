//! Whether the time of a refused login tells if the email has an account.
//!
//! Emails with and without an account are tried with wrong passwords, one of each in turn and in random order, through the real router on
//! LMDB, with everything written that a throttled attempt writes. What is printed is the area under the ROC curve: the probability that a
//! refusal for an account took longer than one for an unknown email. Half means that the time tells nothing; the goal is 0.45 to 0.55.
//!
//! `cargo run --bin bench -- enumeration 5000` takes that many samples of each instead of a thousand.

use std::time::Duration;

use fastrand::Rng;
use serde_json::json;
use testkit::{Code, Target as _, TestApp};
use tokio::time::Instant;

/// How many samples of each kind, if the command line does not say.
const SAMPLES: usize = 1000;

/// How many emails of each kind, so that none is special.
const EMAILS: usize = 20;

/// What is tried before the samples: the first attempts at an email make the records that later ones change.
const WARM_UP: usize = 3 * EMAILS;

/// How far the clock is moved between samples. An account's owner is told of wrong passwords once a minute: now every attempt tells, which is the
/// most that an account can cost more than an unknown email.
const PAUSE: Duration = Duration::from_secs(61);

/// Prints a table.
pub(crate) fn print() {
    let asked = std::env::args().nth(2);
    let samples = asked.map_or(SAMPLES, |text| text.parse().expect("the number of samples is a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let [unknown, known] = runtime.expect("a runtime needs little").block_on(measure(samples));
    println!("{:<24} {:>10}", "refused login", "median ms");
    println!("{:<24} {:>10.2}", "unknown email", median(&unknown));
    println!("{:<24} {:>10.2}", "wrong password", median(&known));
    let (area, error) = roc(&unknown, &known);
    println!(
        "area under the ROC curve {area:.3}, 95 % within {:.3}..{:.3}, {samples} samples of each",
        area - 1.96 * error,
        area + 1.96 * error
    );
}

/// The times in milliseconds, of unknown emails first.
async fn measure(samples: usize) -> [Vec<f64>; 2] {
    let app = &TestApp::with_limits(gateway::router(), |limits| {
        let rules = limits.throttle.as_mut().expect("attempts are throttled by default");
        // Never reached, but counted.
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
            let begun = Instant::now();
            let answer = app.post("/v5/auth/login").json(&body).send().await;
            let took = begun.elapsed();
            answer.assert_problem(401, Code::InvalidCredentials);
            if number >= WARM_UP {
                times[kind].push(took.as_secs_f64() * 1000.0);
            }
        }
    }
    times
}

/// Addresses of the same length, whether somebody has them (1) or not (0).
fn email(kind: usize, number: usize) -> String {
    format!("user{kind}{number:04}@example.com")
}

/// The area under the ROC curve, and its standard error (Hanley and `McNeil`, 1982).
#[expect(clippy::cast_precision_loss, reason = "nobody takes 2^52 samples")]
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

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_a_half_where_times_are_alike_and_one_where_they_are_apart() {
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
