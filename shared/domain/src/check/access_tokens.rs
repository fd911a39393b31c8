//! The rules for the entries of personal access tokens.

use super::entry::Check;
use super::place::digest_of;
use crate::access_tokens::ops::Created;
use crate::access_tokens::{self, AccessToken, TokenRights};
use crate::error::Result;
use crate::id::{AccessTokenId, UserId};
use crate::time::Timestamp;
use crate::{idempotency, users};

impl Check<'_> {
    pub(super) async fn access_token(&mut self, user: UserId, id: AccessTokenId) -> Result<()> {
        let Some(token) = self.decode::<AccessToken>() else {
            return Ok(());
        };
        let is_right = token.user == user && token.id == id && AccessTokenId::of_digest(token.digest.as_bytes()) == id;
        self.expect(is_right, "it is another token's record");
        let has_user = self.exists(&users::keys::user(user)).await?;
        self.expect(has_user, "its user does not exist");
        let rights = self
            .find::<TokenRights>(&access_tokens::keys::rights(&token.digest))
            .await?;
        let has_rights = rights.map_or(self.is_in_removal(token.expires_at), |rights| {
            rights.map_or(true, |rights| rights == token.rights())
        });
        self.expect(has_rights, "its rights are missing, or others");
        self.listed(access_tokens::kept_until(token.expires_at).as_millis())
            .await
            .map(drop)
    }

    pub(super) async fn token_rights(&mut self) -> Result<()> {
        let Some(rights) = self.decode::<TokenRights>() else {
            return Ok(());
        };
        let id = digest_of(&self.entry.key).map(|digest| AccessTokenId::of_digest(&digest));
        let is_listed = match id {
            Some(id) => self.exists(&access_tokens::keys::token(rights.user, id)).await?,
            None => false,
        };
        let is_listed = is_listed || id.is_some() && self.is_in_removal(rights.expires_at);
        self.expect(is_listed, "its user has no such token");
        self.listed(access_tokens::kept_until(rights.expires_at).as_millis())
            .await
            .map(drop)
    }

    /// Whether the sweep may have removed one of the token's two records and not yet the other, which is in another
    /// shard of the expiry index.
    fn is_in_removal(&self, expires_at: Timestamp) -> bool {
        access_tokens::kept_until(expires_at) <= self.now
    }

    pub(super) async fn token_creation(&mut self) -> Result<()> {
        let created = idempotency::decode::<Created>(&self.entry.value);
        match self.ok(created) {
            Some((expires_at, _)) => self.counted_key(expires_at).await,
            None => Ok(()),
        }
    }
}
