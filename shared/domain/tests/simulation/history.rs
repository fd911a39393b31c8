//! The history of a run: every call of an operation, its reply, and the order of both.
//!
//! Clients record into it through a [`Recorder`]; the [`checks`](crate::checks) then decide whether the history is
//! possible. Each event has a number, and everything that its operation writes contains that number ([`mark`]). So a
//! check can tell which event wrote a value that another event read.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::audit::{self, ActionName, Direction};
use domain::logins::{Login, RefreshToken, SignedIn};
use domain::sessions::Session;
use domain::throttle::DeviceToken;
use domain::usage::Usage;
use domain::users::profile::Account;
use domain::{Address, Caller, Error, Limits, LoginId, SessionId, Timestamp};
use kv::Cause;

/// A logical time of the run: the calls and replies are numbered in the order in which they happen, even if no time
/// passes between them.
pub(crate) type Tick = u64;

/// After every other tick.
pub(crate) const END: Tick = Tick::MAX;

/// What a reader of the audit log selects.
pub(crate) type Selection = (Direction, Option<ActionName>);

/// An operation and its arguments. Names, passwords and paths are given as the number of the event that introduced
/// them.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    /// `key` is the idempotency key. `names` and `password` are the event's own, or those of an earlier registration.
    Register {
        email: String,
        key: Option<u32>,
        names: usize,
        password: usize,
    },
    /// `password` is the event that set the password; `None` is a password that no account has. `device` is a device
    /// token that an earlier reply for this email contained.
    LogIn {
        email: String,
        password: Option<usize>,
        device: Option<DeviceToken>,
    },
    /// `from` is the event whose reply contained the token.
    Refresh {
        token: RefreshToken,
        #[expect(dead_code, reason = "shown in the printed history, where the token is hidden")]
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
    /// `current` is the event that set the password sent as the current one.
    ChangePassword {
        caller: Caller,
        current: Option<usize>,
    },
    /// `password` is the event that set the password sent.
    Reauthenticate {
        caller: Caller,
        password: Option<usize>,
    },
    GetAccount {
        caller: Caller,
    },
    /// Sets the last name and the company to the event's mark, and a preference of the event's own. `expects` is the
    /// version in `If-Match`.
    ChangeProfile {
        caller: Caller,
        expects: Option<u64>,
    },
    /// `reader` is the client's number. The listing continues where its previous page with this selection ended.
    ReadAudit {
        caller: Caller,
        reader: usize,
        listing: audit::Listing,
    },
    /// `draft` is the event that first sent this draft: this one or an earlier one.
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
    /// `path` is the event that introduced the new path. `expects` is the version in `If-Match`.
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

impl Call {
    /// The caller, if the operation requires an active login.
    pub(crate) fn authority(&self) -> Option<&Caller> {
        match self {
            Self::Create { caller, .. }
            | Self::Get { caller, .. }
            | Self::List { caller }
            | Self::Change { caller, .. }
            | Self::Delete { caller, .. }
            | Self::ListLogins { caller }
            | Self::EndLogin { caller, .. }
            | Self::LogOutEverywhere { caller }
            | Self::ChangePassword { caller, .. }
            | Self::Reauthenticate { caller, .. }
            | Self::GetAccount { caller }
            | Self::ChangeProfile { caller, .. }
            | Self::ReadAudit { caller, .. } => Some(caller),
            Self::Register { .. } | Self::LogIn { .. } | Self::Refresh { .. } | Self::LogOut { .. } | Self::Sweep => {
                None
            }
        }
    }

    /// Whether repeating the call has no further effect.
    pub(crate) fn has_idempotency_key(&self) -> bool {
        matches!(
            self,
            Self::Register { key: Some(_), .. } | Self::Create { key: Some(_), .. }
        )
    }

    /// The event that introduced the path which this call writes into a session.
    pub(crate) fn written_path(&self) -> Option<usize> {
        match self {
            Self::Create { draft, .. } => Some(*draft),
            Self::Change { path, .. } => Some(*path),
            _ => None,
        }
    }

    /// The version of the session or of the account that the call requires.
    pub(crate) fn expected_version(&self) -> Option<u64> {
        match self {
            Self::Change { expects, .. } | Self::Delete { expects, .. } | Self::ChangeProfile { expects, .. } => {
                *expects
            }
            _ => None,
        }
    }
}

/// The result of a call.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    SignedIn(Box<SignedIn>),
    Session(Box<Session>),
    /// The session that an earlier request with the same idempotency key created.
    SessionReplayed(Box<Session>),
    Sessions(Vec<Session>),
    Logins(Vec<Login>),
    Account(Box<Account>),
    Audit(audit::ops::Page),
    Done,
    /// The number of logins that the operation ended.
    Ended(usize),
    EmailTaken,
    InvalidCredentials,
    InvalidRefreshToken,
    TooManyAttempts(Duration),
    QuotaExceeded(Usage),
    NotFound,
    IdempotencyMismatch,
    PreconditionFailed,
    Revoked,
    ReauthenticationRequired,
    /// The operation may have taken effect, or may still do so.
    Unknown,
    /// The operation did not take effect and never will.
    NotExecuted,
    /// A reply that no operation may give.
    Unexpected(String),
}

