//! Against a server of this file, which responds as a test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// One response for each connection.
enum Reply {
    Text(String),
    /// Never.
    Nothing,
    /// Closes the connection.
    Close,
}

fn reply(status: &str, body: &str) -> Reply {
    Reply::Text(format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ))
}

fn error(status: &str, code: &str) -> Reply {
    reply(
        status,
        &format!("<Error><Code>{code}</Code><Message>AKIAIOSFODNN7</Message></Error>"),
    )
}

/// Serves the replies, the last one for ever, and counts them.
async fn server(replies: Vec<Reply>) -> (Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            match &replies[number.min(replies.len() - 1)] {
                Reply::Text(text) => {
                    let _ = stream.write_all(text.as_bytes()).await;
                }
                Reply::Nothing => open.push(stream),
                Reply::Close => {}
            }
        }
    });
    (url, count)
}

fn http() -> Http {
    Http::new(Limits {
        attempts: 3,
        attempt: Duration::from_secs(10),
        call: Duration::from_secs(20),
        pause: Duration::from_millis(1),
    })
    .unwrap()
}

fn get(url: Url) -> Signed {
    Signed {
        method: Method::GET,
        url,
        headers: Vec::new(),
        body: Bytes::new(),
        max_response: 1000,
        is_slow: false,
    }
}

async fn send(replies: Vec<Reply>) -> (Result<Response, Error>, usize) {
    let (url, count) = server(replies).await;
    let result = http().send(&get(url)).await;
    (result, count.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_busy_server_and_a_broken_connection_are_followed_by_another_attempt() {
    for first in [
        error("503 Slow Down", "SlowDown"),
        error("500 Internal", "InternalError"),
        reply("502 Bad Gateway", ""),
        error("429 Many", "TooManyRequests"),
        error("400 Bad", "RequestTimeout"),
        error("409 Conflict", "ConditionalRequestConflict"),
        error("200 OK", "InternalError"),
        Reply::Close,
        Reply::Text("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_owned()),
    ] {
        let (result, attempts) = send(vec![first, reply("200 OK", "done")]).await;
        assert_eq!(result.unwrap().body, "done");
        assert_eq!(attempts, 2);
    }
}

#[tokio::test]
async fn silence_is_followed_by_another_attempt() {
    let (url, count) = server(vec![Reply::Nothing, reply("200 OK", "done")]).await;
    let http = Http::new(Limits {
        attempts: 100,
        attempt: Duration::from_millis(200),
        ..http().limits
    })
    .unwrap();

    assert_eq!(http.send(&get(url)).await.unwrap().body, "done");

    assert!(count.load(Ordering::SeqCst) > 1);
}

#[tokio::test]
async fn a_decision_of_the_server_is_final() {
    let refused = |status, code: &str| Error::Refused {
        status,
        code: code.to_owned(),
    };
    for (first, expected) in [
        (error("404 Not Found", "NoSuchKey"), Error::NotFound),
        (error("404 Not Found", "NoSuchUpload"), Error::NotFound),
        (reply("404 Not Found", ""), Error::NotFound),
        (error("404 Not Found", "NoSuchBucket"), refused(404, "NoSuchBucket")),
        (error("412 Failed", "PreconditionFailed"), Error::Exists),
        (error("416 Range", "InvalidRange"), Error::Range),
        (error("400 Bad", "BadDigest"), Error::mismatch("BadDigest")),
        (error("400 Bad", "EntityTooSmall"), Error::PartTooSmall),
        (
            error("403 No", "SignatureDoesNotMatch"),
            refused(403, "SignatureDoesNotMatch"),
        ),
        (
            error("301 Moved", "PermanentRedirect"),
            refused(301, "PermanentRedirect"),
        ),
        (error("501 No", "NotImplemented"), refused(501, "NotImplemented")),
    ] {
        let (result, attempts) = send(vec![first]).await;
        assert_eq!(result.unwrap_err(), expected);
        assert_eq!(attempts, 1);
    }
}

#[tokio::test]
async fn attempts_end_after_the_third_one() {
    let (result, attempts) = send(vec![error("503 Slow Down", "SlowDown")]).await;

    assert_eq!(attempts, 3);
    let last = Box::new(Cause::Busy {
        status: 503,
        code: "SlowDown".to_owned(),
    });
    let cause = Cause::Attempts { attempts: 3, last };
    assert_eq!(result.unwrap_err(), Error::Unavailable { cause });
}

#[tokio::test]
async fn the_time_of_a_call_is_limited_also_for_a_slow_one() {
    let (url, count) = server(vec![Reply::Nothing]).await;
    let http = Http::new(Limits {
        attempts: 100,
        attempt: Duration::from_millis(60),
        call: Duration::from_secs(1),
        pause: Duration::ZERO,
    })
    .unwrap();
    for (is_slow, attempts) in [(true, 1..2), (false, 2..18)] {
        count.store(0, Ordering::SeqCst);
        let request = Signed {
            is_slow,
            ..get(url.clone())
        };
        let result = timeout(Duration::from_secs(30), http.send(&request)).await.unwrap();
        assert!(matches!(result, Err(Error::Unavailable { .. })), "{result:?}");
        assert!(attempts.contains(&count.load(Ordering::SeqCst)), "{count:?}");
    }
}

#[tokio::test]
async fn a_response_over_the_limit_is_not_read_to_its_end() {
    for body in ["x".repeat(1001), "x".repeat(1 << 20)] {
        let (result, attempts) = send(vec![reply("200 OK", &body)]).await;
        assert!(matches!(result, Err(Error::Corrupt { .. })), "{result:?}");
        assert_eq!(attempts, 1);
    }
    let (result, _) = send(vec![reply("200 OK", &"x".repeat(1000))]).await;
    assert_eq!(result.unwrap().body.len(), 1000);
}

#[tokio::test]
async fn errors_show_neither_the_url_nor_the_message_of_the_server() {
    for reply in [
        error("403 No", "AccessDenied"),
        error("503 No", "SlowDown"),
        Reply::Close,
    ] {
        let (mut url, _) = server(vec![reply]).await;
        url.set_query(Some("X-Amz-Signature=5ig"));
        let error = http().send(&get(url)).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("5ig") && !shown.contains("AKIA"), "{shown}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_listen_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let result = http().send(&get(url)).await;
    assert!(matches!(result, Err(Error::Unavailable { .. })), "{result:?}");
}
