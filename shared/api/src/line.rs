//! The one line of a request, and that of a job's run, as machines read it: JSON, made by serde straight into the buffer that is written.
//!
//! Under Lambda the same line has the metrics too, in CloudWatch's embedded metric format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>): the member `_aws` says
//! which other members of the line are metrics, and CloudWatch takes them from the log. So nothing else is written or sent.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use domain::Timestamp;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Serializer as JsonSerializer};
use serde_json::value::{RawValue, to_raw_value};
use tracing::Level;

use crate::config::Stream;
use crate::error::Code;
use crate::identity::Identity;
use crate::trace_id::TraceId;

/// What all metrics of this API stand under.
const NAMESPACE: &str = "Coditect/Api";
/// The one dimension: the function's name.
const DIMENSION: &str = "Function";

/// How much a pipe takes as a whole on Linux (`PIPE_BUF`, pipe(7)); elsewhere a part of it, which is as long as most lines.
const ATOMIC: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// The longest line whose memory is kept for the next one.
const MAX_KEPT: usize = 8192;

thread_local! {
    /// A thread's lines.
    static OWN: Cell<Own> = Cell::default();
}

/// What a thread has of lines.
#[derive(Default)]
struct Own {
    /// The memory of its lines, which so much at once would take an allocator its time; in it those that have not been written yet.
    lines: Vec<u8>,
    /// How much of it is whole lines.
    whole: usize,
    /// Where those go.
    to: Option<Arc<Sink>>,
    /// Whether lines may wait until the thread has nothing to do, because it says so then ([`thread_parks`]).
    parks: bool,
}

impl Own {
    /// Writes the whole lines, and forgets the rest, which is there if making a line has panicked.
    fn flush(&mut self) {
        let mut lines = std::mem::take(&mut self.lines);
        let whole = std::mem::take(&mut self.whole);
        if let Some(to) = self.to.take().filter(|_| whole > 0) {
            to.take(&lines[..whole]);
        }
        lines.clear();
        self.lines = lines;
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.flush();
    }
}

/// To be called by a runtime's thread whenever it is about to have nothing to do: writes its lines, as many at once as there are, and lets those of
/// requests that come from now on wait until then, or until there are some 4 KiB. So a line is written right after the answer of an
/// idle server, and a busy one asks the system once for ten of them. A thread that never says so writes each at once, and so is every other
/// line written, with those that waited: it may be the one that says why the process ends.
///
/// Not for Lambda, which may freeze a process before it has nothing to do.
pub(crate) fn thread_parks() {
    let mut own = OWN.take();
    own.flush();
    own.parks = true;
    OWN.set(own);
}

/// Where lines go. Clones go to the same place.
#[derive(Clone)]
pub struct LogSink(Arc<Sink>);

enum Sink {
    /// Takes each line at once.
    Each(Box<Take>),
    /// None if it has been closed.
    Stream(Option<Shared>),
}

type Take = dyn Fn(&[u8]) + Send + Sync;

/// A file that several threads write to.
struct Shared {
    file: File,
    /// Taken for reading by whoever writes what a pipe takes as a whole.
    alone: RwLock<()>,
}

impl Sink {
    /// LogSink that can not be written are lost: their disk may be the one that is full, and complaining about it on the same stream would not be
    /// heard either.
    ///
    /// A pipe takes [`ATOMIC`] bytes as a whole or not yet, whoever else writes to it, so threads need not wait for one another, as
    /// they would for the lock of the standard library's stream. Longer lines are rare, and written while nobody else writes.
    fn take(&self, lines: &[u8]) {
        match self {
            Self::Each(take) => take(lines),
            Self::Stream(None) => {}
            Self::Stream(Some(Shared { file, alone })) if lines.len() <= ATOMIC => {
                let _beside_others = alone.read();
                let _ = (&*file).write_all(lines);
            }
            Self::Stream(Some(Shared { file, alone })) => {
                let _alone = alone.write();
                let _ = (&*file).write_all(lines);
            }
        }
    }
}

