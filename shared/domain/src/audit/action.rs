//! The actions that the audit log records.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::access_tokens::Scopes;
use crate::id::{AccessTokenId, LoginId, SessionId, SnapshotId, TenantId};
use crate::text::Name;
use crate::time::Timestamp;
use crate::usage::Quota;
use crate::users::profile::ProfileMember;

/// Defines [`Action`] with the name of each action in the store and in the contract, so that the list exists once.
macro_rules! actions {
    ($(
        $(#[$doc:meta])* $name:literal => $action:ident
        $({ $($(#[$field_doc:meta])* $field:ident: $type:ty),+ })?,
    )+) => {
        /// What was done.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(tag = "type", rename_all_fields = "camelCase")]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $name)] $action $({ $($(#[$field_doc])* $field: $type),+ })?,)+
            /// An action that a newer version of the program has written.
            #[serde(untagged)]
            Unknown(UnknownAction),
        }

        impl Action {
            /// The names of all actions that this code knows.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The action's name.
            pub fn name(&self) -> Cow<'static, str> {
                match self {
                    $(Self::$action { .. } => Cow::Borrowed($name),)+
                    Self::Unknown(unknown) => Cow::Owned(unknown.name.clone()),
                }
            }

            /// Decodes the members that follow the name.
            fn with_members<'de, A: MapAccess<'de>>(name: &str, mut members: A) -> Result<Self, A::Error> {
                match name {
                    $($name => {
                        #[derive(Deserialize)]
                        #[serde(rename_all = "camelCase", deny_unknown_fields)]
                        struct Members { $($($field: $type),+)? }
                        let Members { $($($field),+)? } = Members::deserialize(MapAccessDeserializer::new(members))?;
                        Ok(Self::$action $({ $($field),+ })?)
                    })+
                    _ if UnknownAction::is_name(name) => {
                        let mut all = Map::new();
                        while let Some((member, value)) = members.next_entry()? {
                            all.insert(member, value);
                        }
                        Ok(Self::Unknown(UnknownAction { name: name.to_owned(), members: all }))
                    }
                    _ => Err(A::Error::custom("the action has no valid name")),
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
    /// The user changed their profile.
    "user.profile_changed" => ProfileChanged {
        /// The members that were changed.
        changed: Vec<ProfileMember>
    },
    /// The user requested an export of their account, or a new link to it.
    "user.export_requested" => ExportRequested,
    /// The user created a personal access token.
    "access_token.created" => AccessTokenCreated {
        /// The token.
        created: AccessTokenId,
        /// The tenant in which it acts; the event is in the log of the tenant of the user's login.
        tenant: TenantId,
        /// What it may do at most.
        scopes: Scopes,
        /// When it expires.
        expires_at: Timestamp
    },
    /// The user revoked a personal access token.
    "access_token.revoked" => AccessTokenRevoked {
        /// The token.
        revoked: AccessTokenId
    },
    /// The user's address was verified.
    "email.verified" => EmailVerified,
    /// An email to recover the account was requested.
    "password.recovery_requested" => RecoveryRequested,
    /// A new password was chosen with a mail token or an operator's, which ended all logins. The new one has
    /// an event of its own.
    "password.recovered" => PasswordRecovered {
        /// The number of logins that were alive.
        ended: usize
    },
    /// The user requested a change of the email.
    "email.change_requested" => EmailChangeRequested,
    /// The new address was confirmed, and is the account's.
    "email.changed" => EmailChanged,
    /// The old address undid a change of the email, which ended all logins.
    "email.change_undone" => EmailChangeUndone {
        /// The number of logins that were alive.
        ended: usize
    },
    /// The user scheduled the deletion of their account.
    "user.deletion_scheduled" => DeletionScheduled {
        /// From when on the account may be deleted.
        due_at: Timestamp
    },
    /// The user cancelled the deletion of their account, or got the account back, which cancels it, too.
    "user.deletion_cancelled" => DeletionCancelled,
    /// The account of a member was deleted. Only the audit logs of organisations have this event: the user's own log is
    /// deleted, too.
    "user.deleted" => AccountDeleted,
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
    /// A snapshot of a session's files was created.
    "snapshot.created" => SnapshotCreated {
        /// The session.
        session: SessionId,
        /// The snapshot.
        snapshot: SnapshotId
    },
    /// A snapshot of a session's files was deleted.
    "snapshot.deleted" => SnapshotDeleted {
        /// The session.
        session: SessionId,
        /// The snapshot.
        snapshot: SnapshotId
    },
    /// The restore of a snapshot of a session's files was requested; the change feed of the session tells when its
    /// files were replaced.
    "snapshot.restore_requested" => RestoreRequested {
        /// The session.
        session: SessionId,
        /// The snapshot.
        snapshot: SnapshotId
    },
    /// An operator suspended the user, which ended all of their logins.
    "user.suspended" => Suspended {
        /// The operator.
        operator: Name,
        /// The number of logins that were alive.
        ended: usize
    },
    /// An operator ended the suspension of the user.
    "user.resumed" => Resumed {
        /// The operator.
        operator: Name
    },
    /// An operator scheduled the deletion of the user's account.
    "user.deletion_ordered" => DeletionOrdered {
        /// The operator.
        operator: Name,
        /// From when on the account may be deleted.
        due_at: Timestamp
    },
    /// An operator cancelled the deletion of the user's account.
    "user.deletion_revoked" => DeletionRevoked {
        /// The operator.
        operator: Name
    },
    /// An operator ended one of the user's logins.
    "login.revoked" => LoginRevoked {
        /// The operator.
        operator: Name,
        /// The ended login.
        ended: LoginId
    },
    /// An operator ended all of the user's logins.
    "login.revoked_all" => LoginsRevoked {
        /// The operator.
        operator: Name,
        /// The number of logins that were alive.
        ended: usize
    },
    /// An operator made a link with which the user can choose a new password.
    "user.recovery_link_created" => RecoveryLinkCreated {
        /// The operator.
        operator: Name
    },
    /// An operator changed a limit of the tenant.
    "tenant.limit_changed" => LimitChanged {
        /// The operator.
        operator: Name,
        /// The quota.
        quota: Quota,
        /// The tenant's own limit; `None` if the limit of every tenant applies again.
        limit: Option<u64>
    },
    /// An operator had an email to the user sent again.
    "mail.retried" => MailRetried {
        /// The operator.
        operator: Name,
        /// The kind of email.
        mail: String
    },
    /// An operator removed an email to the user that could not be sent.
    "mail.dropped" => MailDropped {
        /// The operator.
        operator: Name,
        /// The kind of email.
        mail: String
    },
    /// An operator suppressed the user's address: nothing is sent to it.
    "mail.suppressed" => MailSuppressed {
        /// The operator.
        operator: Name
    },
    /// An operator ended the suppression of the user's address.
    "mail.unsuppressed" => MailUnsuppressed {
        /// The operator.
        operator: Name
    },
}

impl Action {
    /// The operator who acted; `None` if a user did, or a client in their name.
    pub fn operator(&self) -> Option<&Name> {
        match self {
            Self::Suspended { operator, .. }
            | Self::Resumed { operator }
            | Self::RecoveryLinkCreated { operator }
            | Self::DeletionOrdered { operator, .. }
            | Self::DeletionRevoked { operator }
            | Self::LoginRevoked { operator, .. }
            | Self::LoginsRevoked { operator, .. }
            | Self::LimitChanged { operator, .. }
            | Self::MailRetried { operator, .. }
            | Self::MailDropped { operator, .. }
            | Self::MailSuppressed { operator }
            | Self::MailUnsuppressed { operator } => Some(operator),
            _ => None,
        }
    }
}

/// An action that only a newer version of the program knows. Only decoding makes one: this code cannot write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownAction {
    #[serde(rename = "type")]
    name: String,
    #[serde(flatten)]
    members: Map<String, Value>,
}

impl UnknownAction {
    /// The maximum length of an action's name.
    pub const NAME_MAX: usize = 64;

    /// Whether `name` is like that of an action, such as `login.opened`.
    fn is_name(name: &str) -> bool {
        let is_valid = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'_');
        (1..=Self::NAME_MAX).contains(&name.len()) && name.bytes().all(is_valid)
    }
}

/// The name comes first in every stored action, so the members are decoded in the same pass.
impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ActionVisitor;

        impl<'de> Visitor<'de> for ActionVisitor {
            type Value = Action;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an action")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Action, A::Error> {
                match map.next_key::<Cow<'de, str>>()? {
                    Some(key) if key == "type" => {
                        let name: Cow<'de, str> = map.next_value()?;
                        Action::with_members(&name, map)
                    }
                    _ => Err(A::Error::missing_field("type")),
                }
            }
        }

        deserializer.deserialize_map(ActionVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = r#""session":"0190d0a0-7c3e-7a11-8f3e-0123456789ab""#;

    #[test]
    fn an_action_of_a_newer_version_is_kept_as_it_is() {
        for stored in [
            r#"{"type":"user.renamed"}"#,
            r#"{"type":"session.shared","with":["0190",{"a":1}],"until":null}"#,
        ] {
            let action: Action = serde_json::from_str(stored).unwrap();
            assert!(matches!(&action, Action::Unknown(unknown) if stored.contains(&unknown.name)));
            let (kept, stored): (Value, Value) = (
                serde_json::to_value(&action).unwrap(),
                serde_json::from_str(stored).unwrap(),
            );
            assert_eq!(kept, stored);
        }
    }

    #[test]
    fn a_known_action_with_other_members_and_a_malformed_name_are_rejected() {
        let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(UnknownAction::NAME_MAX + 1));
        for (stored, why) in [
            (r#"{"type":"session.created"}"#, "missing field `session`"),
            (
                &format!(r#"{{"type":"login.closed",{SESSION}}}"#),
                "unknown field `session`",
            ),
            (
                &format!(r#"{{"type":"session.created",{SESSION},"more":1}}"#),
                "unknown field `more`",
            ),
            (&format!("{{{SESSION}}}"), "missing field `type`"),
            (r#"{"type":"<b>"}"#, "no valid name"),
            (r#"{"type":""}"#, "no valid name"),
            (&long, "no valid name"),
            ("{}", "missing field `type`"),
            (r#""session.created""#, "expected an action"),
        ] {
            let error = serde_json::from_str::<Action>(stored).unwrap_err().to_string();
            assert!(error.contains(why), "{stored}: {error}");
        }
    }

    #[test]
    fn every_name_is_one_that_an_older_version_of_the_program_shows() {
        for name in Action::NAMES {
            assert!(UnknownAction::is_name(name), "{name}");
        }
    }
}
