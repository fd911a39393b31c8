//! Reading what an export contains, and writing it to the archive.

use futures_util::try_join;
use kv::Txn;

use crate::access_tokens;
use crate::audit::{self, Direction, EventLine, Position};
use crate::deletion::{self, Deletion};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::exports::Sizes;
use crate::exports::archive::Archive;
use crate::exports::lines::{
    AccessTokenLine, AccountLine, DeletionLine, LoginLine, MailTokenLine, ManifestLine, MembershipLine, SessionLine,
    TenantLine, UsageLine,
};
use crate::id::UserId;
use crate::logins;
use crate::mail_tokens;
use crate::page::CursorKey;
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
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
    let sizes = &env.preparations.sizes;
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
        Counters::peek_all(txn, own, at, env.limits.quotas.as_ref()),
        logins::store::list(txn, user),
        tokens,
        sessions::store::list(txn, own, None, sizes.page),
        audit::store::list(txn, own, Direction::Descending, None, 1),
        audit::store::list(txn, own, Direction::Ascending, None, sizes.page)
    )?;
    let Tenant {
        id,
        name,
        kind,
        cursor_key: key,
        newer: _,
    } = tenant.ok_or(Error::Revoked)?;
    let mut archive = Archive::new(at, 1, sizes.part_bytes);
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
    write_sessions(&mut archive, txn, own, sizes, sessions).await?;
    archive.begin_in(AUDIT)?;
    let rest = write_events(&mut archive, own, &events)
        .await?
        .zip(newest.first().map(|newest| newest.position));
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
    sizes: &Sizes,
    mut page: Vec<sessions::store::Stored>,
) -> Result<()> {
    archive.begin_in(SESSIONS)?;
    let mut count = 0;
    loop {
        count += page.len();
        // Of a tenant from before the counters. Others were rejected without reading.
        if count > sizes.sessions {
            return Err(Error::ExportTooLarge {
                used: count,
                limit: sizes.sessions,
            });
        }
        for stored in &page {
            let session = sessions::store::decode(own, stored)?;
            archive.line(SESSIONS, &SessionLine::from(&session))?;
            archive.pause().await;
        }
        let Some(last) = page.last().filter(|_| page.len() == sizes.page) else {
            return Ok(());
        };
        page = sessions::store::list(txn, own, Some(last.id), sizes.page).await?;
    }
}

/// Writes events, and returns the position of the last one.
async fn write_events(
    archive: &mut Archive,
    own: TenantScope,
    events: &[audit::store::Stored],
) -> Result<Option<Position>> {
    for stored in events {
        let line = EventLine::of(own.tenant(), stored.position, stored.decode()?);
        archive.line(AUDIT, &line)?;
        archive.pause().await;
    }
    Ok(events.last().map(|last| last.position))
}

/// Writes the events beyond `after` up to `end`, or as many as one step and the number of parts allow. Returns the last
/// one if there are more.
///
/// Each page is read in a transaction of its own, which also checks the caller. Events are never changed, and no event
/// is added before a position that was read, so the pages together are the log as of the moment when `end` was its last
/// event. Only the retention removes events, from the start of the log.
pub(super) async fn log(
    env: &Env,
    caller: &Caller,
    archive: &mut Archive,
    mut after: Position,
    end: Position,
) -> Result<Option<Position>> {
    let (own, sizes) = (TenantScope::own(caller.user()), &env.preparations.sizes);
    for _ in 0..sizes.events_of_a_step / sizes.page {
        let page = env.in_tenant(caller, Permission::ManageAccount, |txn, _| async move {
            audit::store::list(&txn, own, Direction::Ascending, Some(after), sizes.page).await
        });
        let mut events = page.await?;
        events.retain(|event| event.position <= end);
        match write_events(archive, own, &events).await? {
            Some(last) if last < end => after = last,
            _ => return Ok(None),
        }
        if archive.number() >= sizes.parts {
            break;
        }
    }
    Ok(Some(after))
}
