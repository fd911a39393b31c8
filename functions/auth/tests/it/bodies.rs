//! Bodies that every route rejects.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use testkit::{Code, Target as _};

use crate::start;

const PATH: &str = "/v5/auth/login";

#[tokio::test]
async fn a_body_that_is_not_a_json_object_is_malformed() {
    let app = start();
    for body in [
        &b""[..],
        b"{",
        b"{\"email\": \"a\",}",
        b"{} {}",
        b"[]",
        b"null",
        b"\"text\"",
        b"{\"email\": \"\xff\"}",
        b"{\"email\": \"a\", \"email\": \"b\"}",
        b"\xef\xbb\xbf{}",
    ] {
        let request = app.post(PATH).header(CONTENT_TYPE, "application/json").body(body);
        request.send().await.assert_problem(400, Code::MalformedBody);
    }
}

#[tokio::test]
async fn other_media_types_are_rejected() {
    let app = start();
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
    ] {
        let request = app.post(PATH).header(CONTENT_TYPE, media_type).body("{}");
        request.send().await.assert_problem(415, Code::UnsupportedMediaType);
    }
    app.post(PATH)
        .body("{}")
        .send()
        .await
        .assert_problem(415, Code::UnsupportedMediaType);
}

#[tokio::test]
async fn a_body_above_64_kib_is_rejected_with_and_without_a_content_length() {
    let app = start();
    let padded = |len: usize| {
        let mut body = br#"{"email":"a@b","password":"x"}"#.to_vec();
        body.resize(len, b' ');
        body
    };
    let json = |body: Body| app.post(PATH).header(CONTENT_TYPE, "application/json").body(body);
    let chunked = |body: Vec<u8>| {
        let chunks: Vec<_> = body
            .chunks(1000)
            .map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk)))
            .collect();
        Body::from_stream(futures_util::stream::iter(chunks))
    };
    json(Body::from(padded(65_536)))
        .send()
        .await
        .assert_problem(401, Code::InvalidCredentials);
    json(chunked(padded(65_536)))
        .send()
        .await
        .assert_problem(401, Code::InvalidCredentials);
    json(Body::from(padded(65_537)))
        .send()
        .await
        .assert_problem(413, Code::BodyTooLarge);
    json(chunked(padded(65_537)))
        .send()
        .await
        .assert_problem(413, Code::BodyTooLarge);
}
