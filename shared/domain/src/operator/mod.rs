//! What operators do, from outside the API: with a command on the store, not with a token.
//!
//! An operation changes one user or tenant in one transaction, which also writes an audit event. The event contains the
//! [`Operator`]'s name, and no member of a user's event can contain one: so no user can act in an operator's name.

pub mod deletion;
pub mod mails;
pub mod tenants;
pub mod users;

use std::fmt;
use std::future::Future;

use kv::Txn;

use crate::audit::{Action, Event};
use crate::client::Client;
use crate::dump::progress;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::{TokenId, UserId};
use crate::text::{Name, Rejection};
use crate::time::Timestamp;
use crate::users::{Email, User, store};

/// An operator who uses a command.
#[derive(Clone, Debug)]
pub struct Operator {
    name: Name,
    /// Has no address, because the command does not come from the network.
    client: Client,
}

impl Operator {
    /// The operator with this name, for one command. The name is not verified: an operator with access to the store
    /// can state any.
    pub fn new(env: &Env, name: Name) -> Self {
        let client = Client {
            request_id: env.ids.next::<TokenId>().to_string(),
            ..Client::default()
        };
        Self { name, client }
    }

    /// The name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// An action of the operator on a user, or on a tenant alone.
    fn event(&self, user: Option<UserId>, at: Timestamp, action: Action) -> Event {
        Event::of(user, None, &self.client, at, action)
    }
}

/// How an operator names a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserName {
    /// By the id.
    Id(UserId),
    /// By the email.
    Email(Email),
}

impl UserName {
    /// Parses an id or an email. An email is normalised as for a login.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        match UserId::parse(text) {
            Some(id) => Ok(Self::Id(id)),
            None => Email::parse(text).map(Self::Email),
        }
    }

    /// The user; [`Error::NotFound`] if there is none.
    async fn find(&self, txn: &Txn) -> Result<User> {
        let id = match self {
            Self::Id(id) => Some(*id),
            Self::Email(email) => store::find_id_by_email(txn, email).await?,
        };
        let user = match id {
            Some(id) => store::find(txn, id).await?,
            None => None,
        };
        user.ok_or(Error::NotFound)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Email(email) => email.fmt(f),
        }
    }
}

/// Runs `operation` as one transaction of an operator, unless the store contains an import that has not finished: what
/// it showed would be incomplete, and what it changed would make the import fail.
async fn run<T, F, Fut>(env: &Env, operation: F) -> Result<T>
where
    T: Send,
    F: Fn(Txn) -> Fut + Send + Sync,
    Fut: Future<Output = Result<T>> + Send,
{
    let operation = &operation;
    env.db
        .run(|txn| async move {
            progress::require_none(&txn).await?;
            operation(txn).await
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_id_or_by_email() {
        let id = "0190d0a0-7c3e-7a11-8f3e-0123456789ab";
        assert_eq!(UserName::parse(id), Ok(UserName::Id(UserId::parse(id).unwrap())));
        let email = UserName::Email(Email::parse("alice@example.com").unwrap());
        assert_eq!(UserName::parse(" Alice@Example.COM"), Ok(email));
        for text in ["", "alice", "0190d0a0", "{0190d0a0-7c3e-7a11-8f3e-0123456789ab}"] {
            assert!(UserName::parse(text).is_err(), "{text} was accepted");
        }
    }
}
