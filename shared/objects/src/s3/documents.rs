//! The XML of requests and responses.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::content::{self, CompletedPart, Part, Parts, Unfinished};
use crate::error::Error;
use crate::key::Key;

/// Longest error code that is kept, in bytes. Codes are words such as `NoSuchKey`.
const MAX_CODE_LEN: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorDocument {
    code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InitiateMultipartUploadResult {
    upload_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListPartsResult {
    #[serde(default)]
    is_truncated: bool,
    next_part_number_marker: Option<u16>,
    #[serde(default, rename = "Part")]
    parts: Vec<ListedPart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedPart {
    part_number: u16,
    #[serde(rename = "ETag")]
    etag: String,
    size: u64,
    #[serde(rename = "ChecksumSHA256")]
    checksum: Option<String>,
}

#[derive(Deserialize)]
struct DeleteResult {
    #[serde(default, rename = "Error")]
    errors: Vec<DeleteError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteError {
    key: String,
    code: String,
}

#[derive(Deserialize)]
struct ListMultipartUploadsResult {
    #[serde(default, rename = "Upload")]
    uploads: Vec<ListedUpload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedUpload {
    key: String,
    upload_id: String,
    initiated: String,
}

/// Whether the document is an error, in a response of any status.
pub(super) fn is_error(body: &[u8]) -> bool {
    let mut reader = Reader::from_reader(body);
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => return start.local_name().as_ref() == "Error",
            Ok(Event::Decl(_) | Event::Text(_) | Event::Comment(_)) => {}
            _ => return false,
        }
    }
}

/// The error code in the body; empty if there is none, as in a response to HEAD. The message is not read: it may
/// contain the id of the access key.
pub(super) fn error_code(body: &[u8]) -> String {
    let code = parse::<ErrorDocument>(body)
        .map(|document| document.code)
        .unwrap_or_default();
    let is_code = code.len() <= MAX_CODE_LEN && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_code { code } else { String::new() }
}

pub(super) fn upload_id(body: &[u8]) -> Result<String, Error> {
    Ok(parse::<InitiateMultipartUploadResult>(body)?.upload_id)
}

pub(super) fn parts(body: &[u8]) -> Result<Parts, Error> {
    let list: ListPartsResult = parse(body)?;
    let mut parts = Vec::with_capacity(list.parts.len());
    for part in list.parts {
        let sha256 = match part.checksum {
            Some(text) => {
                Some(content::decode(&text).ok_or_else(|| Error::corrupt("a part has a malformed checksum"))?)
            }
            None => None,
        };
        parts.push(Part {
            number: part.part_number,
            etag: part.etag,
            len: part.size,
            sha256,
        });
    }
    let next = match (list.is_truncated, list.next_part_number_marker) {
        (false, _) => None,
        // A page that starts where this one started would never end.
        (true, Some(next)) if parts.last().is_some_and(|part| part.number <= next) => Some(next),
        (true, _) => return Err(Error::corrupt("a list of parts does not say where it continues")),
    };
    Ok(Parts { parts, next })
}

/// The keys that were not deleted, each with its error code.
pub(super) fn failed_deletions(body: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let result: DeleteResult = parse(body)?;
    Ok(result.errors.into_iter().map(|error| (error.key, error.code)).collect())
}

pub(super) fn unfinished(body: &[u8]) -> Result<Vec<Unfinished>, Error> {
    let list: ListMultipartUploadsResult = parse(body)?;
    list.uploads
        .into_iter()
        .map(|upload| {
            let started: jiff::Timestamp = upload
                .initiated
                .parse()
                .map_err(|_| Error::corrupt("an upload has a malformed time"))?;
            let millis = u64::try_from(started.as_millisecond()).unwrap_or_default();
            Ok(Unfinished {
                key: upload.key,
                id: upload.upload_id,
                started: SystemTime::UNIX_EPOCH + Duration::from_millis(millis),
            })
        })
        .collect()
}

pub(super) fn complete(parts: &[CompletedPart]) -> String {
    let mut xml = String::from(r#"<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#);
    for part in parts {
        // Writing to a String cannot fail.
        let _ = write!(
            xml,
            "<Part><ChecksumSHA256>{}</ChecksumSHA256><ETag>{}</ETag><PartNumber>{}</PartNumber></Part>",
            content::encode(&part.sha256),
            escape(&part.etag),
            part.number
        );
    }
    xml.push_str("</CompleteMultipartUpload>");
    xml
}

/// Keys need no escape: see [`Key`].
pub(super) fn delete(keys: &[Key]) -> String {
    let mut xml = String::from(r#"<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#);
    for key in keys {
        let _ = write!(xml, "<Object><Key>{key}</Key></Object>");
    }
    xml.push_str("<Quiet>true</Quiet></Delete>");
    xml
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let text = std::str::from_utf8(body).map_err(|_| Error::corrupt("a response is not UTF-8"))?;
    // The parser's message may quote the response.
    quick_xml::de::from_str(text).map_err(|_| Error::corrupt("a response is not the expected XML"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_recognised_after_a_declaration_and_the_spaces_of_a_slow_response() {
        let error = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n  \n<Error><Code>InternalError</Code>\
            <Message>AKIAIOSFODNN7</Message></Error>";
        assert!(is_error(error));
        assert_eq!(error_code(error), "InternalError");
        for body in [
            &b""[..],
            b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>",
            b"plain",
        ] {
            assert!(!is_error(body));
        }
        assert_eq!(error_code(b""), "");
        assert_eq!(error_code(b"<Error><Code>a secret? &amp;</Code></Error>"), "");
    }

    #[test]
    fn a_list_of_parts_is_read_with_checksums_and_continues_after_the_last_one() {
        let xml = |truncated: bool, next: u16| {
            format!(
                r#"<ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket>
                <NextPartNumberMarker>{next}</NextPartNumberMarker><IsTruncated>{truncated}</IsTruncated>
                <Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag><Size>5</Size>
                <ChecksumSHA256>47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=</ChecksumSHA256></Part>
                <Owner><ID>x</ID></Owner>
                <Part><PartNumber>7</PartNumber><ETag>f</ETag><Size>6</Size></Part></ListPartsResult>"#
            )
        };

        let page = parts(xml(true, 7).as_bytes()).unwrap_or_else(|error| panic!("{error}"));

        assert_eq!(page.next, Some(7));
        assert_eq!(
            (page.parts[0].number, &*page.parts[0].etag, page.parts[0].len),
            (1, "\"e\"", 5)
        );
        assert!(page.parts[0].sha256.is_some() && page.parts[1].sha256.is_none());
        assert_eq!(parts(xml(false, 7).as_bytes()).unwrap().next, None);
        assert!(parts(xml(true, 1).as_bytes()).is_err(), "it would repeat part 7");
        assert!(parts(b"<ListPartsResult><IsTruncated>true</IsTruncated></ListPartsResult>").is_err());
    }

    #[test]
    fn a_broken_document_is_an_error_that_does_not_quote_it() {
        for body in [&b"<a>t0k3n"[..], b"t0k3n", b"\xff", b"<InitiateMultipartUploadResult/>"] {
            let error = upload_id(body).unwrap_err();
            assert!(
                matches!(error, Error::Corrupt { .. }) && !error.to_string().contains("t0k3n"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_deeply_nested_document_does_not_overflow_the_stack() {
        let deep = "<a>".repeat(100_000);
        for body in [
            deep.clone(),
            format!("<Error>{deep}"),
            format!("<ListPartsResult><Part>{deep}"),
            format!("<ListPartsResult>{deep}"),
        ] {
            assert!(parts(body.as_bytes()).is_err());
            let _ = error_code(body.as_bytes());
        }
    }

    #[test]
    fn a_tag_of_a_part_cannot_change_the_document() {
        let part = CompletedPart {
            number: 1,
            etag: "\"</ETag><a>&".to_owned(),
            sha256: [0; 32],
        };
        assert!(complete(&[part]).contains("<ETag>&quot;&lt;/ETag&gt;&lt;a&gt;&amp;</ETag>"));
    }
}
