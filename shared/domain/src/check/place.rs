//! What the schema has at a key.

use kv::{Element, Key};

use crate::contents::Digest;
use crate::id::{AccessTokenId, FileJobId, Id as _, LoginId, MailId, SessionId, TenantId, UploadId, UserId};
use crate::mail_tokens::Purpose;
use crate::users::profile::AvatarDigest;

use super::file_place::FilePlace;

/// The kind of a key, and the ids in it.
pub(super) enum Place {
    User(UserId),
    Email(String),
    /// The reservation of an email.
    FormerEmail(String),
    /// A token of a user.
    MailToken(UserId),
    Login(UserId, LoginId),
    Membership(UserId, TenantId),
    Profile(UserId),
    /// A personal access token as its user sees it.
    AccessToken(UserId, AccessTokenId),
    /// What a personal access token may do.
    TokenRights,
    /// A user's export.
    Export(UserId),
    /// A chunk of an export.
    ExportChunk(ExportChunk),
    /// A user's copy of a picture.
    Avatar(AvatarDigest, UserId),
    /// The scheduled deletion of an account.
    Deletion(UserId),
    Tenant(TenantId),
    /// An entry in the index of an organisation's members.
    Member(UserId),
    Event,
    SessionIndex(SessionId),
    SearchText(SessionId),
    /// The outcome of a user's creation of a session.
    SessionCreation(UserId),
    /// The outcome of a creation of a personal access token.
    TokenCreation,
    /// The outcome of a creation of an upload.
    UploadCreation,
    /// The outcome of a creation of a snapshot.
    SnapshotCreation,
    /// The outcome of making a directory.
    DirectoryCreation,
    /// A tenant's counter with this name.
    Usage(String),
    /// The counter of the audit events of a day.
    DayEvents(i64),
    /// A tenant's own limits.
    OwnLimits,
    Session(SessionId),
    /// An upload in progress.
    Upload(UploadId),
    /// The outcome of a committed upload.
    CommittedUpload,
    /// A part of an upload, by its number.
    UploadPart(UploadId, u16),
    /// A chunk of a part, by both numbers.
    UploadChunk(UploadId, u16, usize),
    /// A part of the files of a session.
    File(SessionId, FilePlace),
    /// Work of the janitor on files: the time in milliseconds, and its id.
    FileJob(i64, FileJobId),
    /// An entry of the index of feeds: the time in milliseconds, and whose.
    ListedFeed(i64, TenantId, SessionId),
    /// The header of a content.
    Content,
    /// A chunk of a content, with its number.
    ContentChunk(Digest, usize),
    /// The counter of the references to a content.
    ContentReferences(Digest),
    /// An entry of the garbage list.
    Garbage(TenantId, Digest),
    /// An entry of the queue of objects to delete: the time in milliseconds, and the object.
    ObjectDeletion(i64, String),
    Registration,
    Throttle,
    /// An email in the outbox.
    Outbox(MailId),
    DeadLetter(MailId),
    /// The counter of the emails of one kind to one recipient on this day.
    Recipient(i64),
    /// Why nothing is sent to an address.
    Suppression,
    /// An entry in the index of scheduled deletions: the time in milliseconds, and the user.
    ScheduledDeletion(i64, UserId),
    /// The removal of a deleted account's data.
    Removal(UserId),
    /// A deleted account.
    DeletedAccount(UserId),
    /// An entry of the expiry index: the expiry in milliseconds, and the key that expires.
    Expiry(i64, Key),
    /// The day and the tenant.
    AuditDay(i64, TenantId),
    NoAccount,
    /// The progress of an import.
    Import,
    /// A value without invariants.
    Opaque,
}

/// The position of a chunk, as its key states it.
#[derive(Clone, Copy)]
pub(super) struct ExportChunk {
    pub(super) user: UserId,
    /// The expiry of its export in milliseconds.
    pub(super) expiry: i64,
    /// The number of its part, from 1.
    pub(super) part: usize,
    pub(super) number: usize,
}

