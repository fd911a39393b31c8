//! The email about a login from a new device: one without a valid device token, from an address that the account does
//! not know. The user can switch it off.

use kv::Txn;

use crate::client::Client;
use crate::env::Env;
use crate::error::Result;
use crate::mail::{Mail, Message, Source};
use crate::throttle::Reservation;
use crate::time::Timestamp;
use crate::users::{User, profile};

/// The email about a login of `user` at `now`, if its device is new. A retry writes the same email.
pub(super) fn notice(
    env: &Env,
    client: &Client,
    user: &User,
    reservation: Option<Reservation>,
    now: Timestamp,
) -> Option<Mail> {
    let is_new = env.outbox.is_open() && reservation.is_some_and(Reservation::is_of_unknown_client);
    is_new.then(|| {
        let message = Message::NewDevice(Source::of(client, now));
        Mail::notification(env.ids.next(), user.id, user.email.clone(), message, now)
    })
}

/// The email, unless its recipient has switched it off. Only a login from a new device reads the preferences.
pub(super) async fn wanted<'a>(txn: &Txn, user: &User, notice: Option<&'a Mail>) -> Result<Option<&'a Mail>> {
    if notice.is_none() {
        return Ok(None);
    }
    let profile = profile::store::find(txn, user.id).await?;
    Ok(notice.filter(|_| profile.preferences.notify_of_new_devices()))
}
