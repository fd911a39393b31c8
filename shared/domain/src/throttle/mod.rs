//! Throttling of password attempts and of registrations, with counters in the store that all processes share.
//!
//! **Reserve first.** The transaction that reads the account also [reserves](AttemptCounters::reserve) the attempt, as
//! if it had failed, before anything is hashed. Concurrent attempts therefore cannot pass together. Success
//! [returns](AttemptCounters::succeed) the reservation; failure [keeps](AttemptCounters::fail) it.
//!
//! **Three counters.** One for the account from this address (the pair), one for the account, one for the address.
//! After a number of free attempts each further one doubles the wait, up to a maximum; counted attempts are forgotten
//! one by one as time passes. A user who is signed in and enters their password is counted per login instead.
//!
//! **No lockout by others.** An address from which a user has logged in is known to the account. From a known address
//! only the pair's counter applies, with waits of a minute at most: what other clients did to the account, or from the
//! same network, does not matter. Success clears the pair's counter and subtracts the pair's attempts from the
//! account's, but only its own attempt from the address's, so that an attacker cannot use an own account to pay for
//! guesses at others. An address that the front door does not vouch for is never known.
//!
//! **Limits of this design.** From an address that several users share, an attacker has the pair's attempts at each
//! account that knows the address. Once the address's counter is used up, the attacker can tell these accounts from
//! others. An attempt counts as failed while it is hashed. If more attempts arrive at the same time than are free, the
//! rest must wait, even with the right password.

mod counter;
mod keys;
mod rules;
mod store;

pub use self::rules::{Rule, Rules};
pub(crate) use self::store::{AttemptCounters, KNOWN_AFTER_LOGIN, RegistrationCounter, Reservation};