impl Place {
    /// `None` if no key of the schema has this form.
    pub(super) fn of(key: &Key) -> Option<Self> {
        if kv::is_commit_marker(key) {
            return Some(Self::Opaque);
        }
        let elements: Vec<Element<'_>> = key.unpack().ok()?;
        let (space, rest) = elements.split_first()?;
        match text(space)? {
            "users" => Self::of_user(rest),
            "tenants" => Self::of_tenant(rest),
            "access_tokens" => match rest {
                [Element::Bytes(digest)] if digest.len() == 32 => Some(Self::TokenRights),
                _ => None,
            },
            "avatars" => match rest {
                [Element::Bytes(digest), Element::Uuid(user)] => {
                    let digest = AvatarDigest::from_slice(digest)?;
                    Some(Self::Avatar(digest, UserId::from_uuid(*user)))
                }
                _ => None,
            },
            "sessions" => match rest {
                [Element::Uuid(session)] => Some(Self::Session(SessionId::from_uuid(*session))),
                _ => None,
            },
            "fs" | "file_jobs" | "file_feeds" | "garbage" | "object_deletions" => Self::of_files(text(space)?, rest),
            "idempotency" => match rest {
                [kind, Element::Bytes(_)] if text(kind) == Some("register") => Some(Self::Registration),
                _ => None,
            },
            "throttles" => is_throttle(rest).then_some(Self::Throttle),
            "expiry" => match rest {
                [Element::Int(_), Element::Int(expiry), Element::Bytes(key)] => {
                    Some(Self::Expiry(*expiry, Key::from_bytes(key.to_vec())))
                }
                _ => None,
            },
            "outbox" => match rest {
                [kind, Element::Int(0..256)] if text(kind) == Some("no_account") => Some(Self::Opaque),
                [Element::Int(_), Element::Int(_), Element::Uuid(mail)] => Some(Self::Outbox(MailId::from_uuid(*mail))),
                _ => None,
            },
            "mail_tokens" => match rest {
                [kind, Element::Int(0..256), below @ ..] if text(kind) == Some("no_account") => match below {
                    [] => Some(Self::Opaque),
                    [last] if matches!(text(last), Some("entry" | "previous")) => Some(Self::Opaque),
                    _ => None,
                },
                _ => None,
            },
            "dead_letters" => match rest {
                [Element::Uuid(mail)] => Some(Self::DeadLetter(MailId::from_uuid(*mail))),
                _ => None,
            },
            "deletions" => Self::of_deletions(rest),
            "recipients" => match rest {
                [Element::Bytes(digest), Element::Int(day)] if digest.len() == 32 => Some(Self::Recipient(*day)),
                _ => None,
            },
            "suppressions" => match rest {
                [Element::Bytes(digest)] if digest.len() == 32 => Some(Self::Suppression),
                _ => None,
            },
            "audit_days" => match rest {
                [Element::Int(_), Element::Int(day), Element::Uuid(tenant)] => {
                    Some(Self::AuditDay(*day, TenantId::from_uuid(*tenant)))
                }
                _ => None,
            },
            "audit" => match rest {
                [kind, Element::Int(0..256), below @ ..] if text(kind) == Some("no_account") => match below {
                    [] => Some(Self::NoAccount),
                    [last] if matches!(text(last), Some("events" | "day")) => Some(Self::Opaque),
                    _ => None,
                },
                _ => None,
            },
            "import" => rest.is_empty().then_some(Self::Import),
            "ready" => rest.is_empty().then_some(Self::Opaque),
            _ => None,
        }
    }

