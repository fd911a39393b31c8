//! The email about a login from a new device. The user can switch it off.
//!
//! A device is **new** if a login with the right password has neither of these:
//!
//! - a valid device token: one that a login of this account returned less than the trust period ago;
//! - a known network: one from which the user registered, logged in or recovered the account less than the trust period
//!   ago. A network is an IPv4 address, or the first 64 bits of an IPv6 address, as the front door vouches for it. If
//!   it vouches for none, no network is known.
//!
//! The trust period is the longest lifetime of a login (`LOGIN_TTL_SECONDS`) and 90 days. Each login begins it anew for
//! its network, and returns a new token for its device. A password change and a recovery end the trust in all tokens
//! and networks but those of that request; a change of the email, and its undo, end it in all. The user agent does not
//! matter, because clients choose it.
//!
//! With `THROTTLE=off`, neither tokens nor networks are recorded, and no email is sent.

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
