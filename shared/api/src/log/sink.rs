//! The sink of all log lines: each thread collects complete lines, and writes them to one stream.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::{Arc, RwLock};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Serializer as JsonSerializer};

use crate::config::Stream;

/// The number of bytes that a pipe accepts as a whole: `PIPE_BUF` on Linux (pipe(7)), and at least 512 elsewhere, which
/// suffices for most lines.
const ATOMIC: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// The largest buffer that a thread keeps for its next lines, in bytes.
const MAX_KEPT: usize = 8192;

thread_local! {
    static BUFFER: Cell<Buffer> = Cell::default();
}

/// The lines of one thread that are not written yet.
#[derive(Default)]
struct Buffer {
    /// Kept and reused, because allocating memory for every line is slow.
    bytes: Vec<u8>,
    /// The length of the complete lines. Anything after them is the beginning of a line whose serialization panicked.
    complete: usize,
    /// The target of the complete lines.
    target: Option<Arc<Target>>,
    /// Whether lines may wait until the thread parks, because the thread calls [`flush_before_park`] then.
    flushes_before_park: bool,
}

impl Buffer {
    /// Writes the complete lines and discards the rest.
    fn flush(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        let complete = std::mem::take(&mut self.complete);
        if let Some(target) = self.target.take().filter(|_| complete > 0) {
            target.write(&bytes[..complete]);
        }
        bytes.clear();
        self.bytes = bytes;
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Writes this thread's lines. A runtime calls it whenever one of its threads is about to park.
///
/// From the first call on, the lines of this thread's requests wait for the next call, or until there are [`ATOMIC`]
/// bytes of them. So an idle server writes a line right after the response, and a busy one makes one system call for
/// about ten lines. A thread that never calls this writes each line immediately. Every other kind of line is written
/// immediately, together with the lines that wait: it may explain why the process ends.
///
/// Not for Lambda, which may freeze the process before a thread parks.
pub(crate) fn flush_before_park() {
    let mut buffer = BUFFER.take();
    buffer.flush();
    buffer.flushes_before_park = true;
    BUFFER.set(buffer);
}

/// The sink of log lines. Clones write to the same target.
#[derive(Clone)]
pub struct LogSink(Arc<Target>);

enum Target {
    /// Receives every line immediately.
    Function(Box<Receive>),
    /// One of the process's streams; `None` if it is closed.
    Stream(Option<SharedFile>),
}

type Receive = dyn Fn(&[u8]) + Send + Sync;

/// A file to which several threads write.
struct SharedFile {
    file: File,
    /// Locked for reading to write at most [`ATOMIC`] bytes, and for writing to write more.
    lock: RwLock<()>,
}

impl Target {
    /// Writes complete lines. A line that cannot be written is lost: the log has no other stream on which to report
    /// that.
    ///
    /// A pipe accepts up to [`ATOMIC`] bytes as a whole, whichever thread writes, so that threads need not wait for
    /// each other as they would for the lock of `std::io::Stdout`. Longer lines are rare; they are written while no
    /// other thread writes.
    fn write(&self, lines: &[u8]) {
        match self {
            Self::Function(receive) => receive(lines),
            Self::Stream(None) => {}
            Self::Stream(Some(SharedFile { file, lock })) if lines.len() <= ATOMIC => {
                let _shared = lock.read();
                let _ = (&*file).write_all(lines);
            }
            Self::Stream(Some(SharedFile { file, lock })) => {
                let _exclusive = lock.write();
                let _ = (&*file).write_all(lines);
            }
        }
    }
}

impl LogSink {
    /// A sink that passes every line, with its line break, to `receive` immediately.
    pub fn from_fn(receive: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Target::Function(Box::new(receive))))
    }

    /// A sink that writes to one of the process's streams, or nowhere if the stream is closed.
    pub(crate) fn from_stream(stream: Stream) -> Self {
        let stream = match stream {
            Stream::Output => io::stdout().as_fd().try_clone_to_owned(),
            Stream::Error => io::stderr().as_fd().try_clone_to_owned(),
        };
        Self::from_file(stream.ok().map(File::from))
    }

    fn from_file(file: Option<File>) -> Self {
        let lock = RwLock::new(());
        Self(Arc::new(Target::Stream(file.map(|file| SharedFile { file, lock }))))
    }

    /// Adds the line that `fill` writes without its line break.
    fn add(&self, may_wait: bool, fill: impl FnOnce(&mut Vec<u8>)) {
        // Taken out of the thread's storage, so that a line that is logged while another one is being made is separate
        // from it. A thread that is ending has no storage any more.
        let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
        if !buffer
            .target
            .as_ref()
            .is_some_and(|target| Arc::ptr_eq(target, &self.0))
        {
            buffer.flush();
            buffer.target = Some(self.0.clone());
        }
        let before = buffer.bytes.len();
        fill(&mut buffer.bytes);
        buffer.bytes.push(b'\n');
        buffer.complete = buffer.bytes.len();
        if before > 0 && buffer.complete > ATOMIC {
            self.0.write(&buffer.bytes[..before]);
            buffer.bytes.drain(..before);
            buffer.complete -= before;
        }
        let is_stream = matches!(*self.0, Target::Stream(_));
        let waits = may_wait && buffer.flushes_before_park && buffer.complete <= ATOMIC && is_stream;
        if !waits {
            buffer.flush();
        }
        if buffer.bytes.capacity() > MAX_KEPT {
            buffer.flush();
            buffer.bytes = Vec::new();
        }
        // Dropping a buffer writes its lines: the one that this replaces, or this one if the thread has no storage any
        // more.
        let _ = BUFFER.try_with(|kept| kept.set(buffer));
    }

