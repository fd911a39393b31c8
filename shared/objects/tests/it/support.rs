//! What several tests need.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use objects::{Clock, CompletedPart, Content, Key, Objects, Part};

/// A clock that stands still, so many seconds after 1970.
pub fn clock_at(seconds: u64) -> Clock {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    Arc::new(move || now)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a server compares signatures with its own time"
)]
pub fn real_clock() -> Clock {
    Arc::new(SystemTime::now)
}

/// A store in this folder.
pub fn store_in(folder: &std::path::Path, clock: Clock) -> Objects {
    let objects = format!("file:{}", folder.join("objects").display());
    Objects::open(&objects, &|_| None, clock).unwrap()
}

pub fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

pub fn completed(part: &Part, bytes: &[u8]) -> CompletedPart {
    CompletedPart {
        number: part.number,
        etag: part.etag.clone(),
        sha256: Content::of(bytes).sha256,
    }
}

/// An environment with these credentials.
pub fn credentials<'a>(id: &'a str, secret: &'a str, token: &'a str) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| match name {
        "AWS_ACCESS_KEY_ID" => Some(id.to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some(secret.to_owned()),
        "AWS_SESSION_TOKEN" => Some(token.to_owned()),
        _ => None,
    }
}
