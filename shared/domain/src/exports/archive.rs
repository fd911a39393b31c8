//! Zip files of JSON lines, in parts of a limited size.

use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::task::yield_now;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::error::{Error, Result};
use crate::scan::YIELD_BYTES;
use crate::time::Timestamp;

/// More bytes than a part has. A load balancer passes on one MB of a function's response in base64.
pub const MAX_PART_BYTES: usize = 750_000;

/// The kind of a finished part.
type Part = Vec<u8>;

/// Writes lines into zip files. A file of lines that reaches into the next part continues there under another name.
pub(super) struct Archive {
    at: DateTime,
    /// The size from which a part is complete.
    part_bytes: usize,
    /// The number of the current part, from 1.
    number: usize,
    /// Boxed because the compressor is large.
    current: Option<Box<ZipWriter<Sink>>>,
    sink: Sink,
    finished: Vec<Part>,
    line: Vec<u8>,
    /// The number of bytes that were compressed since the last pause.
    pending: usize,
}

/// The bytes of a part, which the writer owns together with the archive, so that the archive knows their number.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Cursor<Vec<u8>>>>);

impl Archive {
    /// An archive of the instant `at`, whose first part has this number, and whose parts are complete at this size.
    pub(super) fn new(at: Timestamp, first: usize, part_bytes: usize) -> Self {
        Self {
            at: date_time(at),
            part_bytes,
            number: first,
            current: None,
            sink: Sink::default(),
            finished: Vec::new(),
            line: Vec::new(),
            pending: 0,
        }
    }

    /// The number of the current part.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Adds a whole file.
    pub(super) fn file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.begin(name)?;
        self.write(bytes)
    }

    /// Adds a file with these lines.
    pub(super) fn lines<T: Serialize>(&mut self, name: &str, lines: impl IntoIterator<Item = T>) -> Result<()> {
        self.begin(name)?;
        lines.into_iter().try_for_each(|line| self.push(&line))
    }

    /// Begins a file of lines in a folder; its name is the part's number.
    pub(super) fn begin_in(&mut self, folder: &str) -> Result<()> {
        self.begin(&format!("{folder}/{:04}.jsonl", self.number))
    }

    /// Adds a line to the file in this folder. If the part is complete, the line is in the next one.
    pub(super) fn line(&mut self, folder: &str, line: &impl Serialize) -> Result<()> {
        if self.sink.len() >= self.part_bytes {
            self.finish_part()?;
            self.begin_in(folder)?;
        }
        self.push(line)
    }

    /// Lets other requests of the thread run, if much was compressed since the last time.
    pub(super) async fn pause(&mut self) {
        if self.pending >= YIELD_BYTES {
            self.pending = 0;
            yield_now().await;
        }
    }

    /// The parts.
    pub(super) fn finish(mut self) -> Result<Vec<Part>> {
        self.finish_part()?;
        Ok(self.finished)
    }

    fn begin(&mut self, name: &str) -> Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(self.at);
        let sink = &self.sink;
        let writer = self
            .current
            .get_or_insert_with(|| Box::new(ZipWriter::new(sink.clone())));
        writer.start_file(name, options).map_err(failed)
    }

    fn push(&mut self, line: &impl Serialize) -> Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line).map_err(failed)?;
        self.line.push(b'\n');
        let line = std::mem::take(&mut self.line);
        self.write(&line)?;
        self.line = line;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.pending += bytes.len();
        match &mut self.current {
            Some(writer) => writer.write_all(bytes).map_err(failed),
            None => Err(failed("no file was begun")),
        }
    }

    fn finish_part(&mut self) -> Result<()> {
        let Some(writer) = self.current.take() else {
            return Ok(());
        };
        writer.finish().map_err(failed)?;
        self.finished.push(self.sink.take());
        self.number += 1;
        Ok(())
    }
}

