//! Whether the time of a failed login, or of a request for recovery, reveals that the email has an account.
//!
//! The release gateway on LMDB gets requests for emails with and without an account, in random order: each follows one
//! of either kind equally often, so the work that a request leaves behind (the mailer's) slows both kinds down equally.
//! The result is the area under the ROC curve: the probability that a request for an account takes longer than one for
//! an unknown email. 0.5 means that the time reveals nothing; the goal is 0.45 to 0.55.
//!
//! `cargo run --release --bin bench -- enumeration 5000` takes 5,000 samples of each kind instead of 1,000.

use std::process::ExitCode;

use fastrand::Rng;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::functions;
use crate::programs::{Connection, Server, temporary_folder};
use crate::report::{Goal, Row, print};
use crate::stats::{millis, quantile_of};

/// Default number of samples of each kind.
const SAMPLES: usize = 1000;

/// Number of emails of each kind, so that no single email decides the result.
const EMAILS: usize = 50;

/// Number of attempts before the samples: the first attempt for an email creates the counters that later ones change.
const WARM_UP: usize = EMAILS;

/// The largest distance of the area from 0.5.
const LIMIT: f64 = 0.05;

/// Never throttles.
pub(crate) const FREE: &str = "100000/1/1";

/// A request whose response is the same with and without an account.
struct Case {
    name: &'static str,
    path: &'static str,
    /// A rule that replaces [`FREE`].
    strict: Option<(&'static str, &'static str)>,
    status: u16,
    /// Number of samples per sample of the default.
    factor: usize,
}

const LOGIN: &str = "/v5/auth/login";
const RECOVERY: &str = "/v5/auth/recovery";

const CASES: [Case; 4] = [
    Case {
        name: "failed login (wrong password)",
        path: LOGIN,
        strict: None,
        status: 401,
        factor: 1,
    },
    // It takes microseconds instead of milliseconds, so the clock sees smaller differences.
    Case {
        name: "failed login (throttled)",
        path: LOGIN,
        strict: Some(("THROTTLE_PAIR", "1/86400/86400")),
        status: 429,
        factor: 5,
    },
    Case {
        name: "recovery (email sent)",
        path: RECOVERY,
        strict: None,
        status: 202,
        factor: 1,
    },
    Case {
        name: "recovery (too many emails)",
        path: RECOVERY,
        strict: Some(("THROTTLE_RECIPIENT", "1/86400/86400")),
        status: 202,
        factor: 1,
    },
];

/// Measures, prints, and fails when a goal is missed.
pub(crate) fn run() -> ExitCode {
    functions::assert_built(&["gateway"]);
    let argument = std::env::args().nth(2);
    let samples = argument.map_or(SAMPLES, |text| text.parse().expect("the argument is a number"));
    let runtime = Runtime::new().expect("a runtime can be built");
    let rows = runtime.block_on(measure(samples));
    rows.iter().for_each(print);
    if rows.iter().all(Row::is_met) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The rows of the default number of samples.
pub(crate) async fn rows() -> Vec<Row> {
    measure(SAMPLES).await
}

async fn measure(samples: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for case in &CASES {
        let [unknown, known] = times(case, samples * case.factor).await;
        let (area, error) = roc(&unknown, &known);
        println!(
            "{}: median {:.3} ms for an unknown email, {:.3} ms for an account; area under the ROC curve {area:.3}, \
             95 % confidence interval {:.3} to {:.3}",
            case.name,
            quantile_of(&unknown, 0.5),
            quantile_of(&known, 0.5),
            area - 1.96 * error,
            area + 1.96 * error,
        );
        rows.push(Row::single(
            format!("{}, distance of the ROC area from 0.5", case.name),
            "",
            (area - 0.5).abs(),
            ("0.05", LIMIT),
            Goal::AtMost(1.0),
        ));
    }
    rows
}

/// The times in milliseconds: unknown emails, then accounts.
async fn times(case: &Case, samples: usize) -> [Vec<f64>; 2] {
    let folder = temporary_folder();
    let mail = format!("file:{}", folder.path().join("mail").display());
    let rules = ["PAIR", "ACCOUNT", "ADDRESS", "REGISTRATION", "EMAILS", "RECIPIENT"];
    let rules = rules.map(|rule| format!("THROTTLE_{rule}"));
    let mut environment = vec![
        ("TRUSTED_PROXIES", "1"),
        ("MAIL", &mail),
        ("PUBLIC_URL", "http://localhost"),
    ];
    environment.extend(rules.iter().map(|rule| (rule.as_str(), FREE)));
    environment.extend(case.strict);
    let gateway = Server::gateway(folder.path(), &environment);
    let client = reqwest::Client::new();
    for number in 0..EMAILS {
        let account = json!({ "email": email(1, number), "password": "password123" });
        // Without X-Forwarded-For, so no account knows the attacker's address.
        gateway.post(&client, "/v5/auth/register", None, &account).await;
    }
    let mut connection = Connection::open(gateway.address());
    let mut rng = Rng::with_seed(1);
    let mut times = [Vec::new(), Vec::new()];
    let mut sent = [0; 2];
    while sent.iter().any(|sent| *sent < WARM_UP + samples) {
        let kind = rng.usize(..2);
        let mut body = json!({ "email": email(kind, sent[kind] % EMAILS) });
        if case.path == LOGIN {
            body["password"] = "a wrong one".into();
        }
        let body = body.to_string();
        let start = Instant::now();
        let status = connection.post(case.path, "x-forwarded-for: 198.51.100.1\r\n", &body);
        let elapsed = start.elapsed();
        // The first waits of a throttled account are over soon.
        if sent[kind] >= WARM_UP && status == case.status {
            times[kind].push(millis(elapsed));
        }
        sent[kind] += 1;
    }
    gateway.stop();
    assert!(times.iter().all(|times| times.len() > samples / 2), "too few samples");
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
