//! The progress of a long command, on standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::Instant;

/// The time between two reports: on a terminal they replace each other, elsewhere each is a line.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(200);
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Reports how many entries a command has handled.
pub(super) struct Progress {
    verb: &'static str,
    is_terminal: bool,
    reported: Instant,
    has_line: bool,
}

impl Progress {
    /// `verb` says what the command does with an entry.
    pub(super) fn new(verb: &'static str) -> Self {
        Self {
            verb,
            is_terminal: io::stderr().is_terminal(),
            reported: Instant::now(),
            has_line: false,
        }
    }

    /// Reports the number of entries, if the last report was a while ago.
    pub(super) fn show(&mut self, entries: u64) {
        let interval = if self.is_terminal {
            TERMINAL_INTERVAL
        } else {
            LINE_INTERVAL
        };
        if self.reported.elapsed() < interval {
            return;
        }
        self.reported = Instant::now();
        self.has_line = self.is_terminal;
        let (start, end) = if self.is_terminal { ("\r", "") } else { ("", "\n") };
        // The command works as well if nothing reads its progress.
        let _ = write!(io::stderr(), "{start}{} {entries} entries{end}", self.verb);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.has_line {
            let _ = writeln!(io::stderr());
        }
    }
}
