//! Throttling of password attempts and of registrations, with counters in the store that all processes share.
//!
//! **Reserve first.** The transaction that reads the account also [reserves](AttemptCounters::reserve) the attempt, as
//! if it had failed, before anything is hashed. Concurrent attempts therefore cannot pass together. Success
//! [returns](AttemptCounters::succeed) the reservation; failure [keeps](AttemptCounters::fail) it.
//!
//! **Three budgets.** A device that has signed in before ([`DeviceToken`]) has its own, which no other client can use.
//! An address from which a user has registered or logged in is known to the account: from there, the counter for the
//! account from this address (the pair) applies, with waits of a minute at most, and a daily limit for all known
//! addresses together. From any other address, the counters of the pair, of the account and of the address apply: what
//! attackers do there does not matter to devices and known addresses.
//!
//! After a number of free attempts each further one doubles the wait, up to a maximum; counted attempts are forgotten
//! one by one as time passes. Success clears the counter of its budget and subtracts its attempts from the account's,
//! but only its own attempt from the address's, so that an attacker cannot use an own account to pay for guesses at
//! others. An address that the front door does not vouch for is never known.
//!
//! **Signed-in users** who enter their password are counted per login: from the address at which the login last got
//! tokens on its own, from all others together. A stolen access token used elsewhere cannot exhaust the owner's budget.
//!
//! **A password change** forgets known addresses and revokes device tokens ([`TrustedClients`]).
//!
//! **Requests for emails** are counted for the recipient and, without a login, for the site that sends them
//! ([`RecoveryCounters`], [`CallerEmailCounters`]).
//!
//! **Limits of this design.** From an address that several users share, an attacker has the pair's attempts at each
//! account that knows the address. Once the address's counter is used up, the attacker can tell these accounts from
//! others. An attempt counts as failed while it is hashed. If more attempts arrive at the same time than are free, the
//! rest must wait, even with the right password. At a site that several people share, one of them can use up the
//! requests for recoveries from there. A few accounts can use up the requests of all others to change to one address.

mod counter;
mod device;
mod email_requests;
mod keys;
mod removal;
mod rules;
mod store;
mod stored;
mod trusted;

#[cfg(test)]
pub(crate) use self::counter::Counter;
pub use self::device::DeviceToken;
pub(crate) use self::email_requests::{CallerEmailCounters, RecoveryCounters};
pub(crate) use self::removal::{remove_email, remove_login, remove_user};
pub use self::rules::{Rule, Rules};
pub(crate) use self::store::{AttemptCounters, RegistrationCounter, Reservation};
pub(crate) use self::stored::expiry as stored_expiry;
pub(crate) use self::trusted::{Trust, TrustedClients, trusted_for};
