//! Uploads of pictures: how many are in memory, how many are decoded at a time, and how many a user may send. Large
//! contents of files take the same places in memory ([`files::admission`](crate::files::admission)).

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::fairness::{Gate, Place};
use crate::id::{TenantId, UserId};
use crate::security::SecurityEvent;
use crate::text::Rejection;
use crate::usage::rate::{Bucket, TenantRate};

/// The number of pictures that wait to be decoded. Sixteen times as many may be in memory, while clients send them.
const PLACES: usize = 4;

/// The number of pictures that are decoded at a time: a large one takes a core for a second, and 300 MB.
const SLOTS: usize = 1;

/// The `Retry-After` of a request whose share of the places is full.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long a request waits for its turn, and then for its picture.
const LONGEST: Duration = Duration::from_secs(5);

/// The uploads of a process, which networks and users share fairly. Clones share them.
#[derive(Clone)]
pub struct Uploads {
    gate: Arc<Gate>,
    /// By the user's own tenant.
    rate: TenantRate,
}

impl Default for Uploads {
    fn default() -> Self {
        Self {
            gate: Arc::new(Gate::new(PLACES, SLOTS)),
            rate: TenantRate::default(),
        }
    }
}

/// An upload that was admitted, until it is dropped.
#[must_use]
pub struct Upload(Place);

impl Uploads {
    /// Admits an upload of this user. Fails with [`Error::TooManyAttempts`] if the share of the client's networks or of
    /// the user is full.
    pub fn admit(&self, client: &Client, user: UserId) -> Result<Upload> {
        let place = self.gate.admit(client, user);
        place.map(Upload).ok_or_else(too_many)
    }

    /// Counts an upload of a user who was verified, at this time of a monotonic clock. Fails with
    /// [`Error::TooManyAttempts`] if the user has sent too many.
    pub(super) fn count(&self, user: UserId, now: Duration) -> Result<()> {
        self.rate.take(TenantId::own(user), Bucket::of_uploads(), now)
    }
}

impl Upload {
    /// Runs `decode` on a blocking thread when it is this upload's turn.
    ///
    /// `decode` bounds its own work, because a thread cannot be stopped. If it is slower than expected, the request
    /// ends, and the thread keeps its turn until it is done. A panic of a decoder is the picture's fault: the request
    /// is rejected, and the log says where it was.
    pub async fn process<T: Send + 'static>(
        self,
        decode: impl FnOnce() -> Result<T, Rejection> + Send + 'static,
    ) -> Result<T> {
        let Ok(slot) = timeout(LONGEST, self.0.slot()).await else {
            return Err(too_many());
        };
        let slot = slot.map_err(|_| too_many())?;
        let decoding = spawn_blocking(move || {
            let decoded = decode();
            drop(slot);
            decoded
        });
        let decoded = match timeout(LONGEST, decoding).await {
            Ok(Ok(decoded)) => decoded,
            Ok(Err(_)) => Err(Rejection::because("can not be decoded")),
            Err(_) => Err(Rejection::because("takes too long to decode")),
        };
        decoded.map_err(Error::PictureRejected)
    }
}

