//! The results: printed while measuring, and written as Markdown and JSON.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::stats::Spread;

/// The folder for results and for temporary stores.
pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench");

/// One measurement beside its baseline.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) name: String,
    /// The engine of the measured store, or that the programs are built with; empty if it makes no difference.
    pub(crate) engine: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) measured: Spread,
    /// Name of the baseline: a lower bound, or a limit.
    pub(crate) baseline_name: &'static str,
    pub(crate) baseline: Spread,
    /// Measured value divided by baseline.
    pub(crate) ratio: Spread,
    pub(crate) goal: Goal,
}

/// The required ratio.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Reported without a goal.
    None,
}

impl Goal {
    pub(crate) fn is_met_by(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(bound) => ratio <= bound,
            Self::AtLeast(bound) => ratio >= bound,
            Self::None => true,
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "≤ {bound:.2}"),
            Self::AtLeast(bound) => write!(f, "≥ {bound:.2}"),
            Self::None => Ok(()),
        }
    }
}

impl Row {
    /// A row of several rounds; each measured value has a baseline of the same round.
    pub(crate) fn paired(
        name: impl Into<String>,
        unit: &'static str,
        measured: &[f64],
        (baseline_name, baseline): (&'static str, &[f64]),
        goal: Goal,
    ) -> Self {
        Self {
            name: name.into(),
            engine: "",
            unit,
            measured: Spread::of(measured.iter().copied()),
            baseline_name,
            baseline: Spread::of(baseline.iter().copied()),
            ratio: Spread::of_ratios(measured, baseline),
            goal,
        }
    }

    /// A row of one number.
    pub(crate) fn single(
        name: impl Into<String>,
        unit: &'static str,
        measured: f64,
        (baseline_name, baseline): (&'static str, f64),
        goal: Goal,
    ) -> Self {
        Self::paired(name, unit, &[measured], (baseline_name, &[baseline]), goal)
    }

    /// The row with its engine.
    pub(crate) fn on(self, engine: &'static str) -> Self {
        Self { engine, ..self }
    }

    pub(crate) fn is_met(&self) -> bool {
        self.goal.is_met_by(self.ratio.median)
    }

    fn verdict(&self) -> &'static str {
        match self.goal {
            Goal::None => "",
            _ if self.is_met() => "yes",
            _ => "NO",
        }
    }
}

/// All rows of one run.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: Machine,
    rows: Vec<Row>,
}

/// The machine of the run; numbers of different machines are not comparable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Machine {
    processor: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
    rustc: String,
    date: String,
}

impl Machine {
    fn current() -> Self {
        let read = |file| std::fs::read_to_string(file).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_once(':'));
            value.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let memory_kib: u64 = memory
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name"),
            cores: cores(),
            memory_gib: memory_kib.div_ceil(1 << 20),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            rustc: output_of("rustc", &["--version"]),
            date: output_of("date", &["-u", "+%F"]),
        }
    }

    fn describe(&self) -> String {
        let Self {
            processor,
            cores,
            memory_gib,
            kernel,
            rustc,
            date,
        } = self;
        format!("{processor}, {cores} cores, {memory_gib} GiB, Linux {kernel}, {rustc}, {date}")
    }
}

/// The number of threads that can run in parallel.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

impl Report {
    pub(crate) fn of(rows: Vec<Row>) -> Self {
        Self {
            machine: Machine::current(),
            rows,
        }
    }

    /// Writes `NAME.json` and `NAME.md`.
    pub(crate) fn write(&self, name: &str) -> std::io::Result<()> {
        let folder = Path::new(FOLDER);
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(format!("{name}.json")), serde_json::to_vec_pretty(self)?)?;
        std::fs::write(folder.join(format!("{name}.md")), self.markdown())
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "Measured on {}. Medians; quartiles of the ratio in brackets.\n\n\
             | measurement | engine | measured | baseline | | ratio | goal | met |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            self.machine.describe()
        );
        for row in &self.rows {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                row.name,
                row.engine,
                number(row.measured.median, row.unit),
                row.baseline_name,
                number(row.baseline.median, row.unit),
                ratio(&row.ratio),
                row.goal,
                row.verdict(),
            );
        }
        text
    }
}

/// Prints a row as soon as it is measured.
pub(crate) fn print(row: &Row) {
    println!(
        "{:<58} {:>14} {:>14}  {:<24} {:<9} {:<4} ({})",
        row.name,
        number(row.measured.median, row.unit),
        number(row.baseline.median, row.unit),
        ratio(&row.ratio),
        row.goal.to_string(),
        row.verdict(),
        row.baseline_name,
    );
}

fn ratio(spread: &Spread) -> String {
    if spread.of == 1 {
        format!("{:.2}", spread.median)
    } else {
        format!("{:.2} [{:.2}, {:.2}]", spread.median, spread.low, spread.high)
    }
}

/// Three significant digits, with the unit.
fn number(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(measured: f64, goal: Goal) -> Row {
        Row::single("a measurement", "ms", measured, ("a bound", 2.0), goal)
    }

    #[test]
    fn a_goal_is_met_on_its_own_side() {
        assert!(row(4.0, Goal::AtMost(2.0)).is_met());
        assert!(!row(4.1, Goal::AtMost(2.0)).is_met());
        assert!(row(4.0, Goal::AtLeast(2.0)).is_met());
        assert!(!row(3.9, Goal::AtLeast(2.0)).is_met());
    }

    #[test]
    fn the_table_marks_missed_goals() {
        let rows = vec![row(5.0, Goal::AtMost(2.0)), row(3.0, Goal::AtMost(2.0)).on("LMDB")];
        let text = Report::of(rows).markdown();
        assert!(
            text.contains("| a measurement |  | 5 ms | a bound | 2 ms | 2.50 | ≤ 2.00 | NO |"),
            "{text}"
        );
        assert!(
            text.contains("| a measurement | LMDB | 3 ms | a bound | 2 ms | 1.50 | ≤ 2.00 | yes |"),
            "{text}"
        );
    }
}
