//! Against a server that speaks S3's protocol: moto, with the checks that `s3_server.py` adds. `make test-objects`
//! installs it and runs these tests.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use objects::{Checksum, CompletedPart, Content, Error, Key, Objects, PresignedRequest, ResponseHeaders, UploadId};
use reqwest::{Client, Method, RequestBuilder};

use crate::support::{clock_at, completed, credentials, key, real_clock};

const BUCKET: &str = "bucket-a";
const REGION: &str = "eu-central-1";
const ID: &str = "ASIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "session//token+with=all";

const MINUTE: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

/// A running server; it stops when this is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    #[expect(
        clippy::disallowed_methods,
        reason = "`make test-objects` names the Python that has moto"
    )]
    fn start() -> Self {
        let python = std::env::var_os("MOTO_PYTHON").expect("run `make test-objects`, which sets MOTO_PYTHON");
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/s3_server.py"))
            .args([BUCKET, REGION, ID, SECRET, TOKEN])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line.trim().parse().expect("the server prints its port");
        Self { child, port }
    }

    fn store(&self) -> Objects {
        self.store_with(SECRET, TOKEN, real_clock())
    }

    fn store_with(&self, secret: &str, token: &str, clock: objects::Clock) -> Objects {
        let objects = format!("s3://{BUCKET}?region={REGION}&endpoint=http://127.0.0.1:{}", self.port);
        Objects::open(&objects, &credentials(ID, secret, token), clock).unwrap()
    }
}

/// The request as a client sends it: the HTTP library sets `host` and `content-length`.
fn request(presigned: &PresignedRequest, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let method = Method::from_bytes(presigned.method.as_bytes()).unwrap();
    let mut request = Client::new().request(method, &presigned.url).body(body);
    for (name, value) in presigned.headers.iter().filter(|(name, _)| *name != "content-length") {
        request = request.header(*name, value);
    }
    request
}

/// The status and the error code of the response.
async fn send(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.text().await.unwrap();
    let code = body
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    (status, code.map(|(code, _)| code.to_owned()).unwrap_or_default())
}

fn presigned_put(objects: &Objects, key: &Key, content: &[u8]) -> PresignedRequest {
    objects
        .presign_put(key, &Content::of(content), MINUTE)
        .unwrap()
        .unwrap()
}

#[tokio::test]
#[ignore = "needs moto: run `make test-objects`"]
async fn a_client_writes_and_reads_an_object_with_presigned_requests() {
    let server = Server::start();
    let objects = server.store();
    let key = key("files/0198c2f4/1");

    let put = presigned_put(&objects, &key, b"hello");
    assert_eq!(send(request(&put, "hello")).await.0, 200);

    let head = objects.head(&key).await.unwrap();
    assert_eq!(
        (head.len, head.checksum),
        (5, Some(Checksum::whole(&Content::of(b"hello"))))
    );
    let headers = ResponseHeaders {
        content_type: Some("text/plain; charset=utf-8"),
        content_disposition: Some("attachment; filename*=UTF-8''a%20%C3%A9.txt"),
    };
    let get = objects.presign_get(&key, &headers, MINUTE).unwrap().unwrap();
    let response = request(&get, "").header("range", "bytes=1-2").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 206);
    assert_eq!(response.headers()["content-type"], headers.content_type.unwrap());
    assert_eq!(
        response.headers()["content-disposition"],
        headers.content_disposition.unwrap()
    );
    assert_eq!(response.text().await.unwrap(), "el");
}

#[tokio::test]
#[ignore = "needs moto: run `make test-objects`"]
async fn a_presigned_put_accepts_exactly_the_announced_bytes_once() {
    let server = Server::start();
    let objects = server.store();
    let key = key("a");
    let put = presigned_put(&objects, &key, b"hello");

    for other in ["hell", "hello!", ""] {
        let (status, code) = send(request(&put, other)).await;
        assert_eq!(
            (status, &*code),
            (403, "SignatureDoesNotMatch"),
            "{other:?} has another length"
        );
    }
    assert_eq!(send(request(&put, "hallo")).await, (400, "BadDigest".to_owned()));
    // A client that announces its own bytes breaks the signature.
    let mut forged = presigned_put(&objects, &key, b"hallo");
    forged.url = put.url.clone();
    assert_eq!(
        send(request(&forged, "hallo")).await,
        (403, "SignatureDoesNotMatch".to_owned())
    );
    // So does one that leaves a header out, or adds one.
    for left_out in ["if-none-match", "x-amz-checksum-sha256"] {
        let mut partial = put.clone();
        partial.headers.retain(|(name, _)| *name != left_out);
        assert_eq!(send(request(&partial, "hello")).await.0, 403, "without {left_out}");
    }
    assert_eq!(
        send(request(&put, "hello").header("x-amz-acl", "public-read")).await.0,
        403
    );
    assert_eq!(objects.head(&key).await, Err(Error::NotFound), "nothing was written");

    assert_eq!(send(request(&put, "hello")).await.0, 200);
    assert_eq!(
        send(request(&put, "hello")).await,
        (412, "PreconditionFailed".to_owned())
    );
    let second = presigned_put(&objects, &key, b"other");
    assert_eq!(
        send(request(&second, "other")).await,
        (412, "PreconditionFailed".to_owned())
    );
    assert_eq!(objects.read(&key, 0..9).await.unwrap(), "hello");
}

