//! The history of a run: every call of an operation, its reply, and the order of both.
//!
//! Clients record into it through a [`Recorder`]; the [`checks`](crate::checks) then decide whether the history is
//! possible. Each event has a number, and everything that its operation writes contains that number ([`mark`]). So a
//! check can tell which event wrote a value that another event read.

mod call;
mod reply;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::audit::{ActionName, Direction};
use domain::mail::{self, Mail};
use domain::users::profile::Account;
use domain::{Address, Caller, Limits, LoginId, Timestamp};

pub(crate) use self::call::Call;
pub(crate) use self::reply::Reply;

/// A logical time of the run: the calls and replies are numbered in the order in which they happen, even if no time
/// passes between them.
pub(crate) type Tick = u64;

/// After every other tick.
pub(crate) const END: Tick = Tick::MAX;

/// What a reader of the audit log selects.
pub(crate) type Selection = (Direction, Option<ActionName>);

/// One call with its reply.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// The position in the history, which identifies the event.
    pub(crate) number: usize,
    pub(crate) call: Call,
    pub(crate) called: Tick,
    /// The time of the call on the clock of the serving process, which the operation uses.
    pub(crate) at: Timestamp,
    /// The client address.
    pub(crate) address: Option<Address>,
    pub(crate) reply: Reply,
    pub(crate) replied: Tick,
    /// The times of call and reply on the run's clock, in milliseconds.
    pub(crate) millis: (u128, u128),
    /// How many password verifications the operation made.
    pub(crate) verifications: u64,
}

impl Event {
    /// Whether the operation may have taken effect.
    pub(crate) fn may_have_executed(&self) -> bool {
        self.reply.is_success() || matches!(self.reply, Reply::Unknown)
    }

    /// The tick by which the operation certainly took effect; [`END`] if that is not certain.
    pub(crate) fn executed_by(&self) -> Tick {
        if self.reply.is_success() { self.replied } else { END }
    }

    /// The time of the reply on the clock of the serving process.
    pub(crate) fn replied_at(&self) -> Timestamp {
        let millis = u64::try_from(self.millis.1 - self.millis.0).expect("a run is short");
        self.at.plus(Duration::from_millis(millis))
    }
}

/// An attempt of a mailer to send an email.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) mail: Mail,
    /// The times of its beginning and end.
    pub(crate) started: Tick,
    pub(crate) ended: Tick,
    pub(crate) outcome: Result<(), mail::Failure>,
}

/// The events of a run in the order of their numbers, and the limits that were in force.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) limits: Limits,
    pub(crate) events: Vec<Event>,
    /// In the order of their ends.
    pub(crate) sendings: Vec<Sending>,
}

impl History {
    /// The event with this number, unless the history is without it.
    pub(crate) fn event(&self, number: usize) -> Option<&Event> {
        let index = self.events.binary_search_by_key(&number, |event| event.number);
        self.events.get(index.ok()?)
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.limits)?;
        for event in &self.events {
            writeln!(
                f,
                "#{} {}-{} ms ({}-{}) at {} from {:?}, {} verifications, {:?}: {:?}",
                event.number,
                event.millis.0,
                event.millis.1,
                event.called,
                event.replied,
                event.at,
                event.address,
                event.verifications,
                event.call,
                event.reply
            )?;
        }
        for sending in &self.sendings {
            writeln!(f, "{sending:?}")?;
        }
        Ok(())
    }
}

/// Records events as they happen; clones record into the same history.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Recording>>);

#[derive(Default)]
struct Recording {
    tick: Tick,
    events: Vec<Event>,
    sendings: Vec<Sending>,
}

impl Recorder {
    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next call.
    pub(crate) fn next_number(&self) -> usize {
        self.recording().events.len()
    }

    /// Records a call and returns its number. Until the reply is recorded, the outcome is unknown.
    pub(crate) fn call(&self, millis: u128, at: Timestamp, address: Option<Address>, call: Call) -> usize {
        let recording = &mut *self.recording();
        recording.tick += 1;
        let number = recording.events.len();
        recording.events.push(Event {
            number,
            call,
            called: recording.tick,
            at,
            address,
            reply: Reply::Unknown,
            replied: END,
            millis: (millis, millis),
            verifications: 0,
        });
        number
    }

    pub(crate) fn reply(&self, millis: u128, number: usize, verifications: u64, reply: Reply) {
        let recording = &mut *self.recording();
        recording.tick += 1;
        let event = &mut recording.events[number];
        event.replied = recording.tick;
        event.reply = reply;
        event.millis.1 = millis;
        event.verifications = verifications;
    }

    /// The time at which a mailer begins to send an email.
    pub(crate) fn start_sending(&self) -> Tick {
        let recording = &mut *self.recording();
        recording.tick += 1;
        recording.tick
    }

    pub(crate) fn end_sending(&self, mail: Mail, started: Tick, outcome: Result<(), mail::Failure>) {
        let recording = &mut *self.recording();
        recording.tick += 1;
        let ended = recording.tick;
        recording.sendings.push(Sending {
            mail,
            started,
            ended,
            outcome,
        });
    }

    pub(crate) fn history(&self, limits: &Limits) -> History {
        let recording = self.recording();
        History {
            limits: *limits,
            events: recording.events.clone(),
            sendings: recording.sendings.clone(),
        }
    }
}

/// The login of a caller, who has one in every run.
pub(crate) fn login_of(caller: &Caller) -> LoginId {
    caller.login().expect("the caller has a login")
}

/// A text that names the event that wrote it. It is valid as a name, as a path and as a request id.
pub(crate) fn mark(number: usize) -> String {
    // Only sessions with text that is not ASCII have a text for searches.
    let suffix = if number.is_multiple_of(2) { "" } else { "/É" };
    format!("/by/{number}{suffix}")
}

/// The preference that a change of a profile sets.
pub(crate) fn preference(number: usize) -> String {
    format!("by {number}")
}

/// The events that wrote the preferences of an account.
pub(crate) fn writers_of(account: &Account) -> BTreeSet<usize> {
    let names = account.preferences.as_map().keys();
    let numbers = names.map(|name| name.strip_prefix("by ")?.parse().ok());
    numbers
        .map(|number| number.expect("every preference names its event"))
        .collect()
}

/// The event that wrote this text.
pub(crate) fn writer_of(text: &str) -> Option<usize> {
    text.strip_prefix("/by/")?.trim_end_matches("/É").parse().ok()
}
