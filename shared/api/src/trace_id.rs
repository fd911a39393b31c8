//! The trace id of a request, from W3C Trace Context (<https://www.w3.org/TR/trace-context/>) or from X-Ray's header.
//!
//! A trace id has 128 bits and is written as 32 hexadecimal digits, as in W3C and OpenTelemetry. X-Ray's
//! `1-5759e988-bd862e3fe1be46a994272793` is the same number with a version and hyphens.
//!
//! A client can set the headers. So the trace id only helps an operator to find related log lines, and no decision
//! depends on it. The request's own id never comes from a client.

use std::fmt;

use axum::http::{HeaderMap, HeaderName};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::spans::ParentSpan;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// The length of a `traceparent` of version 00. Later versions begin with the same fields.
const TRACEPARENT_LEN: usize = 55;

/// The number of hexadecimal digits of an id.
const DIGITS: usize = 32;

/// A trace id, which is never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceId(u128);

impl TraceId {
    /// The trace id of a request with these headers, and the client's span.
    ///
    /// `traceparent` has precedence, because a client sends it to find the request in its own trace. X-Ray's header
    /// comes from a load balancer, or from `lambda_http`, which replaces any value with the trace of the invocation. A
    /// header that is absent, malformed or repeated is ignored; without a usable header the id is a new one.
    pub(crate) fn from_headers(headers: &HeaderMap) -> (Self, Option<ParentSpan>) {
        if let Some((id, parent)) = single_value(headers, &TRACEPARENT).and_then(Self::from_traceparent) {
            return (id, Some(parent));
        }
        let xray = single_value(headers, &X_AMZN_TRACE_ID).and_then(Self::from_xray);
        (xray.unwrap_or_else(Self::generate), None)
    }

    /// A new id. It need not be hard to guess, because no decision depends on it.
    pub(crate) fn generate() -> Self {
        Self(fastrand::u128(1..))
    }

    /// Parses a `traceparent` (section 3.2): `00-`, 32 digits of the trace, `-`, 16 digits of the parent, `-`, 2 digits
    /// of flags; in lower case, and neither id zero. A later version may continue after another hyphen; the version
    /// `ff` is invalid.
    pub(crate) fn from_traceparent(value: &str) -> Option<(Self, ParentSpan)> {
        let value = value.trim_matches([' ', '\t']);
        let (known, rest) = value.split_at_checked(TRACEPARENT_LEN)?;
        let mut parts = known.split('-');
        let mut digits = |len| parts.next().filter(|part| is_lower_hex(part, len));
        let (version, trace, parent, flags) = (digits(2)?, digits(DIGITS)?, digits(16)?, digits(2)?);
        let has_valid_rest = match version {
            "ff" => return None,
            "00" => rest.is_empty(),
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let parent = ParentSpan {
            id: u64::from_str_radix(parent, 16).ok()?,
            is_sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        };
        if !has_valid_rest || parent.id == 0 {
            return None;
        }
        Some((Self::from_digits(trace.as_bytes())?, parent))
    }

    /// Parses the field `Root` of X-Ray's header (`Root=1-8 digits-24 digits;Parent=…;Sampled=…`); its fields may be in
    /// any order.
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

    /// The id as a number, which is never zero.
    pub(crate) fn number(self) -> u128 {
        self.0
    }

    fn from_digits(digits: &[u8]) -> Option<Self> {
        // A UUID has as many digits, and is parsed and formatted faster than an integer.
        let number = Uuid::try_parse_ascii(digits).ok()?.as_u128();
        (number != 0).then_some(Self(number))
    }

    fn write(self, digits: &mut [u8; DIGITS]) -> &str {
        Uuid::from_u128(self.0).simple().encode_lower(digits)
    }
}

/// The header's value, if the header occurs once and is ASCII.
fn single_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
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
        TraceId::from_traceparent(value).map(|(id, _)| id.to_string())
    }

    fn xray(value: &str) -> Option<String> {
        TraceId::from_xray(value).map(|id| id.to_string())
    }

    #[test]
    fn a_traceparent_of_this_or_a_later_version_is_accepted() {
        for value in [
            PARENT,
            // Flags are ignored, known or unknown: an unrecorded trace has an id, too.
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
    fn a_traceparent_names_the_clients_span_and_whether_it_is_sampled() {
        let parent = |value: &str| TraceId::from_traceparent(value).map(|(_, parent)| parent);
        for (flags, is_sampled) in [("00", false), ("01", true), ("02", false), ("ff", true), ("fe", false)] {
            let value = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
            let id = 0x00f0_67aa_0ba9_02b7;
            assert_eq!(parent(&value), Some(ParentSpan { id, is_sampled }), "{value}");
        }
    }

    #[test]
    fn a_malformed_traceparent_is_rejected() {
        for value in [
            "",
            "-",
            "---",
            TRACE,
            // Another length, or a continuation that is not allowed.
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-001",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            // Upper case, or no hexadecimal digits.
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
            // The invalid version and the invalid ids.
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(w3c(value), None, "{value}");
        }
    }

    #[test]
    fn the_root_of_xrays_header_is_accepted_among_other_fields() {
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

    fn from_headers(headers: &[(&'static str, &str)]) -> String {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        TraceId::from_headers(&all).0.to_string()
    }

    #[test]
    fn traceparent_has_precedence_over_xrays_header() {
        let (parent, header) = (("traceparent", PARENT), ("x-amzn-trace-id", XRAY));
        let xrays = "5759e988bd862e3fe1be46a994272793";
        assert_eq!(from_headers(&[header, parent]), TRACE);
        assert_eq!(from_headers(&[header]), xrays);
        assert_eq!(from_headers(&[header, ("traceparent", "nonsense")]), xrays);
    }

    #[test]
    fn without_exactly_one_usable_header_the_id_is_new() {
        let two = [("traceparent", PARENT), ("traceparent", PARENT)];
        let mut known = std::collections::BTreeSet::from([TRACE.to_owned(), "0".repeat(32)]);
        for headers in [
            &[][..],
            &two,
            &[("traceparent", "nonsense")],
            &[("x-amzn-trace-id", "Root=1")],
        ] {
            let id = from_headers(headers);
            assert!(is_lower_hex(&id, 32), "{id}");
            assert!(known.insert(id), "{headers:?}");
        }
    }

    proptest! {
        #[test]
        fn any_header_gives_thirty_two_of_its_digits_or_none(value in "[0-9a-fA-F-]{50,60}|\\PC{0,80}") {
            if let Some(id) = w3c(&value) {
                prop_assert!(value.contains(&id));
                prop_assert!(is_lower_hex(&id, 32));
            }
            prop_assert_eq!(xray(&value), None);
        }

        #[test]
        fn every_valid_traceparent_and_xray_header_is_accepted(
            version in 0u8..=254,
            trace in 1u128..,
            parent in 1u64..,
            flags: u8,
            more in "(-[!-~]{0,20})?",
        ) {
            let more = if version == 0 { "" } else { &more };
            let value = format!("{version:02x}-{trace:032x}-{parent:016x}-{flags:02x}{more}");
            prop_assert_eq!(w3c(&value), Some(format!("{trace:032x}")));
            let root = format!("{trace:032x}");
            let value = format!("Root=1-{}-{};Parent={parent:016x};Sampled=1", &root[..8], &root[8..]);
            prop_assert_eq!(xray(&value), Some(root));
        }
    }
}
