//! The actions that the audit log records.

use serde::{Deserialize, Serialize};

use crate::id::{LoginId, SessionId};

/// Defines [`Action`] with the name of each action in the store and in the contract, so that the list exists once.
macro_rules! actions {
    ($($(#[$doc:meta])* $name:literal => $action:ident $({ $(#[$field_doc:meta])* $field:ident: $type:ty })?,)+) => {
        /// What was done.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "type", rename_all_fields = "camelCase", deny_unknown_fields)]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $name)] $action $({ $(#[$field_doc])* $field: $type })?,)+
        }

        impl Action {
            /// The names of all actions.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The action's name.
            pub fn as_str(&self) -> &'static str {
                match self {
                    $(Self::$action { .. } => $name,)+
                }
            }
        }
    };
}

actions! {
    /// The account was created.
    "user.registered" => Registered,
    /// The user logged in.
    "login.opened" => LoggedIn,
    /// An attempt to log in with a wrong password: one, or several since the last event of this kind.
    "login.refused" => LoginRefused {
        /// The number of attempts.
        attempts: u32
    },
    /// The login's refresh token was replaced.
    "login.refreshed" => Refreshed,
    /// A replaced refresh token came back within its grace period: two programs have it, or a response was lost. It
    /// was accepted, unless others had come back in the same period.
    "login.refresh_replayed" => RefreshReplayed,
    /// A refresh token was copied, so the login was ended: a replaced token came back after its grace period, or
    /// different clients replaced tokens twice in a row.
    "login.reuse_detected" => ReuseDetected,
    /// The user logged out.
    "login.closed" => LoggedOut,
    /// The user ended one of their logins.
    "login.ended" => LoginEnded {
        /// The ended login.
        ended: LoginId
    },
    /// The user had the maximum number of logins, so a new one ended another.
    "login.evicted" => LoginEvicted {
        /// The ended login.
        ended: LoginId
    },
    /// The user ended all of their logins.
    "login.ended_all" => LoggedOutEverywhere {
        /// The number of logins that were alive.
        ended: usize
    },
    /// The user changed their password, which ended all of their logins. The new one has an event of its own.
    "password.changed" => PasswordChanged {
        /// The number of logins that were alive.
        ended: usize
    },
    /// A session was created.
    "session.created" => SessionCreated {
        /// The session.
        session: SessionId
    },
    /// A session was changed.
    "session.changed" => SessionChanged {
        /// The session.
        session: SessionId
    },
    /// A session was deleted.
    "session.deleted" => SessionDeleted {
        /// The session.
        session: SessionId
    },
}