impl LogSink {
    /// To whatever takes them, each at once and with its line break.
    pub fn from_fn(take: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Sink::Each(Box::new(take))))
    }

    /// To one of the process's streams; to none, if it has been closed.
    pub(crate) fn on(stream: Stream) -> Self {
        let stream = match stream {
            Stream::Output => io::stdout().as_fd().try_clone_to_owned(),
            Stream::Error => io::stderr().as_fd().try_clone_to_owned(),
        };
        Self::into_file(stream.ok().map(File::from))
    }

    fn into_file(file: Option<File>) -> Self {
        let alone = RwLock::new(());
        Self(Arc::new(Sink::Stream(file.map(|file| Shared { file, alone }))))
    }

    /// Takes the line that `fill` makes, but for its line break.
    fn add(&self, may_wait: bool, fill: impl FnOnce(&mut Vec<u8>)) {
        // Taken out meanwhile: a line of which a part logs another is whole. A thread that ends has none any more.
        let mut own = OWN.try_with(Cell::take).unwrap_or_default();
        if !own.to.as_ref().is_some_and(|to| Arc::ptr_eq(to, &self.0)) {
            own.flush();
            own.to = Some(self.0.clone());
        }
        let before = own.lines.len();
        fill(&mut own.lines);
        own.lines.push(b'\n');
        own.whole = own.lines.len();
        if before > 0 && own.whole > ATOMIC {
            self.0.take(&own.lines[..before]);
            own.lines.drain(..before);
            own.whole -= before;
        }
        let can_wait = may_wait && own.parks && own.whole <= ATOMIC && matches!(*self.0, Sink::Stream(_));
        if !can_wait {
            own.flush();
        }
        if own.lines.capacity() > MAX_KEPT {
            own.flush();
            own.lines = Vec::new();
        }
        // What it takes the place of, or it itself if it has none any more, writes what it has when it is dropped.
        let _ = OWN.try_with(|kept| kept.set(own));
    }

    /// Writes what `fill` puts into the line, at once.
    pub(crate) fn write(&self, fill: impl FnOnce(&mut JsonSerializer<&mut Vec<u8>, CompactFormatter>)) {
        self.add(false, |line| fill(&mut JsonSerializer::new(line)));
    }

    /// Writes a request's or a job's line: at once, or with others when its thread has nothing to do, if it says so.
    fn write_json(&self, line: &impl Serialize) {
        // Nothing in a line refuses to be written, nor does the buffer.
        self.add(true, |lines| drop(line.serialize(&mut JsonSerializer::new(lines))));
    }
}

/// For text, which `tracing-subscriber` hands over a line at a time.
impl Write for LogSink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.add(false, |lines| {
            lines.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is known of a request when it has ended. Nothing that a client sent is in it but the trace's id, which is one to the letter.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) at: Timestamp,
    pub(crate) id: &'a str,
    pub(crate) trace: TraceId,
    pub(crate) method: &'static str,
    pub(crate) route: &'a str,
    /// None if nobody waited for the answer.
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<Code>,
    pub(crate) cause: Option<&'a str>,
    pub(crate) took: Duration,
    pub(crate) identity: Option<Identity>,
    pub(crate) store: Store,
    pub(crate) is_cold_start: bool,
}

/// What is known of a job's run when it has ended.
#[derive(Clone, Debug)]
pub(crate) struct Run<'a> {
    pub(crate) at: Timestamp,
    /// The invocation's, if there was one.
    pub(crate) id: Option<&'a str>,
    pub(crate) trace: Option<TraceId>,
    pub(crate) job: &'static str,
    pub(crate) took: Duration,
    pub(crate) store: Store,
    /// What it did, or why it failed.
    pub(crate) outcome: Result<&'a Value, &'a str>,
}

/// What was asked of the store.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Store {
    pub(crate) trips: u32,
    pub(crate) retries: u32,
}

