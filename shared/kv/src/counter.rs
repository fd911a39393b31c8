//! Counters: values of eight bytes, little-endian, that [`Txn::add`](crate::Txn::add) changes without reading them.

/// Bytes of a counter.
pub(crate) const LEN: usize = 8;

/// The number in a counter's value, which is zero if the key is missing.
///
/// A shorter value is extended with zeros and a longer one is truncated, as [`Txn::add`](crate::Txn::add) does. A
/// counter without a sign is the same bytes: use `cast_unsigned` on the result.
pub fn counter(value: Option<&[u8]>) -> i64 {
    let mut bytes = [0; LEN];
    for (byte, stored) in bytes.iter_mut().zip(value.unwrap_or_default()) {
        *byte = *stored;
    }
    i64::from_le_bytes(bytes)
}

/// The value of a counter after an addition, which wraps around on overflow as FoundationDB's does.
pub(crate) fn sum(value: Option<&[u8]>, delta: i64) -> Vec<u8> {
    counter(value).wrapping_add(delta).to_le_bytes().to_vec()
}
