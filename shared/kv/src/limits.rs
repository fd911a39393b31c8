//! Size limits, the same on every engine.
//!
//! The key limit is LMDB's. The other two keep transactions within what FoundationDB accepts.

/// Longest key in bytes, including the root.
pub const MAX_KEY_LEN: usize = 511;

/// Longest value in bytes.
pub const MAX_VALUE_LEN: usize = 100_000;

/// Maximum bytes that one transaction may write.
///
/// Each write counts its value, its key three times and 64 bytes of overhead. A write that a later write replaces
/// counts too. FoundationDB accepts 10,000,000 bytes, which include the ranges that the transaction read; the
/// difference is reserved for those.
pub const MAX_TRANSACTION_LEN: usize = 9_000_000;

/// Maximum number of watches that a process has at the same time. FoundationDB's client allows 10,000.
pub const MAX_WATCHES: usize = 5_000;

/// Largest size of an LMDB data file in bytes, if the settings do not limit it further.
pub const MAX_STORE_LEN: usize = if cfg!(target_pointer_width = "64") {
    64 << 30
} else {
    1 << 30
};

/// Bytes that a write counts besides its key and value: FoundationDB also sends the range that the write may conflict
/// with, whose two ends are the key and its successor, and some framing.
pub(crate) const WRITE_OVERHEAD: usize = 64;

/// The free space that a transaction needs at its commit, on an engine with a disk of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Room {
    /// None: the transaction may use the reserve.
    Reserve,
    /// The commit must leave the reserve.
    #[default]
    Ordinary,
    /// The commit must leave the reserve and a margin.
    Margin,
}
