//! The rules for contents, and for what is to be removed of them.

use kv::Range;

use super::entry::{Check as EntryCheck, scope};
use super::place::Place;
use super::{Check, Summary, ascending};
use crate::contents::{CHUNK_BYTES, Digest, Header, MAX_BYTES, keys, store};
use crate::error::{Error, Result};
use crate::id::TenantId;
use crate::objects::{self, ObjectDeletion};
use crate::record;
use crate::tenants;
use crate::time::Timestamp;

impl EntryCheck<'_> {
    pub(super) async fn content_entry(&mut self, place: Place) -> Result<()> {
        match place {
            Place::Content => self.content(),
            Place::ContentChunk(digest, number) => self.content_chunk(&digest, number).await?,
            Place::ContentReferences(digest) => self.content_references(&digest).await?,
            Place::Garbage(tenant, digest) => self.garbage(tenant, &digest).await?,
            Place::ObjectDeletion(due_at, object) => self.object_deletion(due_at, &object),
            _ => {}
        }
        Ok(())
    }

    /// [`Check::contents`] compares the bytes.
    fn content(&mut self) {
        let Some(header) = self.decode::<Header>() else { return };
        let is_large = header.size > MAX_BYTES;
        self.expect(
            is_large == header.object.is_some(),
            "its bytes are at the wrong place for its size",
        );
        self.checked.share.stored_bytes = header.size.cast_signed();
    }

    async fn content_chunk(&mut self, digest: &Digest, number: usize) -> Result<()> {
        let Some(tenant) = self.tenant() else { return Ok(()) };
        let header = self.find::<Header>(&keys::header(scope(tenant), digest)).await?;
        let is_right = header.is_some_and(|header| {
            // A header that cannot be decoded has a finding of its own.
            header.map_or(true, |header| {
                let rest = header.size.saturating_sub((CHUNK_BYTES.saturating_mul(number)) as u64);
                let is_stored = header.object.is_none();
                is_stored
                    && !self.entry.value.is_empty()
                    && self.entry.value.len() as u64 == rest.min(CHUNK_BYTES as u64)
            })
        });
        self.expect(is_right, "it is no chunk of a content");
        Ok(())
    }

    async fn content_references(&mut self, digest: &Digest) -> Result<()> {
        let Some(tenant) = self.tenant() else { return Ok(()) };
        let references = kv::counter(Some(&self.entry.value));
        self.expect(self.entry.value.len() == 8, "a counter has 8 bytes");
        self.checked.share.references = Some((*digest, references));
        let garbage = self.exists(&keys::garbage(scope(tenant), digest)).await?;
        if !self.exists(&tenants::keys::tenant(scope(tenant))).await? {
            // The collector removes what was released after the removal of its tenant.
            return Ok(());
        }
        self.expect(references >= 0, "the counter is below zero");
        self.expect(
            references != 0 || garbage,
            "nothing refers to its content, which is not in the garbage list",
        );
        let has_content = self.exists(&keys::header(scope(tenant), digest)).await?;
        self.expect(has_content, "its content does not exist");
        Ok(())
    }

    async fn garbage(&mut self, tenant: TenantId, digest: &Digest) -> Result<()> {
        let is_at_its_place = keys::garbage(scope(tenant), digest) == self.entry.key;
        self.expect(is_at_its_place, "it is in another shard than its content's");
        let is_counted = self.exists(&keys::references(scope(tenant), digest)).await?;
        self.expect(is_counted, "nothing has counted references to its content");
        Ok(())
    }

    fn object_deletion(&mut self, due_at: i64, object: &str) {
        let Some(deletion) = self.decode::<ObjectDeletion>() else {
            return;
        };
        let key = objects::keys::deletion(&deletion.object, Timestamp::from_millis(due_at));
        self.expect(
            deletion.object.as_str() == object && key == self.entry.key,
            "it is the deletion of another object",
        );
    }
}

impl<P: FnMut(&Summary)> Check<P> {
    /// Checks that the bytes of each content of a tenant have its digest. Each is read at one moment.
    pub(super) async fn contents(&mut self, tenant: TenantId) -> Result<()> {
        let scope = scope(tenant);
        let mut next = Some(ascending(Range::below(&keys::headers(scope))));
        while let Some(query) = &next {
            let page = self.view.step(|txn| async move { Ok(txn.range(query).await?) }).await?;
            for entry in &page.entries {
                let digest = entry.key.last::<kv::Bytes<'_>>().ok();
                let Some(digest) = digest.and_then(|digest| Digest::from_slice(&digest)) else {
                    continue;
                };
                let (key, digest) = (&entry.key, &digest);
                let read = self.view.step(|txn| async move {
                    // It may have been collected meanwhile.
                    let Some(value) = txn.get(key).await? else {
                        return Ok(None);
                    };
                    let header: Header = record::decode(&value)?;
                    if header.object.is_some() {
                        return Ok(None);
                    }
                    Ok(Some(store::read(&txn, scope, digest, 0..header.size).await?))
                });
                match read.await {
                    Ok(None) => {}
                    Ok(Some(bytes)) if Digest::of(&bytes) == *digest => {}
                    Ok(Some(_)) => self.add(key, "its bytes have another digest".to_owned()),
                    Err(Error::Corrupt { why, .. }) => self.add(key, why),
                    Err(error) => return Err(error),
                }
            }
            next = page.next;
            (self.progress)(&self.summary);
        }
        Ok(())
    }
}
