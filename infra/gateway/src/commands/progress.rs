//! The progress of a long command, on standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::Instant;

/// The time between two reports on a terminal, where they replace each other.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(200);

/// The option of every long command.
#[derive(Clone, Copy, clap::Args)]
pub(super) struct Interval {
    /// Seconds between two lines of progress on standard error; 0 reports every step. A terminal shows the latest one
    #[arg(long = "progress", value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,
}

/// Reports how much a command has done.
pub(super) struct Progress {
    verb: &'static str,
    is_terminal: bool,
    interval: Duration,
    reported: Instant,
    has_line: bool,
}

impl Progress {
    /// `verb` says what the command does with an entry or with bytes.
    pub(super) fn new(verb: &'static str, interval: Interval) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self {
            verb,
            is_terminal,
            interval: if is_terminal {
                TERMINAL_INTERVAL
            } else {
                Duration::from_secs(interval.seconds)
            },
            reported: Instant::now(),
            has_line: false,
        }
    }

    /// Reports the number of entries, if the last report was a while ago.
    pub(super) fn show(&mut self, entries: u64) {
        self.show_text(|| format!("{entries} entries"));
    }

    /// Reports what the verb has been done with, if the last report was a while ago.
    pub(super) fn show_text(&mut self, done: impl FnOnce() -> String) {
        if self.reported.elapsed() < self.interval {
            return;
        }
        self.reported = Instant::now();
        self.has_line = self.is_terminal;
        let (start, end) = if self.is_terminal { ("\r", "") } else { ("", "\n") };
        // The command works as well if nothing reads its progress.
        let _ = write!(io::stderr(), "{start}{} {}{end}", self.verb, done());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.has_line {
            let _ = writeln!(io::stderr());
        }
    }
}

/// A number of bytes, for people.
#[expect(clippy::cast_precision_loss, reason = "people read one digit after the point")]
pub(super) fn bytes(number: u64) -> String {
    match number {
        0..10_000 => format!("{number} bytes"),
        10_000..1_000_000_000 => format!("{:.1} MB", number as f64 / 1e6),
        _ => format!("{:.1} GB", number as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable() {
        assert_eq!(bytes(8192), "8192 bytes");
        assert_eq!(bytes(12_345_678), "12.3 MB");
        assert_eq!(bytes(64 << 30), "68.7 GB");
    }
}
