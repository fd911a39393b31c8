//! Points in time in the form of the contract: UTC, whole milliseconds, RFC 3339.

use std::fmt;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, to the millisecond.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The time `millis` milliseconds after the Unix epoch, clamped to the years -9999 to 9999.
    pub fn from_millis(millis: i64) -> Self {
        let nearest = if millis < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        };
        Self(jiff::Timestamp::from_millisecond(millis).unwrap_or(nearest))
    }

    /// The time `seconds` seconds after the Unix epoch, clamped: a JWT's `NumericDate`.
    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_millis(seconds.saturating_mul(1000))
    }

    /// Parses a date and a time with an offset (RFC 3339). Digits beyond the millisecond are dropped.
    pub fn parse(text: &str) -> Option<Self> {
        let time: jiff::Timestamp = text.parse().ok()?;
        Some(Self::from_millis(time.as_millisecond()))
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Whole seconds since the Unix epoch, rounded down: a JWT's `NumericDate`.
    pub fn as_seconds(self) -> i64 {
        self.as_millis().div_euclid(1000)
    }

    /// Whole days since the Unix epoch (UTC), rounded down.
    pub fn as_days(self) -> i64 {
        self.as_millis().div_euclid(86_400_000)
    }

    /// This time plus `duration`, clamped.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_add(millis))
    }

    /// This time minus `duration`, clamped.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_sub(millis))
    }

    /// The time from `earlier` until this; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.as_millis().saturating_sub(earlier.as_millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match usual::format(self.0) {
            Some(text) => f.write_str(usual::as_str(&text)),
            None => write!(f, "{:.3}", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match usual::format(self.0) {
            Some(text) => serializer.serialize_str(usual::as_str(&text)),
            None => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

struct Text;

impl de::Visitor<'_> for Text {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        if let Some(time) = usual::parse(text.as_bytes()) {
            return Ok(Timestamp(time));
        }
        let time: jiff::Timestamp = text.parse().map_err(E::custom)?;
        Ok(Timestamp::from_millis(time.as_millisecond()))
    }
}

/// Fast path for the form `2023-11-14T22:13:20.007Z`, which nearly every time has. A record has several times, and
/// jiff's printer and parser for all forms take three times as long; other forms fall back to them.
mod usual {
    use super::{DateTime, Offset};

    const LEN: usize = "2023-11-14T22:13:20.007Z".len();

    /// The time as text, unless the year is negative.
    pub(super) fn format(time: jiff::Timestamp) -> Option<[u8; LEN]> {
        let civil = Offset::UTC.to_datetime(time);
        let year = u16::try_from(civil.year()).ok()?;
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put(&mut text[0..4], year);
        put(&mut text[5..7], civil.month().unsigned_abs().into());
        put(&mut text[8..10], civil.day().unsigned_abs().into());
        put(&mut text[11..13], civil.hour().unsigned_abs().into());
        put(&mut text[14..16], civil.minute().unsigned_abs().into());
        put(&mut text[17..19], civil.second().unsigned_abs().into());
        put(&mut text[20..23], civil.millisecond().unsigned_abs());
        Some(text)
    }

    pub(super) fn as_str(text: &[u8; LEN]) -> &str {
        str::from_utf8(text).expect("digits and separators are ASCII")
    }

    fn put(digits: &mut [u8], mut number: u16) {
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789"[usize::from(number % 10)];
            number /= 10;
        }
    }

    /// The time, if the text has this form and is valid.
    pub(super) fn parse(text: &[u8]) -> Option<jiff::Timestamp> {
        let text: &[u8; LEN] = text.try_into().ok()?;
        let separators = [text[4], text[7], text[10], text[13], text[16], text[19], text[23]];
        if separators != *b"--T::.Z" {
            return None;
        }
        let small = |at| number(&text[at..at + 2]).and_then(|number| i8::try_from(number).ok());
        let civil = DateTime::new(
            number(&text[0..4])?,
            small(5)?,
            small(8)?,
            small(11)?,
            small(14)?,
            small(17)?,
            i32::from(number(&text[20..23])?) * 1_000_000,
        );
        Offset::UTC.to_timestamp(civil.ok()?).ok()
    }

    /// The value of up to four digits.
    fn number(digits: &[u8]) -> Option<i16> {
        digits.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| 10 * number + i16::from(digit - b'0'))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_formatted_as_rfc_3339_in_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            Timestamp::from_millis(1_700_000_000_007).to_string(),
            "2023-11-14T22:13:20.007Z"
        );
    }

    /// Text close to the usual form: some digits are out of range, and sometimes one character is replaced or inserted.
    fn text() -> impl Strategy<Value = String> {
        let date = (0..=9999, 0..=13, 0..=32).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
        let time = (0..=25, 0..=61, 0..=61, 0..=999).prop_map(|(h, m, s, f)| format!("{h:02}:{m:02}:{s:02}.{f:03}"));
        let exact = (date, time).prop_map(|(date, time)| format!("{date}T{time}Z"));
        let spoiled = ("[-+0-9TtZz:. _/]", any::<prop::sample::Index>(), any::<bool>());
        (exact, prop::option::of(spoiled)).prop_map(|(mut text, spoiled)| {
            if let Some((with, at, longer)) = spoiled {
                let at = at.index(text.len());
                text.replace_range(at..at + usize::from(!longer), &with);
            }
            text
        })
    }

    #[test]
    fn every_form_of_rfc_3339_is_parsed() {
        let read = |text: &str| {
            serde_json::from_str(&format!("\"{text}\""))
                .ok()
                .map(Timestamp::as_millis)
        };
        for text in [
            "2023-11-14T22:13:20.007Z",
            "2023-11-14 23:13:20.007999+01:00",
            "2023\\u002d11-14t22:13:20.007z",
        ] {
            assert_eq!(read(text), Some(1_700_000_000_007), "{text}");
        }
        assert_eq!(
            read("2016-12-31T23:59:60.000Z"),
            read("2016-12-31T23:59:59.000Z"),
            "a leap second becomes the second before it"
        );
        for text in [
            "",
            "2023-02-29T00:00:00.000Z",
            "9999-12-31T00:00:00.000Z",
            "2023-11-14T22:13:20.007",
            "1700000000007",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn formatting_agrees_with_jiff(
            millis in prop_oneof![any::<i64>(), -400_000_000_000_000i64..300_000_000_000_000],
        ) {
            let time = Timestamp::from_millis(millis);
            let text = format!("{:.3}", time.0);
            prop_assert_eq!(time.to_string(), &*text);
            prop_assert_eq!(serde_json::to_string(&time).unwrap(), format!("\"{text}\""));
            let read: Timestamp = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            prop_assert_eq!(read.as_millis(), time.as_millis());
        }

        #[test]
        fn parsing_agrees_with_jiff(text in text()) {
            let read: Option<Timestamp> = serde_json::from_str(&format!("\"{text}\"")).ok();
            let by_jiff: Option<jiff::Timestamp> = text.parse().ok();
            prop_assert_eq!(read.map(Timestamp::as_millis), by_jiff.map(jiff::Timestamp::as_millisecond), "{}", text);
        }
    }

    proptest! {
        #[test]
        fn a_time_round_trips(millis in 0i64..253_402_207_200_000) {
            let time = Timestamp::from_millis(millis);
            let text = serde_json::to_string(&time).unwrap();
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), time);
        }
    }
}
