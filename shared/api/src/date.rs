//! The header `Date` of the built-in server.
//!
//! hyper adds one by itself, but keeps an old date when the clock steps back, until the clock has caught up.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use axum::http::HeaderValue;
use domain::Timestamp;
use headers::{Date, Header as _};

thread_local! {
    /// The last date of this thread, by its second since the Unix epoch.
    static LAST: RefCell<Option<(i64, HeaderValue)>> = const { RefCell::new(None) };
}

/// The header's value at this time. A year before 1970 has no date in HTTP, and counts as 1970.
pub(crate) fn header(at: Timestamp) -> HeaderValue {
    let second = at.as_seconds();
    LAST.with_borrow_mut(|last| match last {
        Some((of, value)) if *of == second => value.clone(),
        _ => {
            let value = format(second);
            *last = Some((second, value.clone()));
            value
        }
    })
}

fn format(second: i64) -> HeaderValue {
    let since_epoch = Duration::from_secs(u64::try_from(second).unwrap_or_default());
    let mut values = Vec::with_capacity(1);
    Date::from(SystemTime::UNIX_EPOCH + since_epoch).encode(&mut values);
    values.pop().expect("a date has one value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_follows_the_time_forwards_and_backwards() {
        for (millis, expected) in [
            (784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_778_000, "Sun, 06 Nov 1994 08:49:38 GMT"),
            (784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (i64::MIN, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (i64::MAX, "Thu, 30 Dec 9999 22:00:00 GMT"),
        ] {
            assert_eq!(header(Timestamp::from_millis(millis)), expected, "{millis}");
        }
    }
}
