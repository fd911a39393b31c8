//! What is done on a schedule instead of for a request.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::{Env, Timestamp};
use futures_util::FutureExt as _;
use kv::Meter;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::line::{self, Store};
use crate::observer::Observer;
use crate::trace_id::TraceId;

/// What an invocation needs to send its answer after the job has come to its end.
const RESERVE: Duration = Duration::from_secs(1);

/// What a job gets in an invocation whose deadline is over before it began. Lambda sends none like that, and cargo-lambda always does.
const UNTOLD: Duration = Duration::from_secs(60);

/// What is done on a schedule: under Lambda by a function of its own, in a server's process every now and then. It may be running
/// elsewhere at the same time, it may be stopped at any moment, and its next run goes on from there.
#[derive(Clone)]
pub struct Job {
    name: &'static str,
    work: Arc<Work>,
}

type Work = dyn Fn(Env, Duration) -> Working + Send + Sync;
type Working = Pin<Box<dyn Future<Output = domain::Result<Done>> + Send>>;

/// What came of a run.
struct Done {
    summary: Value,
    is_nothing: bool,
}

/// A run has failed. Why is in the log, and goes nowhere else.
#[derive(Debug, thiserror::Error)]
#[error("{0} failed; the line before says why")]
pub(crate) struct Failed(&'static str);

/// What asks for a run: an invocation, of which there is to be a line whatever was done, or nobody in particular.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked<'a> {
    /// Lambda, with the invocation's id and trace.
    By(&'a str, Option<TraceId>),
    /// Somebody who has started the program for it.
    Once,
    /// The server that it runs beside.
    Again,
}

/// Whether the line of a run is worth reading only for those who want to know everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quiet {
    No,
    Yes,
}