    /// A place of files and their contents.
    fn of_files(space: &str, rest: &[Element<'_>]) -> Option<Self> {
        match space {
            "fs" => FilePlace::of(rest).map(|(session, place)| Self::File(session, place)),
            "file_jobs" => match rest {
                [Element::Int(_), Element::Int(due_at), Element::Uuid(id)] => {
                    Some(Self::FileJob(*due_at, FileJobId::from_uuid(*id)))
                }
                _ => None,
            },
            "file_feeds" => match rest {
                [
                    Element::Int(_),
                    Element::Int(due_at),
                    Element::Uuid(tenant),
                    Element::Uuid(session),
                ] => Some(Self::ListedFeed(
                    *due_at,
                    TenantId::from_uuid(*tenant),
                    SessionId::from_uuid(*session),
                )),
                _ => None,
            },
            "garbage" => match rest {
                [Element::Int(_), Element::Uuid(tenant), Element::Bytes(digest)] => {
                    let digest = Digest::from_slice(digest)?;
                    Some(Self::Garbage(TenantId::from_uuid(*tenant), digest))
                }
                _ => None,
            },
            "object_deletions" => match rest {
                [Element::Int(due_at), Element::String(object)] => {
                    Some(Self::ObjectDeletion(*due_at, object.to_string()))
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn of_user(rest: &[Element<'_>]) -> Option<Self> {
        match rest {
            [Element::Uuid(user)] => Some(Self::User(UserId::from_uuid(*user))),
            [Element::Uuid(user), kind] if text(kind) == Some("profile") => {
                Some(Self::Profile(UserId::from_uuid(*user)))
            }
            [Element::Uuid(user), kind] if text(kind) == Some("export") => Some(Self::Export(UserId::from_uuid(*user))),
            [
                Element::Uuid(user),
                kind,
                Element::Int(expiry),
                Element::Int(part),
                Element::Int(number),
            ] if text(kind) == Some("export_parts") => Some(Self::ExportChunk(ExportChunk {
                user: UserId::from_uuid(*user),
                expiry: *expiry,
                part: usize::try_from(*part).ok()?,
                number: usize::try_from(*number).ok()?,
            })),
            [kind, Element::String(email)] if text(kind) == Some("by_email") => Some(Self::Email(email.to_string())),
            [kind, Element::String(email)] if text(kind) == Some("former_emails") => {
                Some(Self::FormerEmail(email.to_string()))
            }
            [Element::Uuid(user), kind, purpose, digest @ ..] if text(kind) == Some("mail_tokens") => {
                let purpose: Purpose = text(purpose)?.parse().ok()?;
                let is_right = match digest {
                    [] => purpose != Purpose::EmailUndo,
                    [Element::Bytes(digest)] => purpose == Purpose::EmailUndo && digest.len() == 32,
                    _ => false,
                };
                is_right.then(|| Self::MailToken(UserId::from_uuid(*user)))
            }
            [Element::Uuid(user), kind] if text(kind) == Some("deletion") => {
                Some(Self::Deletion(UserId::from_uuid(*user)))
            }
            [Element::Uuid(user), kind, Element::Uuid(id)] => {
                let user = UserId::from_uuid(*user);
                match text(kind)? {
                    "logins" => Some(Self::Login(user, LoginId::from_uuid(*id))),
                    "tenants" => Some(Self::Membership(user, TenantId::from_uuid(*id))),
                    "access_tokens" => Some(Self::AccessToken(user, AccessTokenId::from_uuid(*id))),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn of_deletions(rest: &[Element<'_>]) -> Option<Self> {
        let (kind, rest) = rest.split_first()?;
        match (text(kind)?, rest) {
            ("scheduled", [Element::Int(due_at), Element::Uuid(user)]) => {
                Some(Self::ScheduledDeletion(*due_at, UserId::from_uuid(*user)))
            }
            ("removals", [Element::Uuid(user)]) => Some(Self::Removal(UserId::from_uuid(*user))),
            ("done", [Element::Uuid(user)]) => Some(Self::DeletedAccount(UserId::from_uuid(*user))),
            _ => None,
        }
    }

    fn of_tenant(rest: &[Element<'_>]) -> Option<Self> {
        let [Element::Uuid(tenant), rest @ ..] = rest else {
            return None;
        };
        let Some((kind, rest)) = rest.split_first() else {
            return Some(Self::Tenant(TenantId::from_uuid(*tenant)));
        };
        match (text(kind)?, rest) {
            ("audit", [Element::Versionstamp(_)]) => Some(Self::Event),
            ("sessions", [Element::Uuid(session)]) => Some(Self::SessionIndex(SessionId::from_uuid(*session))),
            ("members", [Element::Uuid(user)]) => Some(Self::Member(UserId::from_uuid(*user))),
            ("search", [Element::Uuid(session)]) => Some(Self::SearchText(SessionId::from_uuid(*session))),
            ("idempotency", [Element::Uuid(user), operation, Element::Bytes(_)]) => {
                let user = UserId::from_uuid(*user);
                match text(operation)? {
                    "sessions.create" => Some(Self::SessionCreation(user)),
                    "access_tokens.create" => Some(Self::TokenCreation),
                    "uploads.create" => Some(Self::UploadCreation),
                    "files.snapshots.create" => Some(Self::SnapshotCreation),
                    "files.makeDirectory" => Some(Self::DirectoryCreation),
                    _ => None,
                }
            }
            ("usage", [Element::String(quota)]) => Some(Self::Usage(quota.to_string())),
            ("usage", [quota, Element::Int(day)]) if text(quota) == Some("auditEvents") => Some(Self::DayEvents(*day)),
            ("limits", []) => Some(Self::OwnLimits),
            ("uploads", [Element::Uuid(upload)]) => Some(Self::Upload(UploadId::from_uuid(*upload))),
            ("committed_uploads", [Element::Uuid(_)]) => Some(Self::CommittedUpload),
            ("upload_parts", [Element::Uuid(upload), Element::Int(part)]) => Some(Self::UploadPart(
                UploadId::from_uuid(*upload),
                u16::try_from(*part).ok()?,
            )),
            ("upload_chunks", [Element::Uuid(upload), Element::Int(part), Element::Int(number)]) => {
                let (part, number) = (u16::try_from(*part).ok()?, usize::try_from(*number).ok()?);
                Some(Self::UploadChunk(UploadId::from_uuid(*upload), part, number))
            }
            ("contents", [Element::Bytes(digest)]) => Digest::from_slice(digest).map(|_| Self::Content),
            ("content_chunks", [Element::Bytes(digest), Element::Int(number)]) => Some(Self::ContentChunk(
                Digest::from_slice(digest)?,
                usize::try_from(*number).ok()?,
            )),
            ("content_references", [Element::Bytes(digest)]) => {
                Some(Self::ContentReferences(Digest::from_slice(digest)?))
            }
            _ => None,
        }
    }
}

/// The tenant whose key, or the key of whose data, this is.
pub(super) fn tenant_of(key: &Key) -> Option<TenantId> {
    let elements: Vec<Element<'_>> = key.unpack().ok()?;
    match elements.get(1)? {
        Element::Uuid(tenant) => Some(TenantId::from_uuid(*tenant)),
        _ => None,
    }
}

/// The digest of the token whose rights are at this key.
pub(super) fn digest_of(key: &Key) -> Option<[u8; 32]> {
    let elements: Vec<Element<'_>> = key.unpack().ok()?;
    match elements.last()? {
        Element::Bytes(digest) => digest.as_ref().try_into().ok(),
        _ => None,
    }
}

fn is_throttle(rest: &[Element<'_>]) -> bool {
    let Some((kind, rest)) = rest.split_first() else {
        return false;
    };
    matches!(
        (text(kind), rest),
        (Some("pair"), [Element::Bytes(_), Element::String(_)])
            | (Some("device"), [Element::Bytes(_), Element::Bytes(_)])
            | (Some("known" | "account"), [Element::Bytes(_)])
            | (
                Some("address" | "registration" | "email_requests"),
                [Element::String(_)]
            )
            | (
                Some("recipient" | "email_change"),
                [Element::Bytes(_) | Element::Uuid(_)]
            )
            | (
                Some("login"),
                [Element::Uuid(_)] | [Element::Uuid(_), Element::String(_)]
            )
    )
}

fn text<'a>(element: &'a Element<'_>) -> Option<&'a str> {
    match element {
        Element::String(text) => Some(text),
        _ => None,
    }
}

/// The first element of a key, to group entries by; empty if it is no text.
pub(crate) fn space(key: &Key) -> String {
    let elements: Vec<Element<'_>> = key.unpack().unwrap_or_default();
    elements.first().and_then(text).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_key_that_no_version_writes_has_no_place() {
        let id = Uuid::from_u128(7);
        for key in [
            Key::of(&()),
            Key::of(&("users",)),
            Key::of(&("users", id, "avatars", id)),
            Key::of(&("users", id, "avatar")),
            Key::of(&("avatars", &b"x"[..], id)),
            Key::of(&("avatars", &[0; 32][..])),
            Key::of(&("users", id, "profile", id)),
            Key::of(&("users", id, "export", id)),
            Key::of(&("users", id, "export_parts", 1, id)),
            Key::of(&("users", id, "export_parts", 1, -1, 0)),
            Key::of(&("users", "by_email", 1)),
            Key::of(&("access_tokens", &b"x"[..])),
            Key::of(&("users", id, "mail_tokens", "other")),
            Key::of(&("users", id, "mail_tokens", "emailUndo")),
            Key::of(&("mail_tokens", "no_account", 256)),
            Key::of(&("tenants", "x")),
            Key::of(&("tenants", id, "audit", id)),
            Key::of(&("tenants", id, "idempotency", id, "other", &b"x"[..])),
            Key::of(&("throttles", "pair", &b"x"[..])),
            Key::of(&("expiry", 0, "junk")),
            Key::of(&("audit", "no_account", 256)),
            Key::of(&("suppressions", &b"x"[..])),
            Key::of(&("ready", 1)),
            Key::of(&("deletions", "scheduled", id)),
            Key::of(&("deletions", "other", id)),
            Key::of(&("tenants", id, "contents", &b"x"[..])),
            Key::of(&("tenants", id, "contents", &[0; 32][..], 0)),
            Key::of(&("tenants", id, "content_chunks", &[0; 32][..])),
            Key::of(&("tenants", id, "content_chunks", &[0; 32][..], -1)),
            Key::of(&("tenants", id, "content_references", &b"x"[..])),
            Key::of(&("tenants", id, "uploads", 1)),
            Key::of(&("tenants", id, "upload_parts", id, 70_000)),
            Key::of(&("tenants", id, "upload_chunks", id, 1)),
            Key::of(&("garbage", 0, id, &b"x"[..])),
            Key::of(&("object_deletions", 0, id)),
            Key::of(&("fs", id)),
            Key::of(&("fs", id, "head", 1)),
            Key::of(&("fs", id, "e", id)),
            Key::of(&("fs", id, "h", id, "a", -1)),
            Key::of(&("fs", id, "se", id)),
            Key::of(&("fs", id, "se", -1)),
            Key::of(&("fs", id, "other", id)),
            Key::of(&("file_jobs", 0, id)),
            Key::of(&("file_feeds", 0, 0, id)),
            Key::of(&("fs", id, "feed", 1)),
            Key::of(&("elsewhere", 1)),
            Key::from_bytes([0xfe]),
        ] {
            assert!(Place::of(&key).is_none(), "{key:?}");
        }
        assert!(Place::of(&Key::of(&("users", id))).is_some());
    }
}
