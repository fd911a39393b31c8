//! What the commands of operators share: the operator, the user, and the failures.

use domain::Env;
use domain::operator::{Operator, UserName};
use domain::text::Name;

use super::super::failure::{Failure, Result};

/// The option of every command that changes something.
#[derive(clap::Args)]
pub(crate) struct Actor {
    /// Your name for the audit log of the account, which its owner can read
    #[arg(long = "as", value_name = "NAME", env = "USER")]
    name: Option<String>,
}

impl Actor {
    pub(super) fn operator(&self, env: &Env) -> Result<Operator> {
        let name = self.name.as_deref();
        let name = name.ok_or_else(|| Failure("the variable USER is not set: name yourself with `--as`".to_owned()))?;
        let name = Name::parse(name).map_err(|reason| Failure(format!("the operator's name {reason}")))?;
        Ok(Operator::new(env, name))
    }
}

/// Parses an argument that names a user.
pub(super) fn user(text: &str) -> Result<UserName> {
    UserName::parse(text).map_err(|_| Failure(format!("`{text}` is neither the id nor the email of a user")))
}

/// The failure of an operation on this user.
pub(super) fn failure(error: domain::Error, user: &UserName) -> Failure {
    match error {
        domain::Error::NotFound => Failure(format!("there is no user {user}")),
        error => error.into(),
    }
}