impl Job {
    /// `work` on an [`Env`], which ends within the time that it is given, and says what it did. The default of that summary is that there was
    /// nothing to do.
    pub fn new<W, Fut, S>(name: &'static str, work: W) -> Self
    where
        W: Fn(Env, Duration) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = domain::Result<S>> + Send + 'static,
        S: Serialize + Default + PartialEq,
    {
        let work = move |env, within| -> Working {
            let working = work(env, within);
            Box::pin(async move {
                let summary = working.await?;
                Ok(Done {
                    is_nothing: summary == S::default(),
                    summary: serde_json::to_value(summary).unwrap_or_default(),
                })
            })
        };
        Self {
            name,
            work: Arc::new(work),
        }
    }

    /// Its name in the log, which is its function's.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Does it once, and has it seen. One that panics has failed; the line before says where.
    pub(crate) async fn run(
        &self,
        env: Env,
        within: Duration,
        asked: Asked<'_>,
        observer: &Observer,
    ) -> Result<Value, Failed> {
        let (started, meter, clock) = (Instant::now(), Meter::new(), env.clock.clone());
        let working = AssertUnwindSafe((self.work)(env, within)).catch_unwind();
        let (outcome, quiet) = match meter.measure(working).await {
            Ok(Ok(Done { summary, is_nothing })) if is_nothing && asked == Asked::Again => (Ok(summary), Quiet::Yes),
            Ok(Ok(Done { summary, .. })) => (Ok(summary), Quiet::No),
            Ok(Err(error)) => (Err(error.to_string()), Quiet::No),
            Err(_) => (Err("it panicked".to_owned()), Quiet::No),
        };
        let (id, trace) = match asked {
            Asked::By(id, trace) => (Some(id), trace),
            Asked::Once | Asked::Again => (None, None),
        };
        let run = line::Run {
            at: clock.now(),
            id,
            trace,
            job: self.name,
            took: started.elapsed(),
            store: Store::of(&meter),
            outcome: outcome.as_ref().map_err(String::as_str),
        };
        observer.run(&run, quiet);
        outcome.map_err(|_| Failed(self.name))
    }

    /// Does it now, and again about every `interval`, until it is dropped. A run that fails has its next time like any other.
    pub(crate) async fn repeat(self, env: Env, interval: Duration, observer: Observer) {
        loop {
            // What there is to say of a failure has been said.
            let _ = self.run(env.clone(), Duration::MAX, Asked::Again, &observer).await;
            sleep(interval.mul_f64(fastrand::f64() + 0.5)).await;
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job({})", self.name)
    }
}

/// How long a job may take in an invocation that ends, answered or not, at `deadline`.
pub(crate) fn allowance(deadline: Timestamp, now: Timestamp) -> Duration {
    match deadline.since(now) {
        Duration::ZERO => UNTOLD,
        left => left.saturating_sub(RESERVE),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::line::LogSink;
    use crate::state::AppState;

    /// Runs it as an invocation of Lambda's, and answers what comes of it and its line.
    async fn invoked(job: &Job) -> (Result<Value, String>, Value) {
        let folder = tempfile::tempdir().unwrap();
        let lines: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = lines.clone();
        let keep = LogSink::from_fn(move |line| kept.lock().unwrap().push(serde_json::from_slice(line).unwrap()));
        let observer = Observer::with_embedded_metrics(keep, "test");
        let asked = Asked::By("the-id", TraceId::from_xray("Root=1-5759e988-bd862e3fe1be46a994272793"));
        let outcome = job
            .run(AppState::on(&folder).env.clone(), Duration::MAX, asked, &observer)
            .await;
        let lines = std::mem::take(&mut *lines.lock().unwrap());
        assert_eq!(lines.len(), 1, "{lines:?}");
        (outcome.map_err(|failed| failed.to_string()), lines[0].clone())
    }

    #[tokio::test]
    async fn a_run_has_one_line_with_what_it_did_and_asked_of_the_store() {
        let job = Job::new("test", |env: Env, _| async move {
            let key = &kv::Key::of(&("a",));
            env.db.run(|txn| async move { txn.get(key).await }).await?;
            env.db.run(|txn| async move { txn.set(key, "1") }).await?;
            Ok(3)
        });
        let (outcome, line) = invoked(&job).await;
        assert_eq!(outcome, Ok(Value::from(3)));
        for (member, value) in [
            ("level", Value::from("INFO")),
            ("request_id", "the-id".into()),
            ("trace_id", "5759e988bd862e3fe1be46a994272793".into()),
            ("job", "test".into()),
            ("summary", 3.into()),
            ("store_trips", 4.into()),
            ("store_retries", 0.into()),
            ("JobFailures", 0.into()),
            ("Function", "test".into()),
        ] {
            assert_eq!(line[member], value, "{member}: {line}");
        }
    }

    #[tokio::test]
    async fn a_run_that_fails_or_panics_is_counted_as_a_failure() {
        let fails = Job::new("test", |_, _| async { Err::<(), _>(domain::Error::Revoked) });
        let panics = Job::new("test", |env: Env, _| async move {
            assert!(env.limits.throttle.is_none(), "marked");
            Ok(())
        });
        for (job, cause) in [
            (fails, domain::Error::Revoked.to_string()),
            (panics, "it panicked".to_owned()),
        ] {
            let (outcome, line) = invoked(&job).await;
            assert_eq!(outcome, Err("test failed; the line before says why".to_owned()));
            assert_eq!((&line["level"], &line["JobFailures"]), (&"ERROR".into(), &1.into()));
            assert_eq!((&line["cause"], &line["summary"]), (&cause.into(), &Value::Null));
        }
    }

    #[test]
    fn a_job_ends_before_its_invocation_does() {
        let now = Timestamp::from_millis(1_767_225_600_000);
        let allowed = |left| allowance(now.plus(Duration::from_millis(left)), now);
        assert_eq!(allowed(60_000), Duration::from_secs(59));
        assert_eq!(allowed(500), Duration::ZERO);
        assert_eq!(allowance(Timestamp::from_millis(600_000), now), UNTOLD);
    }
}
