//! Whole numbers in JSON bodies.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// The largest whole number that every JSON parser reads exactly (RFC 8259, section 6).
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// A whole number from `MIN` to `MAX`. JSON has no integers of its own: `1`, `1.0` and `1e0` are the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeNumber<const MIN: u64, const MAX: u64>(pub u64);

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for WholeNumber<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Range::<MIN, MAX>).map(Self)
    }
}

struct Range<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Visitor<'_> for Range<MIN, MAX> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {MIN} to {MAX}")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        if (MIN..=MAX).contains(&number) {
            Ok(number)
        } else {
            Err(E::invalid_value(Unexpected::Unsigned(number), &self))
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "the number is whole and from 0 to 2^53 - 1, so that the casts are exact"
    )]
    fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
        if number.fract() == 0.0 && (0.0..=MAX_SAFE_INTEGER as f64).contains(&number) {
            self.visit_u64(number as u64)
        } else {
            Err(E::invalid_value(Unexpected::Float(number), &self))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<u64, String> {
        let number = serde_json::from_str::<WholeNumber<1, 100>>(text);
        number.map(|number| number.0).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_number_has_no_fraction_and_is_in_the_range() {
        for (text, number) in [("1", 1), ("100", 100), ("1.0", 1), ("1e2", 100), ("20E-1", 2)] {
            assert_eq!(read(text), Ok(number), "{text}");
        }
        for text in [
            "0",
            "-1",
            "101",
            "1.5",
            "0.0",
            "1e300",
            "\"1\"",
            "null",
            "[1]",
            "18446744073709551616",
        ] {
            let error = read(text).unwrap_err();
            assert!(
                error.contains("expected a whole number from 1 to 100"),
                "{text}: {error}"
            );
        }
    }
}
