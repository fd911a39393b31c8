//! The trace that a request belongs to: W3C Trace Context (<https://www.w3.org/TR/trace-context/>), and X-Ray's header.
//!
//! A trace id is 128 bits and is written as 32 hexadecimal digits, as W3C and OpenTelemetry do. X-Ray's `1-5759e988-bd862e3fe1be46a994272793`
//! is the same without its version and its hyphens, and so can be told from the 32 digits.
//!
//! Whoever sends a request can set the headers, so the id is a hint for those who look for lines that belong together, and nothing else: it
//! stands on the line, and decides nothing. The request's own id is never taken from a client.

use std::fmt;

use axum::http::{HeaderMap, HeaderName};
use serde::{Serialize, Serializer};
use uuid::Uuid;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// The length of a `traceparent` of version 00; that of every later one begins in the same way.
const TRACEPARENT_LEN: usize = 55;

/// How many digits an id has.
const DIGITS: usize = 32;

/// The id of a trace, which is never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceId(u128);

impl TraceId {
    /// The trace of a request with these headers.
    ///
    /// `traceparent` goes first, because it is sent by whoever wants to find the request in a trace of their own. Then comes X-Ray's header,
    /// which a load balancer adds, and under Lambda `lambda_http`: whatever stood there, it puts the trace of the invocation in its place.
    /// Without either, or if it is malformed or there twice, a trace begins here.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let parent = only(headers, &TRACEPARENT).and_then(Self::from_traceparent);
        parent
            .or_else(|| only(headers, &X_AMZN_TRACE_ID).and_then(Self::from_xray))
            .unwrap_or_else(Self::begin)
    }

    /// A new one. Nobody has to be kept from guessing it.
    pub(crate) fn begin() -> Self {
        Self(fastrand::u128(1..))
    }

    /// The trace of a `traceparent` (section 3.2): `00-`, 32 digits, `-`, the parent's 16, `-`, 2 of flags; in lower case, and neither id
    /// zero. A later version may go on after another hyphen; `ff` is none.
    pub(crate) fn from_traceparent(value: &str) -> Option<Self> {
        let value = value.trim_matches([' ', '\t']);
        let (known, rest) = value.split_at_checked(TRACEPARENT_LEN)?;
        let mut parts = known.split('-');
        let mut digits = |len| parts.next().filter(|part| is_lower_hex(part, len));
        let (version, trace, parent, _flags) = (digits(2)?, digits(DIGITS)?, digits(16)?, digits(2)?);
        let may_go_on = match version {
            "ff" => return None,
            "00" => rest.is_empty(),
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let parent = u64::from_str_radix(parent, 16).ok()?;
        if !may_go_on || parent == 0 {
            return None;
        }
        Self::from_digits(trace.as_bytes())
    }

    /// The `Root` of X-Ray's header (`Root=1-8 digits-24 digits;Parent=…;Sampled=…`), among whatever fields there are in whatever order.
    pub(crate) fn from_xray(value: &str) -> Option<Self> {
        let mut fields = value.split(';').filter_map(|field| field.trim().split_once('='));
        let (_, root) = fields.find(|(name, _)| *name == "Root")?;
        let (time, unique) = root.strip_prefix("1-")?.split_once('-')?;
        if !(is_lower_hex(time, 8) && is_lower_hex(unique, 24)) {
            return None;
        }
        let mut digits = [0; DIGITS];
        digits[..8].copy_from_slice(time.as_bytes());
        digits[8..].copy_from_slice(unique.as_bytes());
        Self::from_digits(&digits)
    }

    fn from_digits(digits: &[u8]) -> Option<Self> {
        // A UUID is as many digits, and is read and written faster than a number.
        let number = Uuid::try_parse_ascii(digits).ok()?.as_u128();
        (number != 0).then_some(Self(number))
    }

    fn write(self, digits: &mut [u8; DIGITS]) -> &str {
        Uuid::from_u128(self.0).simple().encode_lower(digits)
    }
}

