//! Range requests (RFC 9110, section 14): `Range` and `If-Range`.

use std::ops::Range;

use axum::http::{HeaderMap, HeaderValue, header};
use http_range_header::{RangeUnsatisfiableError, parse_range_header};

use crate::preconditions::Version;

/// The part of a file that a request selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selected {
    /// The whole file.
    Whole,
    /// These bytes, at least one and all of them in the file.
    Part(Range<u64>),
    /// Bytes beyond the end.
    Unsatisfiable,
}

/// The part of a file of this size and version that the headers select.
///
/// The whole file is sent unless there is exactly one valid range: a server may ignore a `Range` (section 14.2), and
/// clients that send several accept a response without parts. So a range with a mistake, of another unit, or for
/// another version than that in `If-Range` gets the whole file, too.
pub(crate) fn select(headers: &HeaderMap, size: u64, version: Version) -> Selected {
    let mut values = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Selected::Whole;
    };
    if !is_same_version(headers, version) {
        return Selected::Whole;
    }
    let Some(ranges) = value.to_str().ok().and_then(|value| parse_range_header(value).ok()) else {
        return Selected::Whole;
    };
    if ranges.len() > 1 {
        return Selected::Whole;
    }
    match ranges.validate(size) {
        Ok(ranges) => match ranges.first() {
            Some(range) => Selected::Part(*range.start()..range.end() + 1),
            // A part of an empty file cannot be described by `Content-Range`.
            None => Selected::Whole,
        },
        Err(RangeUnsatisfiableError::Unsatisfiable) => Selected::Unsatisfiable,
        Err(_) => Selected::Whole,
    }
}

/// Whether `If-Range` is absent or has this version, compared strongly (section 13.1.5). A date matches no version,
/// because no response has a `Last-Modified`.
fn is_same_version(headers: &HeaderMap, version: Version) -> bool {
    let mut values = headers.get_all(header::IF_RANGE).iter();
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(value), None) => value.as_bytes().trim_ascii() == version.text().as_bytes(),
        _ => false,
    }
}

/// `Content-Range` of a part of a file.
pub(crate) fn content_range(part: &Range<u64>, size: u64) -> Option<HeaderValue> {
    let last = part.end.checked_sub(1)?;
    HeaderValue::try_from(format!("bytes {}-{last}/{size}", part.start)).ok()
}

/// `Content-Range` of the response to an unsatisfiable range.
pub(crate) fn unsatisfied_range(size: u64) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("bytes */{size}")).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VERSION: Version = Version::Digest([0xab; 16]);

    fn headers(range: &[u8], if_range: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_bytes(range).unwrap());
        for value in if_range {
            headers.append(header::IF_RANGE, value.parse().unwrap());
        }
        headers
    }

    fn of(range: &str, size: u64) -> Selected {
        select(&headers(range.as_bytes(), &[]), size, VERSION)
    }

    #[test]
    fn one_range_selects_a_part() {
        for (range, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-99", 0..100),
            ("bytes=0-100", 0..100),
            ("bytes=99-", 99..100),
            ("bytes=50-", 50..100),
            ("bytes=00050-0060", 50..61),
            ("bytes=-1", 99..100),
            ("bytes=-100", 0..100),
            ("bytes=-101", 0..100),
            ("bytes=-18446744073709551615", 0..100),
            ("bytes=0-99999999999999999999999", 0..100),
            ("Bytes=1-2", 1..3),
            ("bytes= 1-2", 1..3),
            ("bytes=1-2,", 1..3),
            ("bytes=, ,1-2", 1..3),
        ] {
            assert_eq!(of(range, 100), Selected::Part(expected), "{range}");
        }
    }

    #[test]
    fn a_range_beyond_the_end_is_unsatisfiable() {
        for range in [
            "bytes=100-",
            "bytes=100-100",
            "bytes=101-200",
            "bytes=-0",
            "bytes=99999999999999999999999-",
            "bytes=18446744073709551615-18446744073709551615",
        ] {
            assert_eq!(of(range, 100), Selected::Unsatisfiable, "{range}");
        }
        for range in ["bytes=0-", "bytes=0-0", "bytes=-0"] {
            assert_eq!(of(range, 0), Selected::Unsatisfiable, "{range}");
        }
    }

    #[test]
    fn a_suffix_of_an_empty_file_selects_all_of_it() {
        assert_eq!(of("bytes=-1", 0), Selected::Whole);
    }

    #[test]
    fn several_ranges_and_mistakes_select_the_whole_file() {
        for range in [
            "bytes=0-1,5-6",
            "bytes=0-1,200-300",
            "bytes=200-300,400-",
            "bytes=0-,0-,0-",
            "bytes=2-1",
            "bytes=-",
            "bytes=",
            "bytes",
            "bytes=1",
            "bytes=a-b",
            "bytes=0x1-2",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=--1",
            "bytes=1--2",
            "bytes 1-2",
            "lines=1-2",
            "=1-2",
            "",
        ] {
            assert_eq!(of(range, 100), Selected::Whole, "{range}");
        }
        assert_eq!(select(&headers(b"bytes=\xff-1", &[]), 100, VERSION), Selected::Whole);
        let mut twice = headers(b"bytes=0-1", &[]);
        twice.append(header::RANGE, "bytes=0-1".parse().unwrap());
        assert_eq!(select(&twice, 100, VERSION), Selected::Whole);
        assert_eq!(select(&HeaderMap::new(), 100, VERSION), Selected::Whole);
    }

    #[test]
    fn if_range_with_another_version_selects_the_whole_file() {
        let tag = VERSION.text();
        let of = |if_range: &[&str]| select(&headers(b"bytes=1-1", if_range), 100, VERSION);
        assert_eq!(of(&[&tag]), Selected::Part(1..2));
        let weak = format!("W/{tag}");
        let several = format!("{tag}, {tag}");
        for other in [
            "\"1\"",
            &weak,
            &several,
            "*",
            "",
            tag.trim_matches('"'),
            "Fri, 27 Nov 2026 08:49:37 GMT",
        ] {
            assert_eq!(of(&[other]), Selected::Whole, "{other}");
        }
        assert_eq!(of(&[&tag, &tag]), Selected::Whole);
        // Even a range beyond the end of another version.
        assert_eq!(
            select(&headers(b"bytes=100-", &["\"1\""]), 100, VERSION),
            Selected::Whole
        );
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_never_beyond_the_end(first: u64, last: u64, size: u64, form in 0..3) {
            let range = match form {
                0 => format!("bytes={first}-{last}"),
                1 => format!("bytes={first}-"),
                _ => format!("bytes=-{last}"),
            };
            if let Selected::Part(part) = of(&range, size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }

        #[test]
        fn any_text_selects_something(range in "(bytes=)?[ -~]{0,60}", size: u64) {
            if let Selected::Part(part) = of(&range, size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }
    }
}
