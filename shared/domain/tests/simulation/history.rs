//! What was asked, what was answered, and in which order.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::audit::{self, Position};
use domain::logins::{Login, RefreshToken, SignedIn};
use domain::page::Cursor;
use domain::sessions::Session;
use domain::{Address, Caller, Error, Limits, LoginId, SessionId, Timestamp};
use kv::Cause;

/// A moment of a run. No two events share one, even if no time passes between them.
pub(crate) type Tick = u64;

/// After everything else.
pub(crate) const END: Tick = Tick::MAX;

/// An operation that was asked for. What it writes carries its number: see [`mark`].
#[derive(Debug, Clone)]
pub(crate) enum Call {
    /// With a key, the names of the call that this number has, and the password that this call sets: its own, or those of one before it.
    Register {
        email: String,
        key: Option<u32>,
        names: usize,
        password: usize,
    },
    /// With the password that this call has set; with nobody's if it is `None`.
    LogIn {
        email: String,
        password: Option<usize>,
    },
    /// With a token that this call was answered.
    Refresh {
        token: RefreshToken,
        #[expect(dead_code, reason = "for whoever reads the history: tokens do not show themselves")]
        from: usize,
    },
    LogOut {
        caller: Caller,
    },
    ListLogins {
        caller: Caller,
    },
    EndLogin {
        caller: Caller,
        id: LoginId,
    },
    LogOutEverywhere {
        caller: Caller,
    },
    /// From the password that this call has set.
    ChangePassword {
        caller: Caller,
        current: Option<usize>,
    },
    /// By the client with this number, from where it had stopped.
    ReadAudit {
        caller: Caller,
        reader: usize,
        after: Option<Cursor>,
        limit: usize,
    },
    /// With a key, and the draft of this call: its own, or one before it.
    Create {
        caller: Caller,
        key: Option<u32>,
        draft: usize,
    },
    Get {
        caller: Caller,
        id: SessionId,
    },
    List {
        caller: Caller,
    },
    /// To the path of this call: its own, or the one that the client has seen last; from any version, or from one.
    Change {
        caller: Caller,
        id: SessionId,
        path: usize,
        expects: Option<u64>,
    },
    Delete {
        caller: Caller,
        id: SessionId,
        expects: Option<u64>,
    },
    Sweep,
}

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    SignedIn(Box<SignedIn>),
    Session(Box<Session>),
    /// What was made with the key before.
    SessionAgain(Box<Session>),
    Sessions(Vec<Session>),
    Logins(Vec<Login>),
    Audit(Vec<(Position, audit::Event)>),
    Done,
    /// So many logins were ended.
    Ended(usize),
    EmailTaken,
    InvalidCredentials,
    InvalidRefreshToken,
    TooManyAttempts(Duration),
    NotFound,
    Mismatch,
    PreconditionFailed,
    Revoked,
    /// It may have been done, or may yet be.
    Undecided,
    /// It was not done, and will not be.
    NotDone,
    /// None of those that an operation may be answered.
    Wrong(String),
}

