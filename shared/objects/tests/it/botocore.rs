//! Presigned requests equal those of botocore, Amazon's own client for Python.
//!
//! `tests/botocore.json` contains requests that `botocore_cases.py` wrote. `make test-objects` runs the same test with
//! requests that the pinned botocore signs then.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use objects::{Content, Objects, PresignedRequest, ResponseHeaders, UploadId};
use serde_json::Value;
use url::Url;

use crate::support::{clock_at, credentials, key};

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap_or_else(|| panic!("{name} in {case}"))
}

fn presigned(case: &Value) -> PresignedRequest {
    let environment = credentials(text(case, "id"), text(case, "secret"), text(case, "token"));
    let clock = clock_at(case["time"].as_u64().unwrap());
    let objects = Objects::open(text(case, "objects"), &environment, clock).unwrap();
    let key = key(text(case, "key"));
    let validity = Duration::from_secs(case["expires"].as_u64().unwrap());
    let content = || Content {
        len: case["len"].as_u64().unwrap(),
        sha256: STANDARD.decode(text(case, "sha256")).unwrap().try_into().unwrap(),
    };
    let request = match text(case, "operation") {
        "put_object" => objects.presign_put(&key, &content(), validity),
        "upload_part" => {
            let upload = UploadId::parse(text(case, "upload")).unwrap();
            let number = u16::try_from(case["number"].as_u64().unwrap()).unwrap();
            objects.presign_part(&key, &upload, number, &content(), validity)
        }
        "get_object" => {
            let headers = ResponseHeaders {
                content_type: case["type"].as_str(),
                content_disposition: case["disposition"].as_str(),
            };
            objects.presign_get(&key, &headers, validity)
        }
        other => panic!("unknown operation {other}"),
    };
    request.unwrap().unwrap()
}

/// Host with port, path as sent, and the decoded query in order of names: S3 does not look at their order.
fn parts(url: &str) -> (String, String, Vec<(String, String)>) {
    let url = Url::parse(url).unwrap();
    let mut query: Vec<_> = url.query_pairs().into_owned().collect();
    query.sort();
    let origin = url.origin().ascii_serialization();
    (origin, url.path().to_owned(), query)
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "`make test-objects` names the requests of today's botocore"
)]
fn presigned_requests_equal_botocores() {
    let frozen = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/botocore.json");
    let file = std::env::var("BOTOCORE_CASES").unwrap_or_else(|_| frozen.to_owned());
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(cases.len() >= 100, "only {} cases", cases.len());

    for case in &cases {
        let request = presigned(case);

        let (expected_url, url) = (parts(text(case, "url")), parts(&request.url));
        assert_eq!(url, expected_url, "{case}");
        assert_eq!(request.method, text(case, "method"), "{case}");
        // The signature covers the values; the client has to know the names.
        let signed = &expected_url
            .2
            .iter()
            .find(|(name, _)| name == "X-Amz-SignedHeaders")
            .unwrap()
            .1;
        let mut names: Vec<_> = request.headers.iter().map(|(name, _)| *name).collect();
        names.push("host");
        names.sort_unstable();
        assert_eq!(names.join(";"), *signed, "{case}");
        let expected: &[_] = match text(case, "operation") {
            "put_object" => &["content-length", "host", "if-none-match", "x-amz-checksum-sha256"],
            "upload_part" => &["content-length", "host", "x-amz-checksum-sha256"],
            _ => &["host"],
        };
        assert_eq!(names, expected, "{case}");
    }
}
