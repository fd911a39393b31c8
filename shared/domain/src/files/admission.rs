//! Admission of requests with large bodies.

use crate::env::Env;
use crate::error::Result;
use crate::role::Permission;
use crate::scope::caller::{Caller, Credential};
use crate::users::profile::Upload;

/// Admits a request with a large body, before the body is read, until the result is dropped. The places bound the
/// memory that bodies take; networks and users share them fairly, and pictures have the same ones. Fails with
/// [`Error::TooManyAttempts`](crate::Error::TooManyAttempts) if the share of the client's networks or of the user is
/// full.
///
/// A personal access token is checked first. Its user is a claim until then: with invented tokens, an attacker without
/// an account could take the places of others.
pub async fn admit(env: &Env, caller: &Caller) -> Result<Upload> {
    if let Credential::AccessToken(_) = caller.credential() {
        let check = env.in_tenant(caller, Permission::WriteFiles, |_, _| async { Ok(()) });
        check.await?;
    }
    env.uploads.admit(caller.client(), caller.user())
}
