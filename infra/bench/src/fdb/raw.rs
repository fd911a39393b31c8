//! `peer-trips`: FoundationDB's client alone, which makes the trips of a plan.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::programs::program;

pub(crate) struct Raw {
    process: Child,
    /// `None` after the end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Raw {
    /// Starts the client, which keeps its records under `root` and removes them at its end.
    pub(crate) fn start(cluster_file: &str, root: &str) -> Self {
        let mut process = Command::new(program("peer-trips"))
            .args([cluster_file, root])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program is built");
        let input = process.stdin.take();
        let output = process.stdout.take().expect("standard output is piped");
        Self {
            process,
            input,
            output: BufReader::new(output),
        }
    }

    /// The time of one execution of `plan`.
    pub(crate) fn time(&mut self, plan: &str) -> Duration {
        Duration::from_secs_f64(self.ask(&format!("time {plan}"))[0] / 1e9)
    }

    /// Executions of `plan` per second by concurrent tasks.
    pub(crate) fn rate(&mut self, tasks: usize, seconds: u32, plan: &str) -> f64 {
        self.ask(&format!("rate {tasks} {seconds} {plan}"))[0]
    }

    /// Changes of one record per second by concurrent tasks, and attempts per change.
    pub(crate) fn contend(&mut self, tasks: usize, seconds: u32) -> [f64; 2] {
        let numbers = self.ask(&format!("contend {tasks} {seconds}"));
        [numbers[0], numbers[1]]
    }

    /// Removes everything under `root`.
    pub(crate) fn clear(&mut self, root: &str) {
        self.ask(&format!("clear {root}"));
    }

    fn ask(&mut self, command: &str) -> Vec<f64> {
        let input = self.input.as_mut().expect("the input is open until the end");
        writeln!(input, "{command}").expect("the client reads commands");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the output is text");
        let numbers = line.split_whitespace().map(|number| number.parse().expect("a number"));
        let numbers: Vec<f64> = numbers.collect();
        assert!(!numbers.is_empty(), "the client failed at `{command}`");
        numbers
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Its end tells the client to clear its root and to exit.
        self.input = None;
        let _ = self.process.wait();
    }
}
