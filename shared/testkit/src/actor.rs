//! A signed-in user.

use domain::Caller;
use domain::logins::SignedIn;

use crate::client;

/// A signed-in user with an access token.
#[derive(Clone)]
pub struct Actor {
    /// The access token.
    pub token: String,
    /// The user, tenant, membership and login.
    pub signed_in: SignedIn,
}

impl Actor {
    /// The refresh token, as a client sends it.
    pub fn refresh_token(&self) -> String {
        self.signed_in.refresh_token.reveal()
    }

    /// The caller that the access token identifies, for operations below HTTP.
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
