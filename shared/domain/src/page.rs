//! Pages of a list: how many, and where the last one ended.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::id::SessionId;
use crate::text::Refused;

/// How many entries a page may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(usize);

impl Limit {
    /// The largest page.
    pub const MAX: usize = 100;

    /// 1 to 100, written in digits.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        match text.parse() {
            Ok(limit @ 1..=Self::MAX) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Self(limit)),
            _ => Err(Refused(format!("must be a whole number from 1 to {}", Self::MAX))),
        }
    }

    /// The number.
    pub fn get(self) -> usize {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

/// Where a page ended: the last session that was looked at. Opaque to clients; the first byte is the format's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub SessionId);

impl Cursor {
    const VERSION: u8 = 1;

    /// The text that a client sends back.
    pub fn encode(self) -> String {
        let mut bytes = [Self::VERSION; 17];
        bytes[1..].copy_from_slice(self.0.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What [`encode`](Self::encode) wrote.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let refused = || Refused::because("is not a cursor of this API: send back `nextCursor` as it was received");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
        match bytes.split_first() {
            Some((&Self::VERSION, id)) => SessionId::from_slice(id).map(Self).ok_or_else(refused),
            _ => Err(refused()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_limit_is_a_whole_number_in_range() {
        assert_eq!(Limit::default().get(), 50);
        assert_eq!(Limit::parse("1").unwrap().get(), 1);
        assert_eq!(Limit::parse("100").unwrap().get(), 100);
        for refused in ["", "0", "101", "-1", "+5", "1.5", "ten", "99999999999999999999999"] {
            assert!(Limit::parse(refused).is_err(), "{refused} was taken for a limit");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_survives_the_round_trip(bytes: [u8; 16]) {
            let cursor = Cursor(SessionId::from_slice(&bytes).unwrap());
            prop_assert_eq!(Cursor::parse(&cursor.encode()), Ok(cursor));
        }

        #[test]
        fn what_is_not_a_cursor_is_refused(text: String) {
            if let Ok(cursor) = Cursor::parse(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }

        #[test]
        fn a_cursor_of_another_version_is_refused(version in 2u8.., bytes: [u8; 16]) {
            let mut foreign = vec![version];
            foreign.extend(bytes);
            prop_assert!(Cursor::parse(&URL_SAFE_NO_PAD.encode(foreign)).is_err());
        }
    }
}
