//! `Range` and `If-Range` (RFC 9110, section 14).

use axum::http::Method;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use testkit::Code;

use crate::{Workspace, etag};

#[tokio::test]
async fn a_range_is_sent_with_exact_headers() {
    let workspace = Workspace::start().await;
    let bytes: Vec<u8> = (0..=255).cycle().take(20_000).collect();
    let entry = workspace.write("/a.bin", &bytes).await;
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=0-19999", 0, 19_999),
        ("bytes=5-9", 5, 9),
        // Across the boundaries of stored chunks.
        ("bytes=8175-8176", 8175, 8176),
        ("bytes=8176-16352", 8176, 16_352),
        ("bytes=19999-", 19_999, 19_999),
        ("bytes=100-99999", 100, 19_999),
        ("bytes=-1", 19_999, 19_999),
        ("bytes=-20000", 0, 19_999),
        ("bytes=-99999", 0, 19_999),
    ] {
        let part = workspace
            .get("files/content?path=/a.bin")
            .header(RANGE, range)
            .send()
            .await;
        assert_eq!(part.status, 206, "{range}");
        assert!(part.bytes == bytes[first..=last], "{range}");
        assert_eq!(
            part.header("content-length"),
            Some(&*(last - first + 1).to_string()),
            "{range}"
        );
        assert_eq!(
            part.header("content-range"),
            Some(&*format!("bytes {first}-{last}/20000"))
        );
        assert_eq!(part.header("etag"), Some(etag(&entry)));
        assert_eq!(
            part.header("repr-digest"),
            entry["digest"].as_str(),
            "the digest is of the whole file"
        );
    }
}

#[tokio::test]
async fn a_range_beyond_the_end_is_a_416_with_the_size() {
    let workspace = Workspace::start().await;
    workspace.write("/a.txt", "hello").await;
    workspace.write("/empty", "").await;
    for (path, range, size) in [
        ("/a.txt", "bytes=5-", 5),
        ("/a.txt", "bytes=5-9", 5),
        ("/a.txt", "bytes=-0", 5),
        ("/a.txt", "bytes=99999999999999999999-", 5),
        ("/empty", "bytes=0-0", 0),
        ("/empty", "bytes=0-", 0),
    ] {
        let below = format!("files/content?path={path}");
        let response = workspace.get(&below).header(RANGE, range).send().await;
        assert_eq!(
            response.header("content-range"),
            Some(&*format!("bytes */{size}")),
            "{range}"
        );
        assert_eq!(response.header("etag"), None);
        response.assert_problem(416, Code::RangeNotSatisfiable);
        // `Range` is defined for `GET` only.
        let head = workspace
            .request(Method::HEAD, &below)
            .header(RANGE, range)
            .send()
            .await;
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-length"), Some(&*size.to_string()));
    }
}

#[tokio::test]
async fn several_ranges_and_malformed_ones_get_the_whole_file() {
    let workspace = Workspace::start().await;
    workspace.write("/a.txt", "hello").await;
    workspace.write("/empty", "").await;
    for range in [
        "bytes=0-1,3-4",
        "bytes=0-1,9-10",
        "bytes=3-1",
        "bytes=a-b",
        "bytes=",
        "lines=0-1",
        "bytes 0-1",
        "",
    ] {
        let whole = workspace
            .get("files/content?path=/a.txt")
            .header(RANGE, range)
            .send()
            .await;
        assert_eq!((whole.status.as_u16(), &*whole.bytes), (200, &b"hello"[..]), "{range}");
        assert_eq!(whole.header("content-range"), None, "{range}");
    }
    let twice = workspace.get("files/content?path=/a.txt").header(RANGE, "bytes=0-1");
    assert_eq!(twice.header(RANGE, "bytes=0-1").send().await.status, 200);
    let suffix = workspace
        .get("files/content?path=/empty")
        .header(RANGE, "bytes=-5")
        .send()
        .await;
    assert_eq!((suffix.status.as_u16(), suffix.bytes.len()), (200, 0));
}

#[tokio::test]
async fn a_range_applies_only_to_the_version_in_if_range() {
    let workspace = Workspace::start().await;
    let old = workspace.write("/a.txt", "hello").await;
    let new = workspace.write("/a.txt", "jello").await;
    let get = |if_range: &str| {
        let request = workspace.get("files/content?path=/a.txt").header(RANGE, "bytes=0-0");
        request.header(IF_RANGE, if_range).send()
    };
    assert_eq!(get(etag(&new)).await.status, 206);
    for other in [
        etag(&old),
        &format!("W/{}", etag(&new)),
        "Fri, 27 Nov 2026 08:49:37 GMT",
        "*",
    ] {
        let whole = get(other).await;
        assert_eq!((whole.status.as_u16(), &*whole.bytes), (200, &b"jello"[..]), "{other}");
    }
}

#[tokio::test]
async fn preconditions_precede_the_range() {
    let workspace = Workspace::start().await;
    let entry = workspace.write("/a.txt", "hello").await;
    let get = |range: &str| workspace.get("files/content?path=/a.txt").header(RANGE, range);
    for range in ["bytes=0-0", "bytes=9-"] {
        let known = get(range).header(IF_NONE_MATCH, etag(&entry)).send().await;
        assert_eq!(known.status, 304);
        assert_eq!(known.header("etag"), Some(etag(&entry)));
        assert_eq!(known.header("content-type"), None);
        let other = get(range).header(IF_MATCH, "\"1\"").send().await;
        other.assert_problem(412, Code::PreconditionFailed);
    }
    let part = get("bytes=0-0").header(IF_MATCH, etag(&entry)).send().await;
    assert_eq!(part.status, 206);
}