fn too_many() -> Error {
    Error::TooManyAttempts {
        wait: RETRY_AFTER,
        event: SecurityEvent::ThrottledByUploads,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::task::Poll;

    use tokio::time::advance;
    use uuid::Uuid;

    use super::*;
    use crate::client::Address;
    use crate::id::Id as _;

    fn admit(uploads: &Uploads, user: u128, address: &str) -> Result<Upload> {
        let client = Client {
            address: Some(Address::new(address.parse().unwrap())),
            ..Client::default()
        };
        uploads.admit(&client, UserId::from_uuid(Uuid::from_u128(user)))
    }

    #[test]
    fn a_user_has_a_share_of_the_uploads_and_others_find_room() {
        let uploads = Uploads::default();
        let all_of = |user, address: &str| {
            let admitted = std::iter::from_fn(|| admit(&uploads, user, address).ok());
            admitted.take(1000).collect::<Vec<_>>()
        };
        let greedy = all_of(1, "192.0.2.1");
        assert!((1..=16).contains(&greedy.len()), "{}", greedy.len());
        let Err(error) = admit(&uploads, 1, "192.0.2.1") else {
            panic!("the share is full");
        };
        assert_eq!(error.security_event(), Some(SecurityEvent::ThrottledByUploads));
        let others: Vec<_> = (2..10)
            .map(|user| admit(&uploads, user, &format!("198.51.100.{user}")))
            .collect();
        assert!(others.iter().all(Result::is_ok));
    }

    #[test]
    fn a_user_sends_ten_pictures_at_once_and_then_one_every_six_seconds() {
        let uploads = Uploads::default();
        let user = UserId::from_uuid(Uuid::from_u128(1));
        let start = Duration::from_secs(1000);
        let sent = (0..20).filter(|_| uploads.count(user, start).is_ok()).count();
        assert_eq!(sent, 10);
        let Err(Error::TooManyAttempts { wait, .. }) = uploads.count(user, start) else {
            panic!("the bucket is empty");
        };
        assert_eq!(wait, Duration::from_secs(6));
        uploads.count(user, start + wait).unwrap();
        uploads.count(user, start + wait).unwrap_err();
        uploads.count(UserId::from_uuid(Uuid::from_u128(2)), start).unwrap();
    }

    #[tokio::test]
    async fn one_picture_is_decoded_at_a_time_even_if_its_client_is_gone() {
        let uploads = Uploads::default();
        let (started, starts) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let first = admit(&uploads, 1, "192.0.2.1").unwrap();
        let first = tokio::spawn(first.process(move || {
            started.send(()).unwrap();
            let _ = released.recv();
            Ok(1)
        }));
        spawn_blocking(move || starts.recv().unwrap()).await.unwrap();
        first.abort();
        let _ = first.await;
        let second = admit(&uploads, 2, "192.0.2.2").unwrap();
        let mut second = std::pin::pin!(second.process(|| Ok(2)));
        assert!(
            futures_util::poll!(second.as_mut()).is_pending(),
            "the thread of the first is busy"
        );
        release.send(()).unwrap();
        assert_eq!(second.await.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_picture_that_is_decoded_for_too_long_is_rejected_and_keeps_its_turn() {
        const MOMENT: Duration = Duration::from_millis(10);
        let uploads = Uploads::default();
        let (release, released) = mpsc::channel::<()>();
        let first = admit(&uploads, 1, "192.0.2.1").unwrap();
        let mut first = std::pin::pin!(first.process(move || {
            let _ = released.recv();
            Ok(1)
        }));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        advance(LONGEST.saturating_sub(MOMENT)).await;
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        advance(MOMENT).await;
        let Poll::Ready(Err(Error::PictureRejected(why))) = futures_util::poll!(first.as_mut()) else {
            panic!("the picture takes too long");
        };
        assert_eq!(why, Rejection::because("takes too long to decode"));

        let second = admit(&uploads, 2, "192.0.2.2").unwrap();
        let mut second = std::pin::pin!(second.process(|| Ok(2)));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        advance(LONGEST).await;
        let second = futures_util::poll!(second.as_mut());
        assert!(
            matches!(second, Poll::Ready(Err(Error::TooManyAttempts { .. }))),
            "{second:?}"
        );

        release.send(()).unwrap();
        let third = admit(&uploads, 3, "192.0.2.3").unwrap();
        assert_eq!(third.process(|| Ok(3)).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_decoder_that_panics_rejects_the_picture() {
        let uploads = Uploads::default();
        let upload = admit(&uploads, 1, "192.0.2.1").unwrap();
        let decoded = upload.process::<()>(|| panic!("a defect")).await;
        assert!(matches!(decoded, Err(Error::PictureRejected(_))), "{decoded:?}");
        // The slot is free again.
        let upload = admit(&uploads, 1, "192.0.2.1").unwrap();
        assert_eq!(upload.process(|| Ok(1)).await.unwrap(), 1);
    }
}