impl Request<'_> {
    pub(crate) fn is_failure(&self) -> bool {
        self.class() == Some(5)
    }

    /// The first digit of the status.
    pub(crate) fn class(&self) -> Option<u16> {
        self.status.map(|status| status / 100)
    }

    pub(crate) fn is_throttled(&self) -> bool {
        self.status == Some(429)
    }

    pub(crate) fn is_store_unavailable(&self) -> bool {
        self.code == Some(Code::StoreUnavailable)
    }

    /// Writes the line: with the metrics of `function`, if there is one.
    pub(crate) fn write(&self, lines: &LogSink, level: Level, function: Option<&str>) {
        let duration_ms = millis(self.took);
        let count = |is_one: bool| Measure::Count(u32::from(is_one));
        let metrics = [
            ("Requests", count(true)),
            ("ServerErrors", count(self.is_failure())),
            ("ClientErrors", count(self.class() == Some(4))),
            ("Throttled", count(self.is_throttled())),
            ("StoreUnavailable", count(self.is_store_unavailable())),
            ("Duration", Measure::Millis(duration_ms)),
            ("StoreTrips", Measure::Count(self.store.trips)),
            ("StoreRetries", Measure::Count(self.store.retries)),
            ("ColdStarts", count(self.is_cold_start)),
        ];
        lines.write_json(&RequestLine {
            timestamp: self.at,
            level: level.as_str(),
            message: "request",
            request_id: self.id,
            trace_id: self.trace,
            method: self.method,
            route: self.route,
            status: self.status,
            code: self.code.map(Code::as_str),
            cause: self.cause,
            duration_ms,
            identity: self.identity,
            store_trips: self.store.trips,
            store_retries: self.store.retries,
            cold_start: self.is_cold_start,
            embedded: function.map(|function| Embedded {
                at: self.at,
                function,
                metrics: &metrics,
                directives: REQUEST.get_or_init(|| directives(&metrics)),
            }),
        });
    }
}

impl Run<'_> {
    /// Writes the line: with the metrics of `function`, if there is one.
    pub(crate) fn write(&self, lines: &LogSink, level: Level, function: Option<&str>) {
        let duration_ms = millis(self.took);
        let has_failed = self.outcome.is_err();
        let metrics = [
            ("Duration", Measure::Millis(duration_ms)),
            ("JobFailures", Measure::Count(u32::from(has_failed))),
        ];
        lines.write_json(&RunLine {
            timestamp: self.at,
            level: level.as_str(),
            message: "job",
            request_id: self.id,
            trace_id: self.trace,
            job: self.job,
            duration_ms,
            summary: self.outcome.ok(),
            cause: self.outcome.err(),
            store_trips: self.store.trips,
            store_retries: self.store.retries,
            embedded: function.map(|function| Embedded {
                at: self.at,
                function,
                metrics: &metrics,
                directives: RUN.get_or_init(|| directives(&metrics)),
            }),
        });
    }
}

#[derive(Serialize)]
struct RequestLine<'a> {
    timestamp: Timestamp,
    level: &'static str,
    message: &'static str,
    request_id: &'a str,
    trace_id: TraceId,
    method: &'static str,
    route: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    duration_ms: f64,
    #[serde(flatten)]
    identity: Option<Identity>,
    store_trips: u32,
    store_retries: u32,
    cold_start: bool,
    #[serde(flatten)]
    embedded: Option<Embedded<'a>>,
}

#[derive(Serialize)]
struct RunLine<'a> {
    timestamp: Timestamp,
    level: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<TraceId>,
    job: &'static str,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    store_trips: u32,
    store_retries: u32,
    #[serde(flatten)]
    embedded: Option<Embedded<'a>>,
}

/// Metrics as members of a line, and the member that says that they are some.
struct Embedded<'a> {
    at: Timestamp,
    function: &'a str,
    metrics: &'a [(&'static str, Measure)],
    directives: &'a RawValue,
}

#[derive(Clone, Copy)]
enum Measure {
    Count(u32),
    Millis(f64),
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(rename = "Timestamp")]
    at: i64,
    #[serde(rename = "CloudWatchMetrics")]
    directives: &'a RawValue,
}

/// What says that a request's members are metrics, and a run's: the same on every line, so it is written once.
static REQUEST: OnceLock<Box<RawValue>> = OnceLock::new();
static RUN: OnceLock<Box<RawValue>> = OnceLock::new();

fn directives(metrics: &[(&'static str, Measure)]) -> Box<RawValue> {
    to_raw_value(&[Directive {
        namespace: NAMESPACE,
        dimensions: [[DIMENSION]],
        metrics: Definitions(metrics),
    }])
    .expect("names and units can be written")
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'static str,
    dimensions: [[&'static str; 1]; 1],
    metrics: Definitions<'a>,
}

struct Definitions<'a>(&'a [(&'static str, Measure)]);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: &'static str,
}

impl Serialize for Embedded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry(DIMENSION, self.function)?;
        for (name, measure) in self.metrics {
            match measure {
                Measure::Count(count) => members.serialize_entry(name, count)?,
                Measure::Millis(millis) => members.serialize_entry(name, millis)?,
            }
        }
        members.serialize_entry(
            "_aws",
            &Metadata {
                at: self.at.as_millis(),
                directives: self.directives,
            },
        )?;
        members.end()
    }
}

impl Serialize for Definitions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|&(name, measure)| Definition {
            name,
            unit: match measure {
                Measure::Count(_) => "Count",
                Measure::Millis(_) => "Milliseconds",
            },
        }))
    }
}

