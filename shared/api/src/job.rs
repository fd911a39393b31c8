//! Jobs: work that runs on a schedule instead of for a request.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::{Env, Timestamp};
use futures_util::FutureExt as _;
use kv::Meter;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::config::{Config, OpenObjects};
use crate::log::job::FinishedJob;
use crate::observer::Observer;
use crate::trace_id::TraceId;

/// The time that an invocation keeps for its response after the job.
const RESPONSE_RESERVE: Duration = Duration::from_secs(1);

/// The time budget of a job whose invocation has no usable deadline: cargo-lambda always sends one in the past, and
/// Lambda never does.
const DEFAULT_BUDGET: Duration = Duration::from_secs(60);

/// A job. Under Lambda a function of its own runs it; a server runs it periodically in its own process.
///
/// Another process may run the same job at the same time, and a run may be stopped at any moment: the next run
/// continues its work.
#[derive(Clone)]
pub struct Job {
    name: &'static str,
    prepare: Arc<Prepare>,
    events: Option<Arc<Events>>,
    schedule: Schedule,
    open_objects: Option<OpenObjects>,
}

/// A job with the configuration of this process.
#[derive(Clone)]
pub(crate) struct ReadyJob {
    name: &'static str,
    work: Arc<Work>,
    events: Option<Arc<Events>>,
    schedule: Schedule,
}

/// When a server runs a job.
#[derive(Clone, Copy)]
enum Schedule {
    /// Every `SWEEP_SECONDS`.
    Sweep,
    /// Every [`MAIL_INTERVAL`], and as soon as this process has written an email.
    Mail,
}

/// How often a server looks for emails that other processes have written, and that are to be sent again.
const MAIL_INTERVAL: Duration = Duration::from_secs(15);

/// The average time from a request that causes an email to its sending. The response is on its way by then: work at the
/// same time would slow it down, and so reveal whether an account gets an email.
const MAIL_DELAY: Duration = Duration::from_millis(20);

type Prepare = dyn Fn(&Config) -> Result<Option<Arc<Work>>, String> + Send + Sync;
type Work = dyn Fn(Env, Duration) -> RunFuture + Send + Sync;
/// The work for an event that is not the schedule's; `None` for any other.
type Events = dyn Fn(&str) -> Option<Arc<Work>> + Send + Sync;
type RunFuture = Pin<Box<dyn Future<Output = domain::Result<Done>> + Send>>;

/// The result of a successful run.
struct Done {
    summary: Value,
    /// Whether there was nothing to do.
    is_default: bool,
}

/// The summary of a job that the configuration does not ask for.
#[derive(Default, PartialEq, Serialize)]
struct NothingDone {}

/// The configuration asks for a job that cannot run with it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unusable(String);