/// The header's value, if there is exactly one and it is text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn is_lower_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write(&mut [0; DIGITS]))
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.write(&mut [0; DIGITS]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const XRAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    fn w3c(value: &str) -> Option<String> {
        TraceId::from_traceparent(value).map(|id| id.to_string())
    }

    fn xray(value: &str) -> Option<String> {
        TraceId::from_xray(value).map(|id| id.to_string())
    }

    #[test]
    fn a_traceparent_of_this_version_or_a_later_one_names_its_trace() {
        for value in [
            PARENT,
            // No flag that is unknown matters, nor is a trace less one for not being recorded.
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like",
            "fe-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\t",
        ] {
            assert_eq!(w3c(value).as_deref(), Some(TRACE), "{value}");
        }
    }

    #[test]
    fn a_traceparent_that_is_not_one_to_the_letter_names_none() {
        for value in [
            "",
            "-",
            "---",
            TRACE,
            // Of another length, or going on where it must not.
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-001",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            // Not in lower case, or no digits.
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-+0f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            ".0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-\u{e9}",
            "\u{e9}-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            // The forbidden version, and the ids that are none.
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(w3c(value), None, "{value}");
        }
    }

    #[test]
    fn the_root_of_xrays_header_names_its_trace_wherever_it_stands() {
        for value in [
            XRAY,
            "Root=1-5759e988-bd862e3fe1be46a994272793",
            "Self=1-67891234-12456789abcdef012345678;Root=1-5759e988-bd862e3fe1be46a994272793",
            "Sampled=0; Root=1-5759e988-bd862e3fe1be46a994272793; Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2",
        ] {
            assert_eq!(
                xray(value).as_deref(),
                Some("5759e988bd862e3fe1be46a994272793"),
                "{value}"
            );
        }
        for value in [
            "",
            "Root",
            "Root=",
            "Parent=53995c3f42cd8ad8;Sampled=1",
            "1-5759e988-bd862e3fe1be46a994272793",
            "root=1-5759e988-bd862e3fe1be46a994272793",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759E988-BD862E3FE1BE46A994272793",
            "Root=1-5759e98-8bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a99427279",
            "Root=1-5759e988-bd862e3fe1be46a994272793-",
            "Root=1-5759e988bd862e3fe1be46a994272793",
            "Root=1-+759e988-bd862e3fe1be46a994272793",
            "Root=1-00000000-000000000000000000000000;Sampled=0",
        ] {
            assert_eq!(xray(value), None, "{value}");
        }
    }

    fn of(headers: &[(&'static str, &str)]) -> String {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        TraceId::of(&all).to_string()
    }

    #[test]
    fn the_callers_own_trace_goes_before_xrays() {
        let (parent, header) = (("traceparent", PARENT), ("x-amzn-trace-id", XRAY));
        let xrays = "5759e988bd862e3fe1be46a994272793";
        assert_eq!(of(&[header, parent]), TRACE);
        assert_eq!(of(&[header]), xrays);
        assert_eq!(of(&[header, ("traceparent", "nonsense")]), xrays);
    }

    #[test]
    fn without_a_trace_or_with_two_one_begins_here() {
        let two = [("traceparent", PARENT), ("traceparent", PARENT)];
        let mut seen = std::collections::BTreeSet::from([TRACE.to_owned(), "0".repeat(32)]);
        for headers in [
            &[][..],
            &two,
            &[("traceparent", "nonsense")],
            &[("x-amzn-trace-id", "Root=1")],
        ] {
            let begun = of(headers);
            assert!(is_lower_hex(&begun, 32), "{begun}");
            assert!(seen.insert(begun), "{headers:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_a_trace_is_thirty_two_digits_of_it_or_none(value in "[0-9a-fA-F-]{50,60}|\\PC{0,80}") {
            if let Some(id) = w3c(&value) {
                prop_assert!(value.contains(&id));
                prop_assert!(is_lower_hex(&id, 32));
            }
            prop_assert_eq!(xray(&value), None);
        }

        #[test]
        fn every_traceparent_that_is_one_is_taken(version in 0u8..=254, trace in 1u128.., parent in 1u64.., flags: u8, more in "(-[!-~]{0,20})?") {
            let more = if version == 0 { "" } else { &more };
            let value = format!("{version:02x}-{trace:032x}-{parent:016x}-{flags:02x}{more}");
            prop_assert_eq!(w3c(&value), Some(format!("{trace:032x}")));
            let root = format!("{trace:032x}");
            let value = format!("Root=1-{}-{};Parent={parent:016x};Sampled=1", &root[..8], &root[8..]);
            prop_assert_eq!(xray(&value), Some(root));
        }
    }
}