#[tokio::test]
#[ignore = "needs moto: run `make test-objects`"]
async fn a_presigned_request_serves_one_method_and_one_key_until_it_expires() {
    let server = Server::start();
    let objects = server.store();
    objects.put(&key("a"), "a").await.unwrap();
    objects.put(&key("b"), "b").await.unwrap();
    let get = |objects: &Objects, valid| {
        let presigned = objects.presign_get(&key("a"), &ResponseHeaders::default(), valid);
        presigned.unwrap().unwrap()
    };

    let valid = get(&objects, MINUTE);
    assert_eq!(send(request(&valid, "")).await.0, 200);
    let mut other = valid.clone();
    other.url = other.url.replace(&format!("/{BUCKET}/a?"), &format!("/{BUCKET}/b?"));
    assert_eq!(send(request(&other, "")).await.0, 403);
    let delete = PresignedRequest {
        method: "DELETE",
        ..valid.clone()
    };
    assert_eq!(send(request(&delete, "")).await.0, 403);
    let mut shown = valid.clone();
    shown.url += "&response-content-type=text/html";
    assert_eq!(send(request(&shown, "")).await.0, 403);

    let seconds = real_clock()().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let earlier = server.store_with(SECRET, TOKEN, clock_at(seconds - 61));
    assert_eq!(
        send(request(&get(&earlier, MINUTE), "")).await,
        (403, "AccessDenied".to_owned())
    );
    assert_eq!(send(request(&get(&earlier, MINUTE * 5), "")).await.0, 200);
}

#[tokio::test]
#[ignore = "needs moto: run `make test-objects`"]
async fn wrong_credentials_are_refused_with_the_code_and_nothing_else() {
    let server = Server::start();
    for (secret, token, expected) in [
        ("other", TOKEN, "SignatureDoesNotMatch"),
        (SECRET, "", "InvalidToken"),
        (SECRET, "other", "InvalidToken"),
    ] {
        let objects = server.store_with(secret, token, real_clock());
        let error = objects.put(&key("a"), "a").await.unwrap_err();
        let code = expected.to_owned();
        assert_eq!(error, Error::Refused { status: 403, code });
    }
}

#[tokio::test]
#[ignore = "needs moto: run `make test-objects`"]
async fn the_program_itself_writes_reads_and_deletes() {
    let server = Server::start();
    let objects = server.store();
    let first = key("files/a.b_c-d/1");
    assert_eq!(objects.head(&first).await, Err(Error::NotFound));
    assert_eq!(objects.read(&first, 0..1).await, Err(Error::NotFound));

    objects.put(&first, "hello").await.unwrap();
    objects
        .put(&first, "hello")
        .await
        .expect("the same bytes are a repetition");
    assert_eq!(objects.put(&first, "other").await, Err(Error::Exists));
    assert_eq!(objects.read(&first, 1..3).await.unwrap(), "el");
    assert_eq!(objects.read(&first, 4..4000).await.unwrap(), "o");
    assert_eq!(objects.read(&first, 5..6).await, Err(Error::Range));
    let large = vec![7; 3 * MIB];
    objects.put(&key("large"), large.clone()).await.unwrap();
    assert_eq!(objects.read(&key("large"), 0..4 << 20).await.unwrap(), large);
    objects.put(&key("empty"), "").await.unwrap();
    assert_eq!(objects.head(&key("empty")).await.unwrap().len, 0);

    objects.delete(&first).await.unwrap();
    objects.delete(&first).await.unwrap();
    let keys = [key("large"), key("empty"), key("missing")];
    assert_eq!(objects.delete_many(&keys).await, Ok(vec![]));
    for key in [&first, &keys[0], &keys[1]] {
        assert_eq!(objects.head(key).await, Err(Error::NotFound));
    }
}

async fn client_part(objects: &Objects, key: &Key, upload: &UploadId, number: u16, bytes: &[u8]) -> CompletedPart {
    let content = Content::of(bytes);
    let put = objects
        .presign_part(key, upload, number, &content, MINUTE)
        .unwrap()
        .unwrap();
    let response = request(&put, bytes.to_vec()).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    CompletedPart {
        number,
        etag: response.headers()["etag"].to_str().unwrap().to_owned(),
        sha256: content.sha256,
    }
}