/// A run failed; the log line of the run has the cause.
#[derive(Debug, thiserror::Error)]
#[error("{0} failed; the line before says why")]
pub(crate) struct Failed(&'static str);

/// The trigger of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger<'a> {
    /// An invocation of a Lambda function, with its id and its trace.
    Invocation(&'a str, Option<TraceId>),
    /// The job's program, started by an operator.
    Manual,
    /// The server's timer. A run with nothing to do is logged at the level `DEBUG`.
    Periodic,
}

impl Job {
    /// A job that calls `work` with an [`Env`] and a time budget. `work` returns a summary of what it did; the
    /// summary's default means that there was nothing to do.
    pub fn new<W, Fut, S>(name: &'static str, work: W) -> Self
    where
        W: Fn(Env, Duration) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = domain::Result<S>> + Send + 'static,
        S: Serialize + Default + PartialEq,
    {
        let work = erase(work);
        Self {
            name,
            prepare: Arc::new(move |_| Ok(Some(work.clone()))),
            events: None,
            schedule: Schedule::Sweep,
            open_objects: None,
        }
    }

    /// A job that sends the emails of the outbox. `prepare` makes it from the configuration, at the start of the
    /// program: `None` if the configuration does not ask for it, or one sentence that says why it cannot run.
    pub fn for_mail<P, W, Fut, S>(name: &'static str, prepare: P) -> Self
    where
        P: Fn(&Config) -> Result<Option<W>, String> + Send + Sync + 'static,
        W: Fn(Env, Duration) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = domain::Result<S>> + Send + 'static,
        S: Serialize + Default + PartialEq,
    {
        Self {
            name,
            prepare: Arc::new(move |config| Ok(prepare(config)?.map(erase))),
            events: None,
            schedule: Schedule::Mail,
            open_objects: None,
        }
    }

    /// The job, which under Lambda also receives events: an invocation whose event is an `E` calls `receive` instead of
    /// the work.
    #[must_use]
    pub fn with_events<E, W, Fut, S>(self, receive: W) -> Self
    where
        E: DeserializeOwned + Clone + Send + Sync + 'static,
        W: Fn(Env, E) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = domain::Result<S>> + Send + 'static,
        S: Serialize + Default + PartialEq,
    {
        let events = move |event: &str| {
            let event: E = serde_json::from_str(event).ok()?;
            let receive = receive.clone();
            Some(erase(move |env, _| receive(env, event.clone())))
        };
        Self {
            events: Some(Arc::new(events)),
            ..self
        }
    }

    /// The job with the object store, which `open` opens at start if the deployment has one. In a server it is the one
    /// of the routes.
    #[must_use]
    pub fn with_objects(self, open: OpenObjects) -> Self {
        Self {
            open_objects: Some(open),
            ..self
        }
    }

    /// Opens the object store; `None` for a job without it.
    pub(crate) fn open_objects(&self) -> Option<OpenObjects> {
        self.open_objects
    }

    /// The name in the log, which is the name of the job's function.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A job that does nothing, in place of one that the configuration does not ask for.
    pub(crate) fn idle(&self) -> ReadyJob {
        ReadyJob {
            name: self.name,
            work: erase(|_, _| async { Ok(NothingDone {}) }),
            events: self.events.clone(),
            schedule: self.schedule,
        }
    }

    /// The job with this configuration; `None` if the configuration does not ask for it.
    pub(crate) fn prepare(&self, config: &Config) -> Result<Option<ReadyJob>, Unusable> {
        let work = (self.prepare)(config).map_err(Unusable)?;
        Ok(work.map(|work| ReadyJob {
            name: self.name,
            work,
            events: self.events.clone(),
            schedule: self.schedule,
        }))
    }
}

fn erase<W, Fut, S>(work: W) -> Arc<Work>
where
    W: Fn(Env, Duration) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = domain::Result<S>> + Send + 'static,
    S: Serialize + Default + PartialEq,
{
    Arc::new(move |env, budget| {
        let run = work(env, budget);
        Box::pin(async move {
            let summary = run.await?;
            Ok(Done {
                is_default: summary == S::default(),
                summary: serde_json::to_value(summary).unwrap_or_default(),
            })
        })
    })
}

impl ReadyJob {
    /// The job for an invocation with this event.
    pub(crate) fn for_event(&self, event: &str) -> Self {
        let work = self.events.as_ref().and_then(|events| events(event));
        Self {
            work: work.unwrap_or_else(|| self.work.clone()),
            ..self.clone()
        }
    }

    /// Runs the job once, and reports the run. A panic counts as a failure; the log line before says where it happened.
    pub(crate) async fn run(
        &self,
        env: Env,
        budget: Duration,
        trigger: Trigger<'_>,
        observer: &Observer,
    ) -> Result<Value, Failed> {
        let (started, meter, clock) = (Instant::now(), Meter::new(), env.clock.clone());
        let run = AssertUnwindSafe((self.work)(env, budget)).catch_unwind();
        let (outcome, is_default) = match meter.measure(run).await {
            Ok(Ok(Done { summary, is_default })) => (Ok(summary), is_default),
            Ok(Err(error)) => (Err(error.to_string()), false),
            Err(_) => (Err("it panicked".to_owned()), false),
        };
        let (request_id, trace_id) = match trigger {
            Trigger::Invocation(id, trace_id) => (Some(id), trace_id),
            Trigger::Manual | Trigger::Periodic => (None, None),
        };
        observer.record_job(&FinishedJob {
            at: clock.now(),
            request_id,
            trace_id,
            job: self.name,
            duration: started.elapsed(),
            summary: outcome.as_ref().ok(),
            cause: outcome.as_ref().err().map(String::as_str),
            store_trips: meter.trips(),
            store_retries: meter.retries(),
            is_quiet: is_default && trigger == Trigger::Periodic,
        });
        outcome.map_err(|_| Failed(self.name))
    }

    /// Runs the job now, and again after every interval (between half of it and one and a half, at random), until the
    /// future is dropped. A failed run changes nothing about the next one. `sweep_interval` is `SWEEP_SECONDS`.
    pub(crate) async fn repeat(self, env: Env, sweep_interval: Option<Duration>, observer: Observer) {
        let interval = match self.schedule {
            Schedule::Sweep => sweep_interval,
            Schedule::Mail => Some(MAIL_INTERVAL),
        };
        let Some(interval) = interval else { return };
        loop {
            // The observer has reported a failure.
            let _ = self.run(env.clone(), Duration::MAX, Trigger::Periodic, &observer).await;
            let pause = sleep(interval.mul_f64(fastrand::f64() + 0.5));
            match self.schedule {
                Schedule::Sweep => pause.await,
                Schedule::Mail => tokio::select! {
                    () = pause => {}
                    () = env.outbox.woken() => sleep(MAIL_DELAY.mul_f64(fastrand::f64() + 0.5)).await,
                },
            }
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job({})", self.name)
    }
}

/// The time that a job has in an invocation that ends at `deadline`.
pub(crate) fn time_budget(deadline: Timestamp, now: Timestamp) -> Duration {
    match deadline.since(now) {
        Duration::ZERO => DEFAULT_BUDGET,
        left => left.saturating_sub(RESPONSE_RESERVE),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::log::LogSink;
    use crate::state::AppState;

    /// Runs the job as an invocation of a Lambda function. Returns the outcome and the log line.
    async fn invoke(job: &Job) -> (Result<Value, String>, Value) {
        let folder = tempfile::tempdir().unwrap();
        let lines: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = lines.clone();
        let sink = LogSink::from_fn(move |line| kept.lock().unwrap().push(serde_json::from_slice(line).unwrap()));
        let observer = Observer::with_embedded_metrics(sink, "test");
        let trace_id = TraceId::from_xray("Root=1-5759e988-bd862e3fe1be46a994272793");
        let env = AppState::on(&folder).env.clone();
        let config = Config::read(|_| None, crate::config::TokenUse::Ignores, false).unwrap();
        let job = job.prepare(&config).unwrap().unwrap();
        let outcome = job
            .run(env, Duration::MAX, Trigger::Invocation("the-id", trace_id), &observer)
            .await;
        let lines = std::mem::take(&mut *lines.lock().unwrap());
        assert_eq!(lines.len(), 1, "{lines:?}");
        (outcome.map_err(|failed| failed.to_string()), lines[0].clone())
    }

    #[tokio::test]
    async fn a_run_has_one_line_with_its_summary_and_its_store_trips() {
        let job = Job::new("test", |env: Env, _| async move {
            let key = &kv::Key::of(&("a",));
            env.db.run(|txn| async move { txn.get(key).await }).await?;
            env.db.run(|txn| async move { txn.set(key, "1") }).await?;
            Ok(3)
        });
        let (outcome, line) = invoke(&job).await;
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
    async fn a_run_that_fails_or_panics_counts_as_a_failure() {
        let fails = Job::new("test", |_, _| async { Err::<(), _>(domain::Error::Revoked) });
        let panics = Job::new("test", |env: Env, _| async move {
            assert!(env.limits.throttle.is_none(), "marked");
            Ok(())
        });
        for (job, cause) in [
            (fails, domain::Error::Revoked.to_string()),
            (panics, "it panicked".to_owned()),
        ] {
            let (outcome, line) = invoke(&job).await;
            assert_eq!(outcome, Err("test failed; the line before says why".to_owned()));
            assert_eq!((&line["level"], &line["JobFailures"]), (&"ERROR".into(), &1.into()));
            assert_eq!((&line["cause"], &line["summary"]), (&cause.into(), &Value::Null));
        }
    }

    #[tokio::test]
    async fn an_event_that_the_job_knows_calls_its_receiver_instead_of_the_work() {
        #[derive(Clone, serde::Deserialize)]
        struct Known {
            number: u32,
        }
        let job = Job::new("test", |_, _| async { Ok(0) });
        let job = job.with_events(|_, event: Known| async move { Ok(event.number) });
        let folder = tempfile::tempdir().unwrap();
        let env = AppState::on(&folder).env.clone();
        let observer = Observer::with_embedded_metrics(LogSink::from_fn(|_| ()), "test");
        let config = Config::read(|_| None, crate::config::TokenUse::Ignores, false).unwrap();
        let ready = job.prepare(&config).unwrap().unwrap();
        for (job, summary) in [
            (ready.for_event(r#"{"number":7}"#), 7),
            (ready.for_event(r#"{"source":"aws.events"}"#), 0),
            (ready.for_event("null"), 0),
            (job.idle().for_event(r#"{"number":7}"#), 7),
        ] {
            let trigger = Trigger::Invocation("the-id", None);
            let outcome = job.run(env.clone(), Duration::MAX, trigger, &observer).await;
            assert_eq!(outcome.unwrap(), Value::from(summary));
        }
    }

    #[test]
    fn a_job_ends_before_its_invocation_does() {
        let now = Timestamp::from_millis(1_767_225_600_000);
        let budget = |left| time_budget(now.plus(Duration::from_millis(left)), now);
        assert_eq!(budget(60_000), Duration::from_secs(59));
        assert_eq!(budget(500), Duration::ZERO);
        assert_eq!(time_budget(Timestamp::from_millis(600_000), now), DEFAULT_BUDGET);
    }
}
