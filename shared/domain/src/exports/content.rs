//! Reading what an export contains, and writing it to the archive.

use futures_util::try_join;
use kv::{Db, Txn};
use tokio::task::yield_now;

use crate::access_tokens;
use crate::audit::{self, Direction, Position};
use crate::deletion::{self, Deletion};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::exports::archive::Archive;
use crate::exports::lines::{
    AccessTokenLine, AccountLine, DeletionLine, EventLine, LoginLine, MailTokenLine, ManifestLine, MembershipLine,
    SessionLine, TenantLine, UsageLine,
};
use crate::id::UserId;
use crate::logins;
use crate::mail_tokens;
use crate::page::CursorKey;
use crate::scope::TenantScope;
use crate::sessions;
use crate::suppressions::{self, Suppression};
use crate::tenants::{self, Tenant};
use crate::time::Timestamp;
use crate::usage::store::{Counters, own_limits};
use crate::users::profile::{self, Profile};
use crate::users::{self, User};

/// The version of the content, which the manifest states. A further file or member does not change it.
const FORMAT: u32 = 1;

/// The folders of the files that can reach into further parts.
pub(super) const SESSIONS: &str = "sessions";
pub(super) const AUDIT: &str = "audit";

/// The largest number of sessions, so that one transaction can read all of them: twice their quota.
const MAX_SESSIONS: usize = 20_000;

/// The number of sessions or events that are read at a time.
const PAGE: usize = 500;

/// The number of events that one request reads, so that it takes no longer than a second on a third of a core.
pub(super) const EVENTS_OF_A_STEP: usize = 20_000;

/// The user's own records.
struct Account {
    user: User,
    profile: Profile,
    deletion: Option<Deletion>,
    suppression: Option<Suppression>,
    picture: Option<Vec<u8>>,
}

impl Account {
    async fn read(txn: &Txn, id: UserId) -> Result<Self> {
        let (user, profile, deletion) = try_join!(
            users::store::find(txn, id),
            profile::store::find(txn, id),
            deletion::store::find(txn, id)
        )?;
        // Without it the account is gone, and its login has ended.
        let user = user.ok_or(Error::Revoked)?;
        let picture = async {
            match &profile.avatar {
                Some(digest) => Ok(txn.get(&profile::keys::avatar(digest, id)).await?),
                None => Ok(None),
            }
        };
        let (suppression, picture) = try_join!(suppressions::store::find(txn, &user.email), picture)?;
        Ok(Self {
            user,
            profile,
            deletion,
            suppression,
            picture,
        })
    }

    /// Without the hash of the password.
    fn write(&self, archive: &mut Archive) -> Result<()> {
        let User {
            id,
            email,
            email_verified_at,
            past_emails,
            password_hash: _,
            first_name,
            last_name,
            created_at,
            updated_at,
            newer: _,
        } = &self.user;
        let Profile {
            preferences,
            avatar,
            newer: _,
        } = &self.profile;
        let line = AccountLine {
            id: *id,
            email,
            email_verified_at: *email_verified_at,
            past_emails: past_emails.iter().map(|past| &past.email).collect(),
            email_suppression: self.suppression.as_ref(),
            first_name: first_name.as_ref(),
            last_name: last_name.as_ref(),
            preferences,
            avatar: *avatar,
            deletion: self.deletion.as_ref().map(DeletionLine::from),
            created_at: *created_at,
            updated_at: *updated_at,
        };
        archive.lines("account.jsonl", [line])?;
        match &self.picture {
            Some(jpeg) => archive.file("avatar.jpg", jpeg),
            None => Ok(()),
        }
    }
}

/// What a transaction has read at the instant of the export.
pub(super) struct Start {
    pub(super) archive: Archive,
    /// The key of the tenant's cursors.
    pub(super) key: CursorKey,
    /// The last event that was written, and the last one of the instant; `None` if all were.
    pub(super) rest: Option<(Position, Position)>,
}

