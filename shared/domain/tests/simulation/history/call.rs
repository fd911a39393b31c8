//! The calls of operations.

use domain::audit;
use domain::logins::RefreshToken;
use domain::throttle::DeviceToken;
use domain::usage::Quota;
use domain::{Caller, LoginId, SessionId};

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
    /// `password` is the event that set the password sent.
    ScheduleDeletion {
        caller: Caller,
        password: Option<usize>,
    },
    CancelDeletion {
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
    /// An operator's call, like the next two.
    Suspend {
        email: String,
    },
    Resume {
        email: String,
    },
    /// Sets a limit of the tenant that this user owns.
    SetLimit {
        email: String,
        quota: Quota,
        limit: Option<u64>,
    },
    /// Sends the emails that are due.
    Deliver,
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
            | Self::ScheduleDeletion { caller, .. }
            | Self::CancelDeletion { caller }
            | Self::ChangeProfile { caller, .. }
            | Self::ReadAudit { caller, .. } => Some(caller),
            Self::Register { .. }
            | Self::LogIn { .. }
            | Self::Refresh { .. }
            | Self::LogOut { .. }
            | Self::Sweep
            | Self::Suspend { .. }
            | Self::Resume { .. }
            | Self::SetLimit { .. }
            | Self::Deliver => None,
        }
    }

    /// The email of the account on which an operator acts.
    pub(crate) fn operators_target(&self) -> Option<&str> {
        match self {
            Self::Suspend { email } | Self::Resume { email } | Self::SetLimit { email, .. } => Some(email),
            _ => None,
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