    /// Writes the JSON line that `fill` serializes, immediately.
    pub(crate) fn write_now(&self, fill: impl FnOnce(&mut JsonSerializer<&mut Vec<u8>, CompactFormatter>)) {
        self.add(false, |line| fill(&mut JsonSerializer::new(line)));
    }

    /// Writes the JSON line of a request or a job: immediately, or when the thread parks if it calls
    /// [`flush_before_park`].
    pub(crate) fn write_json(&self, line: &impl Serialize) {
        // Neither the serialization of a line nor its buffer can fail.
        self.add(true, |lines| drop(line.serialize(&mut JsonSerializer::new(lines))));
    }
}

/// For text lines: `tracing-subscriber` writes one complete line at a time.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use serde::Serializer as _;
    use serde::ser::SerializeMap as _;

    use super::*;

    /// The bytes that are readable without waiting.
    fn read_available(reader: &mut UnixStream) -> String {
        let mut bytes = vec![0; 4 * ATOMIC];
        match reader.read(&mut bytes) {
            Ok(length) => String::from_utf8(bytes[..length].to_vec()).unwrap(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => String::new(),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_thread_that_flushes_before_it_parks_collects_lines_until_then_or_until_the_buffer_is_full() {
        let (mut reader, writer) = UnixStream::pair().unwrap();
        reader.set_nonblocking(true).unwrap();
        let sink = LogSink::from_file(Some(OwnedFd::from(writer).into()));
        let thread = std::thread::spawn(move || {
            sink.write_json(&"immediate");
            assert_eq!(read_available(&mut reader), "\"immediate\"\n");
            flush_before_park();
            sink.write_json(&0);
            assert_eq!(read_available(&mut reader), "");
            flush_before_park();
            assert_eq!(read_available(&mut reader), "0\n");
            sink.write_json(&1);
            sink.clone().write_all(b"text\n").unwrap();
            assert_eq!(read_available(&mut reader), "1\ntext\n");

            sink.write_json(&"waits");
            let unfinished = AssertUnwindSafe(|| {
                sink.write_now(|json| {
                    json.serialize_map(None).unwrap().serialize_entry("a", &1).unwrap();
                    panic!("on purpose");
                });
            });
            catch_unwind(unfinished).unwrap_err();
            sink.write_json(&"after");
            assert_eq!(read_available(&mut reader), "\"waits\"\n\"after\"\n");
            flush_before_park();

            let long = "x".repeat(ATOMIC - 4);
            sink.write_json(&2);
            sink.write_json(&long);
            assert_eq!(read_available(&mut reader), "2\n");
            sink.write_json(&"x".repeat(2 * ATOMIC));
            assert_eq!(read_available(&mut reader).len(), ATOMIC - 1 + 2 * ATOMIC + 3);
            sink.write_json(&3);
            let other = Arc::new(std::sync::Mutex::new(0));
            let length = other.clone();
            LogSink::from_fn(move |line| *length.lock().unwrap() += line.len()).write_json(&4);
            assert_eq!(*other.lock().unwrap(), 2);
            assert_eq!(read_available(&mut reader), "3\n");
            sink.write_json(&5);
            assert_eq!(read_available(&mut reader), "");
            reader
        });
        let mut reader = thread.join().unwrap();
        assert_eq!(read_available(&mut reader), "5\n");
    }

    #[test]
    fn lines_of_any_length_from_many_threads_stay_whole() {
        const LINES: usize = 200;
        const LENGTHS: [usize; 4] = [40, ATOMIC - 3, 3 * ATOMIC, 100_000];
        let (reader, writer) = io::pipe().unwrap();
        let sink = LogSink::from_file(Some(OwnedFd::from(writer).into()));
        let writers = LENGTHS.map(|length| {
            let sink = sink.clone();
            std::thread::spawn(move || {
                for number in 0..LINES {
                    sink.write_json(&"x".repeat(length));
                    if number % 20 == 19 {
                        flush_before_park();
                    }
                }
            })
        });
        drop(sink);
        let mut counts = BTreeMap::new();
        for line in BufReader::new(reader).lines() {
            let line: String = serde_json::from_str(&line.unwrap()).unwrap();
            *counts.entry(line.len()).or_default() += 1;
        }
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(counts, LENGTHS.map(|length| (length, LINES)).into());
    }

    #[test]
    fn a_line_that_is_logged_while_another_one_is_serialized_is_separate() {
        let kept = Arc::new(std::sync::Mutex::new(Vec::new()));
        let keep = kept.clone();
        let sink = LogSink::from_fn(move |line| keep.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap()));
        sink.write_now(|json| {
            let mut members = json.serialize_map(None).unwrap();
            members.serialize_entry("a", &1).unwrap();
            sink.write_json(&"inner");
            members.end().unwrap();
        });
        assert_eq!(*kept.lock().unwrap(), ["\"inner\"\n", "{\"a\":1}\n"]);
    }
}
