//! Logical dumps of a store: [`Export`] writes one, [`Import`] reads one into an empty store, on any engine.
//!
//! `README.md` describes the format, and what an import changes.

mod error;
mod export;
mod format;
mod import;
pub(crate) mod progress;

pub use self::error::{Error, Result};
pub use self::export::Export;
pub use self::format::{FORMAT, Totals};
pub use self::import::{Import, Verification};
pub use self::progress::has_unfinished_import;
