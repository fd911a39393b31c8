//! The rules for the entries of exports.

use super::entry::Check;
use super::place::Place;
use crate::error::Result;
use crate::exports::{CHUNK_BYTES, Export};
use crate::id::UserId;
use crate::users;

impl Check<'_> {
    pub(super) async fn export_entry(&mut self, place: &Place) -> Result<()> {
        match place {
            Place::Export(user) => self.export(*user).await,
            Place::ExportChunk(expiry) => self.export_chunk(*expiry).await,
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

    async fn export_chunk(&mut self, expiry: i64) -> Result<()> {
        self.expect(self.entry.value.len() <= CHUNK_BYTES, "it is longer than a chunk");
        self.listed(expiry).await.map(drop)
    }
}
