//! `infra/security/asvs.md` is complete, counts right, and names existing tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::layout::{ROOT, read};

const DOCUMENT: &str = "infra/security/asvs.md";

/// The number of requirements of the levels 1 and 2 in each assessed chapter of ASVS 5.0.0.
const REQUIREMENTS: [(&str, usize); 7] = [
    ("V2", 11),
    ("V4", 10),
    ("V6", 35),
    ("V7", 18),
    ("V8", 7),
    ("V9", 7),
    ("V16", 16),
];

const MET: &str = "met";

/// A row: the id, the level, the requirement, the status, and the tests or the reason.
struct Row {
    id: String,
    level: String,
    requirement: String,
    status: String,
    evidence: String,
}

impl Row {
    fn chapter(&self) -> &str {
        self.id.split('.').next().unwrap()
    }

    /// The named tests, each as a file and a function.
    fn tests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.evidence
            .split('`')
            .skip(1)
            .step_by(2)
            .filter_map(|code| code.split_once("::"))
    }
}

fn rows() -> Vec<Row> {
    let document = read(DOCUMENT);
    let rows = document.lines().filter(|line| line.starts_with("| V"));
    rows.map(|line| {
        let columns: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, level, requirement, status, evidence] = columns[..] else {
            panic!("{line} has not five columns");
        };
        Row {
            id: id.to_owned(),
            level: level.to_owned(),
            requirement: requirement.to_owned(),
            status: status.to_owned(),
            evidence: evidence.to_owned(),
        }
    })
    .collect()
}

#[test]
fn the_assessment_has_every_requirement_once_with_a_status_and_counts_them() {
    let rows = rows();
    let ids: BTreeSet<_> = rows.iter().map(|row| &row.id).collect();
    assert_eq!(ids.len(), rows.len(), "an id occurs twice");
    let mut chapters = BTreeMap::<_, usize>::new();
    let mut statuses = BTreeMap::<_, usize>::new();
    for row in &rows {
        assert!(row.level == "1" || row.level == "2", "{}: level {}", row.id, row.level);
        assert!(!row.requirement.is_empty() && !row.evidence.is_empty(), "{}", row.id);
        *chapters.entry(row.chapter()).or_default() += 1;
        *statuses.entry(row.status.as_str()).or_default() += 1;
    }
    assert_eq!(chapters, REQUIREMENTS.into());
    let counts = [MET, "not met", "not applicable"].map(|status| (status, statuses.remove(status).unwrap_or_default()));
    assert_eq!(statuses, BTreeMap::new(), "unknown statuses");
    let sentence = counts.map(|(status, count)| format!("{count} {status}")).join(", ");
    assert!(
        read(DOCUMENT).contains(&format!("**{sentence}**")),
        "{DOCUMENT} must say: {sentence}"
    );
}

#[test]
fn every_test_that_the_assessment_names_exists() {
    let mut named = 0;
    for row in rows() {
        let mut tests = row.tests().peekable();
        assert!(
            row.status != MET || tests.peek().is_some() || row.evidence.starts_with("no test: "),
            "{} is met, but names no test and does not say why",
            row.id
        );
        for (file, test) in tests {
            named += 1;
            let source = std::fs::read_to_string(Path::new(ROOT).join(file));
            let source = source.unwrap_or_else(|_| panic!("{}: there is no {file}", row.id));
            let is_defined = source.contains(&format!("fn {test}("));
            assert!(is_defined, "{} in {DOCUMENT}: {file} has no test {test}", row.id);
        }
    }
    assert!(named > REQUIREMENTS.len(), "{named} tests are named");
}

#[test]
fn every_document_that_the_assessment_links_to_exists() {
    let document = read(DOCUMENT);
    let links = document.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    for link in links.filter(|link| !link.starts_with("https://")) {
        let (path, heading) = link.split_once('#').expect("a link has a heading");
        let text = read(&format!("infra/security/{path}"));
        let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
        let mut anchors = headings.map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            title.replace(' ', "-")
        });
        assert!(
            anchors.any(|anchor| anchor == heading),
            "{path} has no heading {heading}"
        );
    }
}
