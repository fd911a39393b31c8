//! Fair shares of scarce work, such as hashing, decoding pictures and exporting accounts: a request is admitted by a
//! [`Gate`], and waits there for a slot.

mod gate;
mod queue;

pub(crate) use self::gate::{Displaced, Gate, Place, Slot};
#[cfg(test)]
pub(crate) use self::queue::ADMITTED_PER_PLACE;
