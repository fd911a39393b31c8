//! The rules for one entry, and for the entries that must exist because of it.

mod deletions;
mod memberships;

use kv::{Entry, Key, Txn};

use crate::access_tokens::ops::Created;
use crate::access_tokens::{self, AccessToken, TokenRights};
use crate::audit::{self, Event};
use crate::deletion::DeletedAccount;
use crate::error::{Error, Result};
use crate::expiry;
use crate::exports::Export;
use crate::id::{LoginId, MailId, SessionId, TenantId, UserId};
use crate::idempotency;
use crate::logins::Login;
use crate::mail::{self, Mail};
use crate::mail_tokens::{self, StoredToken};
use crate::record::{self, Record};
use crate::role::Role;
use crate::scope::TenantScope;
use crate::sessions::{self, SearchText, Session};
use crate::suppressions::Suppression;
use crate::tenants::{self, Kind, Membership, Tenant};
use crate::throttle;
use crate::time::Timestamp;
use crate::uploads::{Committed, Upload};
use crate::usage::store::Counted;
use crate::usage::{self, OwnLimits, Quota};
use crate::users::ops::Registered;
use crate::users::profile::{AvatarDigest, Profile};
use crate::users::{self, Email, FormerEmail, User};

use super::place::Place;
use super::share::Share;

/// The result for one entry.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) problems: Vec<String>,
    pub(super) share: Share,
}

/// Checks one entry, at the time `now`, in the transaction that has read it.
pub(super) async fn check(txn: &Txn, entry: &Entry, now: Timestamp) -> Result<Checked> {
    let mut check = Check {
        txn,
        entry,
        now,
        checked: Checked::default(),
    };
    match Place::of(&entry.key) {
        Some(place) => check.place(place).await?,
        None => check.problem("no version that this program knows writes such a key"),
    }
    Ok(check.checked)
}

pub(super) struct Check<'a> {
    pub(super) txn: &'a Txn,
    pub(super) entry: &'a Entry,
    pub(super) now: Timestamp,
    pub(super) checked: Checked,
}

