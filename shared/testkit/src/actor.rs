//! Somebody with an account.

use domain::Caller;
use domain::logins::SignedIn;

use crate::client;

/// Somebody with an account, signed in.
#[derive(Clone)]
pub struct Actor {
    /// Their access token.
    pub token: String,
    /// Who and where they are.
    pub signed_in: SignedIn,
}

impl Actor {
    /// What gets them their next tokens.
    pub fn refresh_token(&self) -> String {
        self.signed_in.refresh_token.reveal()
    }

    /// The caller that the token stands for, for operations below HTTP.
    pub fn caller(&self) -> Caller {
        Caller::verified(
            self.signed_in.user.id,
            self.signed_in.tenant.id,
            self.signed_in.login.id,
            self.signed_in.at,
            client::client(),
        )
    }
}
