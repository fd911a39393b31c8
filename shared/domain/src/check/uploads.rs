//! The rules for uploads.

use super::entry::{Check, scope};
use super::place::Place;
use crate::contents::CHUNK_BYTES;
use crate::error::Result;
use crate::id::UploadId;
use crate::uploads::{Committed, Destination, Part, Upload, keys};

impl Check<'_> {
    pub(super) async fn upload_entry(&mut self, place: Place) -> Result<()> {
        match place {
            Place::Upload(id) => self.upload(id).await,
            Place::CommittedUpload => match self.decode::<Committed>() {
                Some(committed) => self.listed(committed.expires_at.as_millis()).await.map(drop),
                None => Ok(()),
            },
            Place::UploadPart(id, part) => self.upload_part(id, part).await,
            Place::UploadChunk(id, part, number) => self.upload_chunk(id, part, number).await,
            _ => Ok(()),
        }
    }

    async fn upload(&mut self, id: UploadId) -> Result<()> {
        let Some(upload) = self.decode::<Upload>() else {
            return Ok(());
        };
        self.expect(upload.id == id, "it is another upload's record");
        self.checked.share.stored_bytes = upload.size.cast_signed();
        self.listed(upload.expires_at.as_millis()).await.map(drop)
    }

    async fn upload_part(&mut self, id: UploadId, part: u16) -> Result<()> {
        self.decode::<Part>();
        let len = self.part_len(id, part).await?;
        self.expect(
            len.is_some(),
            "its upload does not exist, or has no such part in the store",
        );
        Ok(())
    }

    async fn upload_chunk(&mut self, id: UploadId, part: u16, number: usize) -> Result<()> {
        let Some(tenant) = self.tenant() else { return Ok(()) };
        let before = CHUNK_BYTES.saturating_mul(number) as u64;
        let rest = self
            .part_len(id, part)
            .await?
            .map_or(0, |len| len.saturating_sub(before));
        let has_len = rest.min(CHUNK_BYTES as u64) == self.entry.value.len() as u64;
        let has_part = self.exists(&keys::part(scope(tenant), id, part)).await?;
        self.expect(rest > 0 && has_len && has_part, "it is no chunk of a part");
        Ok(())
    }

    /// The length of a part in the store.
    async fn part_len(&mut self, id: UploadId, part: u16) -> Result<Option<u64>> {
        let Some(tenant) = self.tenant() else { return Ok(None) };
        let upload = self.find::<Upload>(&keys::upload(scope(tenant), id)).await?;
        let upload = upload
            .and_then(Result::ok)
            .filter(|upload| upload.destination == Destination::Store);
        Ok(upload.and_then(|upload| upload.part_len(part).ok()))
    }
}