/// Reads everything except the rest of the audit log.
pub(super) async fn start(env: &Env, txn: &Txn, user: UserId, at: Timestamp) -> Result<Start> {
    let own = TenantScope::own(user);
    let tokens = async {
        try_join!(
            access_tokens::store::list(txn, user),
            mail_tokens::store::list(txn, user)
        )
    };
    let (account, memberships, tenant, limits, counters, logins, tokens, sessions, newest, events) = try_join!(
        Account::read(txn, user),
        tenants::store::memberships(txn, user),
        tenants::store::find(txn, own),
        own_limits(txn, own),
        Counters::peek(txn, own, at, env.limits.quotas.as_ref()),
        logins::store::list(txn, user),
        tokens,
        sessions::store::list(txn, own, None, PAGE),
        audit::store::list(txn, own, Direction::Descending, None, 1),
        audit::store::list(txn, own, Direction::Ascending, None, PAGE)
    )?;
    let Tenant {
        id,
        name,
        kind,
        cursor_key: key,
        newer: _,
    } = tenant.ok_or(Error::Revoked)?;
    let mut archive = Archive::new(at, 1);
    let manifest = ManifestLine {
        format: FORMAT,
        user_id: user,
        tenant_id: id,
        taken_at: at,
    };
    archive.lines("manifest.json", [manifest])?;
    account.write(&mut archive)?;
    archive.lines("memberships.jsonl", memberships.iter().map(MembershipLine::from))?;
    let line = TenantLine {
        id,
        name: &name,
        r#type: kind,
        own_limits: &limits,
    };
    archive.lines("tenant.jsonl", [line])?;
    archive.lines("usage.jsonl", counters.usage().into_iter().map(UsageLine::from))?;
    archive.lines("logins.jsonl", logins.iter().map(LoginLine::from))?;
    let (access_tokens, mail_tokens) = tokens;
    archive.lines("access-tokens.jsonl", access_tokens.iter().map(AccessTokenLine::from))?;
    archive.lines("mail-tokens.jsonl", mail_tokens.iter().map(MailTokenLine::from))?;
    write_sessions(&mut archive, txn, own, sessions).await?;
    archive.begin_in(AUDIT)?;
    let rest = write_events(&mut archive, &events)?.zip(newest.first().map(|newest| newest.position));
    Ok(Start {
        archive,
        key,
        rest: rest.filter(|(last, end)| last < end),
    })
}

async fn write_sessions(
    archive: &mut Archive,
    txn: &Txn,
    own: TenantScope,
    mut page: Vec<sessions::store::Stored>,
) -> Result<()> {
    archive.begin_in(SESSIONS)?;
    let mut count = 0;
    loop {
        for stored in &page {
            let session = sessions::store::decode(own, stored)?;
            archive.line(SESSIONS, &SessionLine::from(&session))?;
        }
        count += page.len();
        let Some(last) = page.last().filter(|_| page.len() == PAGE) else {
            return Ok(());
        };
        if count >= MAX_SESSIONS {
            return Err(Error::ExportTooLarge {
                what: "exportedSessions",
                used: count,
                limit: MAX_SESSIONS,
            });
        }
        yield_now().await;
        page = sessions::store::list(txn, own, Some(last.id), PAGE).await?;
    }
}

/// Writes events, and returns the position of the last one.
fn write_events(archive: &mut Archive, events: &[audit::store::Stored]) -> Result<Option<Position>> {
    for stored in events {
        archive.line(AUDIT, &EventLine::new(stored.position, &stored.decode()?))?;
    }
    Ok(events.last().map(|last| last.position))
}

/// Writes the events beyond `after` up to `end`, or as many as one request may. Returns the last one if there are more.
///
/// Each page is read in a transaction of its own. Events are never changed, and no event is added before a position
/// that was read, so the pages together are the log as of the moment when `end` was its last event. Only the retention
/// removes events, from the start of the log.
pub(super) async fn log(
    db: &Db,
    own: TenantScope,
    archive: &mut Archive,
    mut after: Position,
    end: Position,
) -> Result<Option<Position>> {
    for _ in 0..EVENTS_OF_A_STEP / PAGE {
        let mut events = db
            .run(|txn| async move { audit::store::list(&txn, own, Direction::Ascending, Some(after), PAGE).await })
            .await?;
        events.retain(|event| event.position <= end);
        match write_events(archive, &events)? {
            Some(last) if last < end => after = last,
            _ => return Ok(None),
        }
        yield_now().await;
    }
    Ok(Some(after))
}