/// In milliseconds, to the microsecond.
pub(crate) fn millis(duration: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "what loses precision takes centuries")]
    let micros = duration.as_micros() as f64;
    micros / 1000.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// What was written so far.
    fn read_now(reader: &mut UnixStream) -> String {
        let mut bytes = vec![0; 4 * ATOMIC];
        match reader.read(&mut bytes) {
            Ok(length) => String::from_utf8(bytes[..length].to_vec()).unwrap(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => String::new(),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_thread_that_says_when_it_parks_writes_then_and_before_it_has_too_many() {
        let (mut reader, writer) = UnixStream::pair().unwrap();
        reader.set_nonblocking(true).unwrap();
        let lines = LogSink::into_file(Some(OwnedFd::from(writer).into()));
        let thread = std::thread::spawn(move || {
            lines.write_json(&"at once");
            assert_eq!(read_now(&mut reader), "\"at once\"\n");
            thread_parks();
            lines.write_json(&0);
            assert_eq!(read_now(&mut reader), "");
            thread_parks();
            assert_eq!(read_now(&mut reader), "0\n");
            lines.write_json(&1);
            lines.clone().write_all(b"text\n").unwrap();
            assert_eq!(read_now(&mut reader), "1\ntext\n");

            lines.write_json(&"waits");
            let unfinished = AssertUnwindSafe(|| {
                lines.write(|json| {
                    json.serialize_map(None).unwrap().serialize_entry("a", &1).unwrap();
                    panic!("on purpose");
                });
            });
            catch_unwind(unfinished).unwrap_err();
            lines.write_json(&"after");
            assert_eq!(read_now(&mut reader), "\"waits\"\n\"after\"\n");
            thread_parks();

            let long = "x".repeat(ATOMIC - 4);
            lines.write_json(&2);
            lines.write_json(&long);
            assert_eq!(read_now(&mut reader), "2\n");
            lines.write_json(&"x".repeat(2 * ATOMIC));
            assert_eq!(read_now(&mut reader).len(), ATOMIC - 1 + 2 * ATOMIC + 3);
            lines.write_json(&3);
            let other = Arc::new(std::sync::Mutex::new(0));
            let taken = other.clone();
            LogSink::from_fn(move |line| *taken.lock().unwrap() += line.len()).write_json(&4);
            assert_eq!(*other.lock().unwrap(), 2);
            assert_eq!(read_now(&mut reader), "3\n");
            lines.write_json(&5);
            assert_eq!(read_now(&mut reader), "");
            reader
        });
        let mut reader = thread.join().unwrap();
        assert_eq!(read_now(&mut reader), "5\n");
    }

    #[test]
    fn lines_of_many_threads_stay_whole_however_long_they_are() {
        const LINES: usize = 200;
        const LENGTHS: [usize; 4] = [40, ATOMIC - 3, 3 * ATOMIC, 100_000];
        let (reader, writer) = io::pipe().unwrap();
        let lines = LogSink::into_file(Some(OwnedFd::from(writer).into()));
        let writers = LENGTHS.map(|length| {
            let lines = lines.clone();
            std::thread::spawn(move || {
                for number in 0..LINES {
                    lines.write_json(&"x".repeat(length));
                    if number % 20 == 19 {
                        thread_parks();
                    }
                }
            })
        });
        drop(lines);
        let mut seen = BTreeMap::new();
        for line in BufReader::new(reader).lines() {
            let line: String = serde_json::from_str(&line.unwrap()).unwrap();
            *seen.entry(line.len()).or_default() += 1;
        }
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(seen, LENGTHS.map(|length| (length, LINES)).into());
    }

    #[test]
    fn a_line_that_is_made_while_another_one_is_does_not_mix_with_it() {
        let kept = Arc::new(std::sync::Mutex::new(Vec::new()));
        let keep = kept.clone();
        let lines = LogSink::from_fn(move |line| keep.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap()));
        lines.write(|json| {
            let mut members = json.serialize_map(None).unwrap();
            members.serialize_entry("a", &1).unwrap();
            lines.write_json(&"inner");
            members.end().unwrap();
        });
        assert_eq!(*kept.lock().unwrap(), ["\"inner\"\n", "{\"a\":1}\n"]);
    }
}