impl Reply {
    /// The names of the replies that must occur, so that no case stays untested.
    pub(crate) const NAMES: [&str; 21] = [
        "signed in",
        "session",
        "session replayed",
        "sessions",
        "logins",
        "account",
        "audit events",
        "done",
        "ended",
        "email taken",
        "invalid credentials",
        "invalid refresh token",
        "too many attempts",
        "quota exceeded",
        "not found",
        "idempotency mismatch",
        "precondition failed",
        "revoked",
        "reauthentication required",
        "unknown",
        "not executed",
    ];

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::SignedIn(_) => "signed in",
            Self::Session(_) => "session",
            Self::SessionReplayed(_) => "session replayed",
            Self::Sessions(_) => "sessions",
            Self::Logins(_) => "logins",
            Self::Account(_) => "account",
            Self::Audit(_) => "audit events",
            Self::Done => "done",
            Self::Ended(_) => "ended",
            Self::EmailTaken => "email taken",
            Self::InvalidCredentials => "invalid credentials",
            Self::InvalidRefreshToken => "invalid refresh token",
            Self::TooManyAttempts(_) => "too many attempts",
            Self::QuotaExceeded(_) => "quota exceeded",
            Self::NotFound => "not found",
            Self::IdempotencyMismatch => "idempotency mismatch",
            Self::PreconditionFailed => "precondition failed",
            Self::Revoked => "revoked",
            Self::ReauthenticationRequired => "reauthentication required",
            Self::Unknown => "unknown",
            Self::NotExecuted => "not executed",
            Self::Unexpected(_) => "unexpected",
        }
    }

    /// Whether the reply states that the operation took effect.
    pub(crate) fn is_success(&self) -> bool {
        matches!(
            self,
            Self::SignedIn(_)
                | Self::Session(_)
                | Self::SessionReplayed(_)
                | Self::Sessions(_)
                | Self::Logins(_)
                | Self::Account(_)
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
            Error::InvalidRefreshToken(_) => Self::InvalidRefreshToken,
            Error::TooManyAttempts { wait, .. } => Self::TooManyAttempts(wait),
            Error::QuotaExceeded(usage) => Self::QuotaExceeded(usage),
            Error::NotFound | Error::ForeignId => Self::NotFound,
            Error::IdempotencyMismatch => Self::IdempotencyMismatch,
            Error::PreconditionFailed => Self::PreconditionFailed,
            Error::Revoked => Self::Revoked,
            Error::ReauthenticationRequired => Self::ReauthenticationRequired,
            Error::Store(kv::Error::Unavailable {
                cause: Cause::Undecided { .. },
            }) => Self::Unknown,
            Error::Store(kv::Error::Unavailable { .. } | kv::Error::Full { .. }) => Self::NotExecuted,
            error => Self::Unexpected(error.to_string()),
        }
    }
}

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

/// All events of a run, by number, and the limits that were in force.
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

    pub(crate) fn history(&self, limits: &Limits) -> History {
        History {
            limits: *limits,
            events: self.recording().events.clone(),
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
