//! Versions of a session: its creation and its logged changes, one version each, in the order of the audit log. Every
//! reader sees a version that was current during its operation, and a change with `If-Match` applies to that version
//! only.

use domain::SessionId;
use domain::audit::Action;
use domain::sessions::Session;

use super::observation::Observation;
use super::problems::Problems;
use super::run::Run;
use crate::history::{Call, END, Event, Reply, Tick, writer_of};

pub(super) fn check(
    id: SessionId,
    creator: &Event,
    observations: &[Observation<'_>],
    run: Run<'_>,
    problems: &mut Problems,
) {
    let versions = Versions::read(id, creator, observations, run, problems);
    for observation in observations {
        if let Some(session) = observation.session() {
            versions.check_observation(observation, session, problems);
        }
    }
    for event in &run.history.events {
        versions.check_precondition(event, problems);
    }
}

struct Versions<'h> {
    id: SessionId,
    /// The event that wrote each version, in order. Version 1 is at index 0.
    writers: Vec<&'h Event>,
    /// The tick by which each version was certainly written. One more entry, [`END`], closes the list.
    written_by: Vec<Tick>,
}

impl<'h> Versions<'h> {
    fn read(
        id: SessionId,
        creator: &'h Event,
        observations: &[Observation<'_>],
        run: Run<'h>,
        problems: &mut Problems,
    ) -> Self {
        let mut writers = vec![creator];
        let mut is_deleted = false;
        for (event, action) in run.trail.changes(id) {
            let number = event.number;
            problems.unless(!is_deleted, || {
                format!("#{number} changed session {id} after its deletion")
            });
            let version = writers.len() as u64;
            let expected = event.call.expected_version();
            problems.unless(expected.is_none_or(|expected| expected == version), || {
                format!("#{number} expected version {expected:?} of {id} and was applied to version {version}")
            });
            if matches!(action, Action::SessionDeleted { .. }) {
                is_deleted = true;
                continue;
            }
            let previous = writers.last().and_then(|writer| writer.call.written_path());
            problems.unless(event.call.written_path() != previous, || {
                format!("#{number} wrote a version of {id} that equals the previous one")
            });
            writers.push(event);
        }
        let mut written_by = vec![END; writers.len() + 1];
        for index in (0..writers.len()).rev() {
            let seen = observations
                .iter()
                .filter(|observation| observation.session().is_some_and(|session| index_of(session) == index));
            let seen = seen.map(|observation| observation.replied).min().unwrap_or(END);
            written_by[index] = seen.min(writers[index].executed_by()).min(written_by[index + 1]);
        }
        Self {
            id,
            writers,
            written_by,
        }
    }

    /// Whether the version at `index` may have been current at some time from `called` to `replied`.
    fn may_be_current(&self, index: usize, called: Tick, replied: Tick) -> bool {
        self.writers[index].called < replied && self.written_by[index + 1] >= called
    }

    /// The observed session equals a written version that may have been current; the final store has the last one.
    fn check_observation(&self, observation: &Observation<'_>, session: &Session, problems: &mut Problems) {
        let (id, observer, index) = (self.id, observation.observer(), index_of(session));
        let Some(writer) = self.writers.get(index) else {
            problems.add(format!(
                "{observer} found {session:?}, and only {} versions were written",
                self.writers.len()
            ));
            return;
        };
        let times = self.writers[..=index].iter().map(|event| event.at);
        let is_as_written = writer_of(session.workspace_path.as_str()) == writer.call.written_path()
            && writer_of(session.name.as_str()) == self.writers[0].call.written_path()
            && session.created_at == self.writers[0].at
            && Some(session.updated_at) == times.max();
        problems.unless(is_as_written, || {
            format!("{observer} found {session:?}, which #{} did not write", writer.number)
        });
        problems.unless(
            self.may_be_current(index, observation.called, observation.replied),
            || {
                format!(
                    "{observer} found version {} of {id}, which was not current",
                    session.version
                )
            },
        );
        let is_last = observation.by.is_some() || index + 1 == self.writers.len();
        problems.unless(is_last, || {
            format!("version {} of {id} was written and is not stored", self.writers.len())
        });
    }

    /// A change returns its own version, and a failed precondition names a version that may have been current.
    fn check_precondition(&self, event: &Event, problems: &mut Problems) {
        let (id, number) = (self.id, event.number);
        let expected = event.call.expected_version();
        match (&event.call, &event.reply) {
            (Call::Change { id: of, .. }, Reply::Session(session)) if *of == id => {
                let written = self.writers.iter().position(|writer| writer.number == number);
                let is_right = match written {
                    Some(index) => index_of(session) == index,
                    // The session already had this path, so the event changed nothing.
                    None => {
                        writer_of(session.workspace_path.as_str()) == event.call.written_path()
                            && expected.is_none_or(|expected| expected == session.version)
                    }
                };
                problems.unless(is_right, || {
                    format!("#{number} expected version {expected:?} and returned {session:?}, which it did not write")
                });
            }
            (Call::Change { id: of, .. } | Call::Delete { id: of, .. }, Reply::PreconditionFailed) if *of == id => {
                let differs = |index: &usize| expected.is_some_and(|expected| expected != *index as u64 + 1);
                let mut others = (0..self.writers.len()).filter(differs);
                problems.unless(
                    others.any(|index| self.may_be_current(index, event.called, event.replied)),
                    || format!("#{number} was rejected with the current version of {id}"),
                );
            }
            _ => {}
        }
    }
}

/// The index of a session's version. Version 0 does not exist and maps to an index that is never written.
fn index_of(session: &Session) -> usize {
    usize::try_from(session.version)
        .expect("a run writes few versions")
        .wrapping_sub(1)
}