impl Sink {
    fn with<T>(&self, body: impl FnOnce(&mut Cursor<Vec<u8>>) -> T) -> T {
        body(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn len(&self) -> usize {
        self.with(|bytes| bytes.get_ref().len())
    }

    fn take(&self) -> Vec<u8> {
        self.with(std::mem::take).into_inner()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|all| all.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Sink {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.with(|all| all.seek(to))
    }
}

/// Memory is writable, and names and lines are short: what fails is a defect.
fn failed(error: impl std::fmt::Display) -> Error {
    Error::Corrupt {
        kind: "export",
        why: error.to_string(),
    }
}

/// The time in the directory of a zip file, to two seconds and in UTC; the format has no time zone.
fn date_time(at: Timestamp) -> DateTime {
    let text = at.to_string();
    let number = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<u8>().ok());
    let parsed = (|| {
        let year = text.get(..4)?.parse().ok()?;
        let [month, day, hour, minute, second] = [5, 8, 11, 14, 17].map(|from| number(from, from + 2));
        DateTime::from_date_and_time(year, month?, day?, hour?, minute?, second?).ok()
    })();
    parsed.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;
    use zip::ZipArchive;

    use super::*;

    /// The files of a part: the name, the text and the time of each.
    fn files(part: &[u8]) -> Vec<(String, String)> {
        let mut archive = ZipArchive::new(Cursor::new(part)).unwrap();
        let read = |index| {
            let mut file = archive.by_index(index).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(file.last_modified().unwrap().to_string(), "2026-11-27 10:20:30");
            (file.name().unwrap().into_owned(), text)
        };
        (0..archive_len(part)).map(read).collect()
    }

    fn archive_len(part: &[u8]) -> usize {
        ZipArchive::new(Cursor::new(part)).unwrap().len()
    }

    fn archive() -> Archive {
        Archive::new(Timestamp::parse("2026-11-27T10:20:31Z").unwrap(), 3, 600_000)
    }

    #[test]
    fn a_part_is_a_zip_file_of_lines() {
        let mut archive = archive();
        archive.file("a.txt", b"text").unwrap();
        archive.lines("b.jsonl", [1, 2]).unwrap();
        archive.begin_in("c").unwrap();
        archive.line("c", &"three").unwrap();
        let parts = archive.finish().unwrap();
        assert_eq!(parts.len(), 1);
        let expected = [
            ("a.txt", "text"),
            ("b.jsonl", "1\n2\n"),
            ("c/0003.jsonl", "\"three\"\n"),
        ];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(files(&parts[0]), expected);
        let nothing = Archive::new(Timestamp::from_millis(0), 1, 600_000);
        assert!(nothing.finish().unwrap().is_empty());
    }

    #[tokio::test]
    async fn others_run_while_much_is_compressed() {
        let lines = async {
            let mut archive = archive();
            archive.begin_in("lines").unwrap();
            for _ in 0..100 {
                archive.line("lines", &"x".repeat(1000)).unwrap();
                archive.pause().await;
            }
        };
        let mut lines = std::pin::pin!(lines);
        let mut pauses = 0;
        while futures_util::poll!(lines.as_mut()).is_pending() {
            pauses += 1;
        }
        assert_eq!(pauses, 100 / 8, "one after 8,000 bytes");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4))]

        #[test]
        fn lines_that_do_not_compress_fill_parts_of_a_limited_size(seed: u64) {
            let mut rng = fastrand::Rng::with_seed(seed);
            let lines: Vec<String> = (0..600)
                .map(|_| (0..rng.usize(..4000)).map(|_| rng.alphanumeric()).collect())
                .collect();
            let mut archive = archive();
            archive.begin_in("lines").unwrap();
            for line in &lines {
                archive.line("lines", line).unwrap();
            }
            let parts = archive.finish().unwrap();
            prop_assert!(parts.len() > 1);
            prop_assert!(parts.iter().all(|part| part.len() < MAX_PART_BYTES));
            let mut read = Vec::new();
            for (index, part) in parts.iter().enumerate() {
                let files = files(part);
                prop_assert_eq!(files.len(), 1);
                prop_assert_eq!(&files[0].0, &format!("lines/{:04}.jsonl", index + 3));
                read.extend(files[0].1.lines().map(|line| serde_json::from_str::<String>(line).unwrap()));
            }
            prop_assert_eq!(read, lines);
        }
    }
}