impl Reply {
    /// The names of all replies that runs have to contain.
    pub(crate) const NAMES: [&str; 18] = [
        "signed in",
        "a session",
        "a session again",
        "sessions",
        "logins",
        "audit events",
        "done",
        "ended",
        "email taken",
        "invalid credentials",
        "invalid refresh token",
        "too many attempts",
        "not found",
        "mismatch",
        "precondition failed",
        "revoked",
        "undecided",
        "not done",
    ];

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::SignedIn(_) => "signed in",
            Self::Session(_) => "a session",
            Self::SessionAgain(_) => "a session again",
            Self::Sessions(_) => "sessions",
            Self::Logins(_) => "logins",
            Self::Audit(_) => "audit events",
            Self::Done => "done",
            Self::Ended(_) => "ended",
            Self::EmailTaken => "email taken",
            Self::InvalidCredentials => "invalid credentials",
            Self::InvalidRefreshToken => "invalid refresh token",
            Self::TooManyAttempts(_) => "too many attempts",
            Self::NotFound => "not found",
            Self::Mismatch => "mismatch",
            Self::PreconditionFailed => "precondition failed",
            Self::Revoked => "revoked",
            Self::Undecided => "undecided",
            Self::NotDone => "not done",
            Self::Wrong(_) => "wrong",
        }
    }

    /// Whether it says that the operation has done what it does.
    pub(crate) fn is_success(&self) -> bool {
        matches!(
            self,
            Self::SignedIn(_)
                | Self::Session(_)
                | Self::SessionAgain(_)
                | Self::Sessions(_)
                | Self::Logins(_)
                | Self::Audit(_)
                | Self::Done
                | Self::Ended(_)
        )
    }
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        match error {
            Error::EmailTaken => Self::EmailTaken,
            Error::InvalidCredentials => Self::InvalidCredentials,
            Error::InvalidRefreshToken => Self::InvalidRefreshToken,
            Error::TooManyAttempts { wait } => Self::TooManyAttempts(wait),
            Error::NotFound => Self::NotFound,
            Error::IdempotencyMismatch => Self::Mismatch,
            Error::PreconditionFailed => Self::PreconditionFailed,
            Error::Revoked => Self::Revoked,
            Error::Store(kv::Error::Unavailable {
                cause: Cause::Undecided { .. },
            }) => Self::Undecided,
            Error::Store(kv::Error::Unavailable { .. }) => Self::NotDone,
            error => Self::Wrong(error.to_string()),
        }
    }
}

/// One operation from its call to its reply.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Its number, which tells it from all others of the run.
    pub(crate) number: usize,
    pub(crate) call: Call,
    pub(crate) called: Tick,
    /// When it was called, by the clock of the process that served it. Operations go by this time.
    pub(crate) at: Timestamp,
    /// From where.
    pub(crate) address: Option<Address>,
    pub(crate) reply: Reply,
    pub(crate) replied: Tick,
    /// When, on the run's clock, in milliseconds.
    pub(crate) millis: (u128, u128),
    /// How many passwords it had verified.
    pub(crate) compared: u64,
}

impl Event {
    /// Whether it may have done what it does.
    pub(crate) fn may_be_done(&self) -> bool {
        self.reply.is_success() || matches!(self.reply, Reply::Undecided)
    }

    /// Until when it was certainly over, by the clock of its process.
    pub(crate) fn over_at(&self) -> Timestamp {
        let millis = u64::try_from(self.millis.1 - self.millis.0).expect("a run is short");
        self.at.plus(Duration::from_millis(millis))
    }

    /// When it was told to be done, at the latest.
    pub(crate) fn done_by(&self) -> Tick {
        if self.reply.is_success() { self.replied } else { END }
    }
}

/// All that happened in a run, by number, and the limits in force.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) limits: Limits,
    pub(crate) events: Vec<Event>,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.limits)?;
        for event in &self.events {
            writeln!(
                f,
                "#{} {}-{} ms ({}-{}) at {} from {:?}, {} verified, {:?}: {:?}",
                event.number,
                event.millis.0,
                event.millis.1,
                event.called,
                event.replied,
                event.at,
                event.address,
                event.compared,
                event.call,
                event.reply
            )?;
        }
        Ok(())
    }
}

/// Records the events of a run as they happen.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Recording>>);

#[derive(Default)]
struct Recording {
    tick: Tick,
    events: Vec<Event>,
}

impl Recorder {
    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number that the next call gets.
    pub(crate) fn next(&self) -> usize {
        self.recording().events.len()
    }

    /// Records a call and gives it its number. Until its reply is recorded it is undecided.
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
            reply: Reply::Undecided,
            replied: END,
            millis: (millis, millis),
            compared: 0,
        });
        number
    }

    pub(crate) fn reply(&self, millis: u128, number: usize, compared: u64, reply: Reply) {
        let recording = &mut *self.recording();
        recording.tick += 1;
        let event = &mut recording.events[number];
        event.replied = recording.tick;
        event.reply = reply;
        event.millis.1 = millis;
        event.compared = compared;
    }

    pub(crate) fn history(&self, limits: Limits) -> History {
        History {
            limits,
            events: self.recording().events.clone(),
        }
    }
}

/// The text that says which event wrote it.
pub(crate) fn mark(number: usize) -> String {
    format!("/by/{number}")
}

/// Which event wrote this text.
pub(crate) fn marked(text: &str) -> Option<usize> {
    text.strip_prefix("/by/")?.parse().ok()
}
