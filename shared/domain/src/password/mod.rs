//! Passwords: the requirements on new ones, hashing and verification. No type here prints a password or a hash.
//!
//! There are no composition rules. What counts is length, and that the password is not among those that attackers try
//! first (NIST SP 800-63B-4, section 3.1.1.2). The policy applies to [new passwords](Password::chosen), never to
//! [passwords to verify](Password::claimed).

mod common;
mod context;
mod hash;
mod hasher;
mod input;
mod measure;
mod pattern;
mod phrase;
mod policy;
#[cfg(test)]
mod tests;

pub use self::context::Context;
pub use self::hash::{PasswordHash, Verdict};
pub use self::hasher::{Admission, Hasher};
pub use self::input::{MAX_BYTES, Password};
pub use self::measure::MIN_LENGTH;
pub use self::policy::{MIN_LENGTH_MAX, Policy};
