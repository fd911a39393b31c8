//! `Content-Disposition` of a file (RFC 6266): whether browsers may show it, and the name under which they save it.

use axum::http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The media types that browsers may show: they execute nothing in them. Everything else is saved, so that a file in a
/// workspace never runs as a page of the API's origin.
const PASSIVE: [&str; 11] = [
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "image/avif",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/plain",
    "video/mp4",
    "video/webm",
];

/// The bytes that `filename*` contains as themselves (`attr-char` in RFC 8187).
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The header for a file with this name and media type.
///
/// A name that not every program reads correctly is there twice: first in ASCII, with `_` for other characters, and
/// then exactly.
pub(crate) fn content_disposition(name: &str, media_type: &str) -> HeaderValue {
    let kind = if PASSIVE.contains(&media_type) {
        "inline"
    } else {
        "attachment"
    };
    let is_plain = |letter: char| (letter.is_ascii_graphic() || letter == ' ') && !matches!(letter, '"' | '\\' | '%');
    let mut value = format!("{kind}; filename=\"");
    value.extend(name.chars().map(|letter| if is_plain(letter) { letter } else { '_' }));
    value.push('"');
    if !name.chars().all(is_plain) {
        value.push_str("; filename*=UTF-8''");
        value.extend(utf8_percent_encode(name, ATTR_CHAR));
    }
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;
    use crate::content::media_type::media_type;

    fn of(name: &str) -> String {
        let value = content_disposition(name, media_type(name));
        value.to_str().unwrap().to_owned()
    }

    #[test]
    fn active_content_is_saved_and_passive_content_may_be_shown() {
        for active in [
            "a.html",
            "a.HTM",
            "a.xhtml",
            "a.svg",
            "a.svgz",
            "a.xml",
            "a.xsl",
            "a.xslt",
            "a.rdf",
            "a.atom",
            "a.mathml",
            "a.pdf",
            "a.js",
            "a.mjs",
            "a.wasm",
            "a.css",
            "a.swf",
            "a.hta",
            "a.mht",
            "a.mhtml",
            "a.shtml",
            "a.jar",
            "a.json",
            "a.ps",
            "a.unknown",
            "a",
            "a.md",
            "a.ts",
            "a.xht",
            "a.vtt",
            "a.ics",
            "a.manifest",
            "a.appcache",
        ] {
            assert!(of(active).starts_with("attachment; "), "{active}: {}", of(active));
        }
        for passive in ["a.txt", "a.png", "a.jpg", "a.gif", "a.webp", "a.mp4", ".gitignore"] {
            assert!(of(passive).starts_with("inline; "), "{passive}: {}", of(passive));
        }
    }

    #[test]
    fn a_name_is_quoted_and_escaped() {
        assert_eq!(of("a b.html"), r#"attachment; filename="a b.html""#);
        assert_eq!(
            of("größe.html"),
            r#"attachment; filename="gr__e.html"; filename*=UTF-8''gr%C3%B6%C3%9Fe.html"#
        );
        assert_eq!(
            of(r#"a".html; filename="b.exe"#),
            r#"attachment; filename="a_.html; filename=_b.exe"; filename*=UTF-8''a%22.html%3B%20filename%3D%22b.exe"#
        );
        assert_eq!(
            of(r"a\b%41"),
            r#"attachment; filename="a_b_41"; filename*=UTF-8''a%5Cb%2541"#
        );
        assert_eq!(
            of("a\r\nx: y"),
            r#"attachment; filename="a__x: y"; filename*=UTF-8''a%0D%0Ax%3A%20y"#
        );
    }

    proptest! {
        #[test]
        fn every_name_is_read_back(name: String) {
            let value = of(&name);
            let exact = match value.split_once("; filename*=UTF-8''") {
                Some((_, encoded)) => percent_decode_str(encoded).decode_utf8().unwrap().into_owned(),
                None => value.split('"').nth(1).unwrap().to_owned(),
            };
            prop_assert_eq!(exact, name);
            prop_assert!(value.is_ascii() && value.matches('"').count() == 2);
        }
    }
}
