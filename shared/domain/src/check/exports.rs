//! The rules for the entries of exports.

use super::entry::Check;
use super::place::{ExportChunk, Place};
use crate::error::Result;
use crate::exports::{CHUNK_BYTES, Export, keys};
use crate::id::UserId;
use crate::users;

impl Check<'_> {
    pub(super) async fn export_entry(&mut self, place: &Place) -> Result<()> {
        match place {
            Place::Export(user) => self.export(*user).await,
            Place::ExportChunk(chunk) => self.export_chunk(*chunk).await,
            _ => Ok(()),
        }
    }

    async fn export(&mut self, user: UserId) -> Result<()> {
        let Some(export) = self.decode::<Export>() else {
            return Ok(());
        };
        let has_user = self.exists(&users::keys::user(user)).await?;
        self.expect(has_user, "its user does not exist");
        self.listed(export.expires_at.as_millis()).await.map(drop)
    }

    async fn export_chunk(&mut self, chunk: ExportChunk) -> Result<()> {
        let export = self.find::<Export>(&keys::export(chunk.user)).await?;
        let is_right = match export {
            Some(Ok(export)) if export.expires_at.as_millis() == chunk.expiry => {
                let before = CHUNK_BYTES.saturating_mul(chunk.number);
                let len = export.part(chunk.part).map(|part| part.bytes.saturating_sub(before));
                len.is_some_and(|len| len.min(CHUNK_BYTES) == self.entry.value.len())
            }
            // Its record has a finding of its own.
            Some(Err(_)) => true,
            // The sweep removes an export entry by entry.
            _ => chunk.expiry <= self.now.as_millis(),
        };
        self.expect(is_right, "it is not a chunk of a part that its user's export lists");
        self.listed(chunk.expiry).await.map(drop)
    }
}
