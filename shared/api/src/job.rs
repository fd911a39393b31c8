//! What is done on a schedule instead of for a request.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::{Env, Timestamp};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

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

/// Whether a run that had nothing to do is worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quiet {
    No,
    IfNothingWasDone,
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

    /// Does it once, and writes its one log line.
    pub(crate) async fn run(
        &self,
        env: Env,
        within: Duration,
        request_id: Option<&str>,
        quiet: Quiet,
    ) -> Result<Value, Failed> {
        let started = Instant::now();
        let outcome = (self.work)(env, within).await;
        let duration_ms = started.elapsed().as_secs_f64() * 1000.0;
        let job = self.name;
        match outcome {
            Ok(Done { summary, is_nothing }) if is_nothing && quiet == Quiet::IfNothingWasDone => {
                tracing::debug!(request_id, job, duration_ms, %summary, "job");
                Ok(summary)
            }
            Ok(Done { summary, .. }) => {
                tracing::info!(request_id, job, duration_ms, %summary, "job");
                Ok(summary)
            }
            Err(error) => {
                tracing::error!(request_id, job, duration_ms, cause = %error, "job");
                Err(Failed(job))
            }
        }
    }

    /// Does it now, and again about every `interval`, until it is dropped. A run that fails has its next time like any other.
    pub(crate) async fn repeat(self, env: Env, interval: Duration) {
        loop {
            let (job, env) = (self.clone(), env.clone());
            // On a task of its own, so that a panic is the end of this run, and not of all later ones.
            let run = tokio::spawn(async move { job.run(env, Duration::MAX, None, Quiet::IfNothingWasDone).await });
            // What there is to say of a failure or a panic has been logged.
            let _ = run.await;
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
    use super::*;

    #[test]
    fn a_job_ends_before_its_invocation_does() {
        let now = Timestamp::from_millis(1_767_225_600_000);
        let allowed = |left| allowance(now.plus(Duration::from_millis(left)), now);
        assert_eq!(allowed(60_000), Duration::from_secs(59));
        assert_eq!(allowed(500), Duration::ZERO);
        assert_eq!(allowance(Timestamp::from_millis(600_000), now), UNTOLD);
    }
}