impl Check<'_> {
    pub(super) fn problem(&mut self, problem: impl Into<String>) {
        self.checked.problems.push(problem.into());
    }

    pub(super) fn expect(&mut self, holds: bool, problem: &str) {
        if !holds {
            self.problem(problem);
        }
    }

    /// The entry's record; `None` and a finding if it cannot be decoded.
    pub(super) fn decode<T: Record>(&mut self) -> Option<T> {
        let decoded = record::decode(&self.entry.value);
        self.ok(decoded)
    }

    /// The value; `None` and a finding if it could not be decoded.
    pub(super) fn ok<T>(&mut self, decoded: Result<T>) -> Option<T> {
        decoded.map_err(|error| self.problem(error.to_string())).ok()
    }

    /// Another entry's record; `None` if it does not exist. One that cannot be decoded has a finding of its own.
    pub(super) async fn find<T: Record>(&self, key: &Key) -> Result<Option<Result<T>>> {
        let value = self.txn.get(key).await?;
        Ok(value.map(|value| record::decode(&value)))
    }

    pub(super) async fn exists(&self, key: &Key) -> Result<bool> {
        Ok(self.txn.get(key).await?.is_some())
    }

    async fn place(&mut self, place: Place) -> Result<()> {
        match place {
            Place::User(id) => self.user(id).await,
            Place::Email(email) => self.email(&email).await,
            Place::FormerEmail(email) => self.former_email(&email).await,
            Place::MailToken(user) => self.mail_token(user).await,
            Place::Login(user, id) => self.login(user, id).await,
            Place::Membership(user, tenant) => self.membership(user, tenant).await,
            Place::Deletion(user) => self.deletion(user).await,
            Place::Member(user) => self.member(user).await,
            Place::Profile(user) => self.profile(user).await,
            Place::AccessToken(user, id) => self.access_token(user, id).await,
            Place::TokenRights => self.token_rights().await,
            Place::Avatar(digest, user) => self.avatar(digest, user).await,
            Place::Export(_) | Place::ExportChunk(_) => self.export_entry(&place).await,
            Place::Tenant(id) => {
                let tenant = self.decode::<Tenant>();
                self.expect(
                    tenant.is_none_or(|tenant| tenant.id == id),
                    "it is another tenant's record",
                );
                Ok(())
            }
            Place::Event => {
                let event = self.decode::<Event>();
                self.checked.share.event_on = event.map(|event| event.at.as_days());
                Ok(())
            }
            Place::SessionIndex(id) => self.session_index(id).await,
            Place::SearchText(id) => self.search_text(id).await,
            Place::SessionCreation(user) => self.session_creation(user).await,
            Place::TokenCreation => self.token_creation().await,
            Place::Usage(quota) => {
                let is_known = Quota::NAMES.contains(&&*quota) && quota != Quota::AuditEvents.as_str();
                self.expect(is_known, "no quota has this name");
                self.counter();
                Ok(())
            }
            Place::DayEvents(day) => self.day_events(day).await,
            Place::OwnLimits => {
                self.decode::<OwnLimits>();
                Ok(())
            }
            Place::Session(id) => self.session(id).await,
            Place::Upload(_)
            | Place::CommittedUpload
            | Place::UploadCreation
            | Place::SnapshotCreation
            | Place::DirectoryCreation
            | Place::UploadPart(..)
            | Place::UploadChunk(..)
            | Place::Content
            | Place::ContentChunk(..)
            | Place::ContentReferences(_)
            | Place::Garbage(..)
            | Place::ObjectDeletion(..)
            | Place::File(..)
            | Place::FileJob(..)
            | Place::ListedFeed(..) => self.part_of_files(place).await,
            Place::Registration => {
                let expiry = idempotency::stored_expiry::<Registered>(&self.entry.value);
                if let Some(expiry) = self.ok(expiry) {
                    self.listed(expiry.as_millis()).await?;
                }
                Ok(())
            }
            Place::Throttle => {
                if let Some(expiry) = self.ok(throttle::stored_expiry(&self.entry.value)) {
                    self.listed(expiry.as_millis()).await?;
                }
                Ok(())
            }
            Place::Outbox(id) => {
                self.email_in_outbox(id);
                Ok(())
            }
            Place::DeadLetter(id) => self.dead_letter(id).await,
            Place::Recipient(day) => self.recipient(day).await,
            Place::Suppression => {
                self.decode::<Suppression>();
                Ok(())
            }
            Place::ScheduledDeletion(due_at, user) => self.scheduled_deletion(due_at, user).await,
            Place::Removal(user) => self.removal(user).await,
            Place::DeletedAccount(user) => self.deleted_account(user).await,
            Place::Expiry(expiry, key) => self.expiry(expiry, &key).await,
            Place::AuditDay(day, tenant) => self.audit_day(day, tenant).await,
            Place::NoAccount => {
                self.decode::<Event>();
                Ok(())
            }
            Place::Import => {
                self.problem("an import has not finished; repeat `gateway import` with the same dump");
                Ok(())
            }
            Place::Opaque => Ok(()),
        }
    }

    /// The tenant in the entry's key.
    pub(super) fn tenant(&self) -> Option<TenantId> {
        super::place::tenant_of(&self.entry.key)
    }

    async fn user(&mut self, id: UserId) -> Result<()> {
        let Some(user) = self.decode::<User>() else {
            return Ok(());
        };
        self.expect(user.id == id, "it is another user's record");
        let holder = self.txn.get(&users::keys::by_email(&user.email)).await?;
        let is_indexed = holder.is_some_and(|holder| holder == id.as_bytes());
        self.expect(is_indexed, "`users / by_email` does not name it for its email");
        let own = TenantId::own(id);
        let tenant = self.find::<Tenant>(&tenants::keys::tenant(scope(own))).await?;
        let has_tenant = tenant.is_some_and(|tenant| tenant.map_or(true, |tenant| tenant.kind == Kind::Own));
        self.expect(has_tenant, "it has no tenant of its own");
        let membership = self.find::<Membership>(&tenants::keys::membership(id, own)).await?;
        let owns = membership.is_some_and(|member| member.map_or(true, |member| member.role == Role::Owner));
        self.expect(owns, "it does not own its own tenant");
        Ok(())
    }

    async fn profile(&mut self, user: UserId) -> Result<()> {
        let profile = self.decode::<Profile>();
        if let Some(profile) = profile {
            let is_set = profile != Profile::default();
            self.expect(is_set, "a profile in which nothing is set is not stored");
            if let Some(digest) = profile.avatar {
                let has_picture = self.exists(&users::profile::keys::avatar(&digest, user)).await?;
                self.expect(has_picture, "its picture does not exist");
            }
        }
        let has_user = self.exists(&users::keys::user(user)).await?;
        self.expect(has_user, "its user does not exist");
        Ok(())
    }

    async fn avatar(&mut self, digest: AvatarDigest, user: UserId) -> Result<()> {
        let is_right = AvatarDigest::of(&self.entry.value) == digest;
        self.expect(is_right, "its value has another digest");
        let profile = self.find::<Profile>(&users::profile::keys::profile(user)).await?;
        let is_shown = profile.is_some_and(|profile| profile.map_or(true, |profile| profile.avatar == Some(digest)));
        self.expect(is_shown, "its user has another picture, or does not exist");
        Ok(())
    }

    async fn login(&mut self, user: UserId, id: LoginId) -> Result<()> {
        let Some(login) = self.decode::<Login>() else {
            return Ok(());
        };
        self.expect(login.user == user && login.id == id, "it is another login's record");
        let has_user = self.exists(&users::keys::user(user)).await?;
        self.expect(has_user, "its user does not exist");
        let has_tenant = self.exists(&tenants::keys::membership(user, login.tenant)).await?;
        self.expect(has_tenant, "its user is no member of its tenant");
        self.listed(login.expires_at.as_millis()).await.map(drop)
    }

    async fn email(&mut self, email: &str) -> Result<()> {
        let Some(id) = UserId::from_slice(&self.entry.value) else {
            self.problem("its value is not an id of 16 bytes");
            return Ok(());
        };
        let is_canonical = Email::parse(email).is_ok_and(|parsed| parsed.as_str() == email);
        self.expect(is_canonical, "its email is not in the form that emails are stored in");
        let user = self.find::<User>(&users::keys::user(id)).await?;
        let is_named = user.is_some_and(|user| user.map_or(true, |user| user.email.as_str() == email));
        self.expect(is_named, "the user that it names has another email, or does not exist");
        Ok(())
    }

    async fn former_email(&mut self, email: &str) -> Result<()> {
        let Some(former) = self.decode::<FormerEmail>() else {
            return Ok(());
        };
        let is_canonical = Email::parse(email).is_ok_and(|parsed| parsed.as_str() == email);
        self.expect(is_canonical, "its email is not in the form that emails are stored in");
        let has_user = self.exists(&users::keys::user(former.user)).await?;
        self.expect(has_user, "its user does not exist");
        self.listed(former.expires_at.as_millis()).await.map(drop)
    }

    async fn mail_token(&mut self, user: UserId) -> Result<()> {
        let Some(token) = self.decode::<StoredToken>() else {
            return Ok(());
        };
        let is_at_its_place = token.user == user && mail_tokens::keys::token(&token) == self.entry.key;
        self.expect(is_at_its_place, "it is another token's record");
        let has_user = self.exists(&users::keys::user(user)).await?;
        self.expect(has_user, "its user does not exist");
        self.listed(token.expires_at.as_millis()).await.map(drop)
    }

    async fn session(&mut self, id: SessionId) -> Result<()> {
        let Some(session) = self.decode::<Session>() else {
            return Ok(());
        };
        self.expect(session.id == id, "it is another session's record");
        let entry = sessions::keys::index_entry(scope(session.tenant), id);
        let is_listed = self.exists(&entry).await?;
        self.expect(is_listed, "the index of its tenant does not list it");
        Ok(())
    }

    /// The counter of the audit events of a day.
    async fn day_events(&mut self, day: i64) -> Result<()> {
        self.counter();
        let is_listed = match self.tenant() {
            Some(tenant) => self.exists(&audit::keys::day_entry(scope(tenant), day)).await?,
            None => false,
        };
        self.expect(is_listed, "`audit_days` does not list this day of the tenant");
        Ok(())
    }

    async fn session_index(&mut self, id: SessionId) -> Result<()> {
        let Some(tenant) = self.tenant() else { return Ok(()) };
        self.expect(self.entry.value == id.as_bytes(), "its value is not the session's id");
        let value = self.txn.get(&sessions::keys::session(scope(tenant), id)).await?;
        let is_present = value.as_ref().is_some_and(|value| {
            let session = record::decode::<Session>(value);
            session.map_or(true, |session| session.tenant == tenant)
        });
        self.expect(is_present, "its session does not exist, or is another tenant's");
        self.checked.share.sessions = 1;
        self.checked.share.stored_bytes = value.as_deref().map_or(0, usage::store::len);
        Ok(())
    }

    /// A text of another version of the session, or of none, remains from an older version of the program.
    async fn search_text(&mut self, id: SessionId) -> Result<()> {
        let (Some(text), Some(tenant)) = (self.decode::<SearchText>(), self.tenant()) else {
            return Ok(());
        };
        let session = self
            .find::<Session>(&sessions::keys::session(scope(tenant), id))
            .await?;
        if let Some(Ok(session)) = session {
            self.expect(!text.is_wrong_for(&session), "it is not the folded text of its session");
        }
        Ok(())
    }

    async fn session_creation(&mut self, user: UserId) -> Result<()> {
        let Some((expires_at, session)) = self.ok(idempotency::decode::<Session>(&self.entry.value)) else {
            return Ok(());
        };
        let is_right = Some(session.tenant) == self.tenant() && session.owner == user;
        self.expect(is_right, "its session is of another user or tenant");
        self.counted_key(expires_at).await
    }

    /// An idempotency key that counts in its tenant's usage.
    pub(super) async fn counted_key(&mut self, expires_at: Timestamp) -> Result<()> {
        let Some(tenant) = self.tenant() else { return Ok(()) };
        if let Some(note) = self.listed(expires_at.as_millis()).await?
            && let Some(Some(counted)) = self.ok(Counted::from_bytes(&note))
        {
            let expected = Counted::new(scope(tenant), &self.entry.value);
            self.expect(
                counted == expected,
                "the expiry index counts it for another tenant or size",
            );
            self.checked.share.idempotency_keys = 1;
            self.checked.share.stored_bytes = usage::store::len(&self.entry.value);
        }
        Ok(())
    }

    async fn audit_day(&mut self, day: i64, tenant: TenantId) -> Result<()> {
        let is_at_its_place = audit::keys::day_entry(scope(tenant), day) == self.entry.key;
        self.expect(is_at_its_place, "it is in another shard than its tenant's");
        let is_counted = self.exists(&usage::keys::audit_events(scope(tenant), day)).await?;
        self.expect(is_counted, "its tenant has no counter of this day's events");
        Ok(())
    }

    fn email_in_outbox(&mut self, id: MailId) {
        let mail = self.decode::<Mail>();
        self.expect(mail.is_none_or(|mail| mail.id == id), "it is another email's record");
        let is_at_its_place = mail::keys::is_at_its_place(&self.entry.key, id);
        self.expect(is_at_its_place, "it is in another shard than its id's");
    }

    async fn recipient(&mut self, day: i64) -> Result<()> {
        self.counter();
        let expiry = mail::keys::recipient_expiry(day);
        self.listed(expiry.as_millis()).await.map(drop)
    }

    async fn dead_letter(&mut self, id: MailId) -> Result<()> {
        let Some(letter) = self.decode::<Mail>() else {
            return Ok(());
        };
        self.expect(letter.id == id, "it is another email's record");
        self.listed(letter.expires_at.as_millis()).await.map(drop)
    }

    pub(super) fn counter(&mut self) {
        let counter = kv::counter(Some(&self.entry.value));
        self.expect(self.entry.value.len() == 8, "a counter has 8 bytes");
        self.expect(counter >= 0, "the counter is below zero");
        self.checked.share.counter = Some(counter);
    }

    /// Checks that the expiry index lists the entry at this time; returns the note there.
    pub(super) async fn listed(&mut self, millis: i64) -> Result<Option<Vec<u8>>> {
        let note = self.txn.get(&expiry::entry_of(&self.entry.key, millis)).await?;
        self.expect(note.is_some(), "the expiry index does not list it at its expiry");
        Ok(note)
    }

    /// An entry of the expiry index: its key expires at that time, or was a login or a removed user's.
    async fn expiry(&mut self, millis: i64, key: &Key) -> Result<()> {
        let is_at_its_place = expiry::entry_of(key, millis) == self.entry.key;
        self.expect(is_at_its_place, "it is in another shard than its key's");
        let value = self.txn.get(key).await?;
        let place = Place::of(key);
        let Some(value) = value else {
            // Only a key that is never written again may be removed before its expiry.
            let may_be_gone = match place {
                Some(Place::Login(..)) => true,
                Some(Place::MailToken(user)) => !self.exists(&users::keys::user(user)).await?,
                _ => false,
            };
            self.expect(may_be_gone, "its key does not exist");
            return Ok(());
        };
        let expires_at = match place {
            Some(Place::Login(..)) => record::decode::<Login>(&value).map(|login| login.expires_at),
            Some(Place::AccessToken(..)) => {
                record::decode::<AccessToken>(&value).map(|token| access_tokens::kept_until(token.expires_at))
            }
            Some(Place::TokenRights) => {
                record::decode::<TokenRights>(&value).map(|rights| access_tokens::kept_until(rights.expires_at))
            }
            Some(Place::SessionCreation(_)) => idempotency::stored_expiry::<Session>(&value),
            Some(Place::TokenCreation) => idempotency::stored_expiry::<Created>(&value),
            Some(Place::Registration) => idempotency::stored_expiry::<Registered>(&value),
            Some(Place::Throttle) => throttle::stored_expiry(&value),
            Some(Place::MailToken(_)) => record::decode::<StoredToken>(&value).map(|token| token.expires_at),
            Some(Place::FormerEmail(_)) => record::decode::<FormerEmail>(&value).map(|former| former.expires_at),
            Some(Place::Recipient(day)) => Ok(mail::keys::recipient_expiry(day)),
            Some(Place::DeletedAccount(_)) => {
                record::decode::<DeletedAccount>(&value).map(|account| account.expires_at)
            }
            Some(Place::Export(_)) => record::decode::<Export>(&value).map(|export| export.expires_at),
            Some(Place::ExportChunk(chunk)) => Ok(Timestamp::from_millis(chunk.expiry)),
            Some(Place::Upload(_)) => record::decode::<Upload>(&value).map(|upload| upload.expires_at),
            Some(Place::CommittedUpload) => record::decode::<Committed>(&value).map(|committed| committed.expires_at),
            Some(Place::UploadCreation | Place::SnapshotCreation | Place::DirectoryCreation) => {
                idempotency::expiry_of_any(&value)
            }
            Some(Place::DeadLetter(_)) => record::decode::<Mail>(&value).map(|letter| letter.expires_at),
            _ => {
                self.problem("its key is of a kind that does not expire");
                return Ok(());
            }
        };
        match expires_at {
            Ok(expires_at) => self.expect(expires_at.as_millis() == millis, "its key expires at another time"),
            // The key has a finding of its own.
            Err(Error::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

pub(super) fn scope(tenant: TenantId) -> TenantScope {
    TenantScope::of_stored_key(tenant)
}