#[tokio::test]
#[ignore = "needs moto: run `make test-objects`"]
async fn a_client_uploads_parts_that_become_an_object() {
    let server = Server::start();
    let objects = server.store();
    let key = key("files/a/1");
    let upload = objects.create_upload(&key).await.unwrap();
    let (large, small) = (vec![1; 5 * MIB], b"end".to_vec());

    let put = objects
        .presign_part(&key, &upload, 1, &Content::of(&small), MINUTE)
        .unwrap()
        .unwrap();
    assert_eq!(send(request(&put, "END")).await, (400, "BadDigest".to_owned()));
    assert_eq!(
        send(request(&put, "endless")).await,
        (403, "SignatureDoesNotMatch".to_owned())
    );
    let mut other = put.clone();
    other.url = other.url.replace("partNumber=1", "partNumber=2");
    assert_eq!(send(request(&other, "end")).await.0, 403);

    client_part(&objects, &key, &upload, 1, &small).await;
    let parts = [
        client_part(&objects, &key, &upload, 1, &large).await,
        client_part(&objects, &key, &upload, 7, &small).await,
    ];
    let listed = objects.list_parts(&key, &upload, 0).await.unwrap();
    let found: Vec<_> = listed
        .parts
        .iter()
        .map(|part| (part.number, &part.etag, part.len))
        .collect();
    assert_eq!(found, [(1, &parts[0].etag, large.len() as u64), (7, &parts[1].etag, 3)]);
    assert_eq!(objects.list_parts(&key, &upload, 1).await.unwrap().parts.len(), 1);

    objects.complete(&key, &upload, &parts).await.unwrap();

    let head = objects.head(&key).await.unwrap();
    assert_eq!(head.len, large.len() as u64 + 3);
    assert_eq!(head.checksum, Some(Checksum::of_parts(&parts)));
    let end = head.len;
    assert_eq!(objects.read(&key, end - 4..end).await.unwrap(), "\u{1}end");
    objects
        .complete(&key, &upload, &parts)
        .await
        .expect("a repetition succeeds");
}

#[tokio::test]
#[ignore = "needs moto: run `make test-objects`"]
async fn an_upload_does_not_replace_an_object_and_needs_its_parts() {
    let server = Server::start();
    let objects = server.store();
    let key = key("a");
    let upload = objects.create_upload(&key).await.unwrap();
    let part = objects.put_part(&key, &upload, 1, "one").await.unwrap();
    let part = completed(&part, b"one");
    let second = objects.put_part(&key, &upload, 2, "two").await.unwrap();

    let both = [part.clone(), completed(&second, b"two")];
    assert_eq!(objects.complete(&key, &upload, &both).await, Err(Error::PartTooSmall));
    let mut wrong = part.clone();
    wrong.etag = "\"0123456789abcdef0123456789abcdef\"".to_owned();
    let result = objects.complete(&key, &upload, &[wrong]).await;
    assert!(matches!(result, Err(Error::Mismatch { .. })), "{result:?}");

    objects.put(&key, "first").await.unwrap();
    assert_eq!(objects.complete(&key, &upload, &[part]).await, Err(Error::Exists));
    assert_eq!(objects.read(&key, 0..9).await.unwrap(), "first");
}

#[tokio::test]
#[ignore = "needs moto: run `make test-objects`"]
async fn uploads_end_by_abort_and_old_ones_by_cleanup() {
    let server = Server::start();
    let objects = server.store();
    let (first, second) = (key("a"), key("b"));
    let aborted = objects.create_upload(&first).await.unwrap();
    let part = objects.put_part(&first, &aborted, 1, "one").await.unwrap();

    objects.abort(&first, &aborted).await.unwrap();
    objects.abort(&first, &aborted).await.unwrap();
    assert_eq!(objects.list_parts(&first, &aborted, 0).await, Err(Error::NotFound));
    let late = objects.complete(&first, &aborted, &[completed(&part, b"one")]).await;
    assert_eq!(late, Err(Error::NotFound));

    let old = objects.create_upload(&second).await.unwrap();
    // In moto every upload started in November 2010.
    let year = Duration::from_secs(365 * 86_400);
    assert_eq!(objects.abort_older_than(100 * year).await, Ok(0));
    objects.list_parts(&second, &old, 0).await.unwrap();
    assert_eq!(objects.abort_older_than(10 * year).await, Ok(1));
    assert_eq!(objects.list_parts(&second, &old, 0).await, Err(Error::NotFound));
}
