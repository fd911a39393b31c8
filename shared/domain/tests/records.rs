//! Records decode to the values that were encoded, and the keys of different users never overlap.

use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::access_tokens::{AccessToken, LastUse, Scope, Scopes, TokenDigest, TokenRights};
use domain::audit::{Action, Event};
use domain::contents::{Digest, Header};
use domain::deletion::{DeletedAccount, Deletion};
use domain::exports::{Export, Failure, MAX_PART_BYTES, MAX_PARTS, Part, Step};
use domain::files::changes::{Change, ChangeKind, Feed};
use domain::files::preparations::{self, Pending, Preparation};
use domain::files::records::{Head, Job, Location, Place, Removal, StoredItem, Task};
use domain::files::snapshots::{Restore, RestoreState, Snapshot};
use domain::files::{Entry, EntryTag, FilePath, Node};
use domain::id::Id;
use domain::logins::{Login, LoginExpiry, TokenFamily};
use domain::mail_tokens::{Purpose, StoredToken};
use domain::page::CursorKey;
use domain::password::PasswordHash;
use domain::record::{self, NewerMembers, Projection, Record};
use domain::sessions::{Session, WorkspacePath};
use domain::suppressions::{Reason, Suppression};
use domain::tenants::{Kind, MemberRole, Membership, Tenant};
use domain::text::Name;
use domain::uploads::{self, Destination, Upload};
use domain::usage::{OwnLimits, Quota};
use domain::users::profile::{AvatarDigest, Preferences, Profile, ProfileMember};
use domain::users::{Email, FormerEmail, PastEmail, User};
use domain::{
    AccessTokenId, Address, DirectoryId, LoginId, Role, SessionId, SystemRng, TenantId, Timestamp, TrashItemId,
    UserAgent, UserId,
};
use kv::{Key, Range};
use proptest::prelude::*;
use uuid::Uuid;

const PURPOSES: [Purpose; 5] = [
    Purpose::Verification,
    Purpose::Recovery,
    Purpose::OperatorRecovery,
    Purpose::EmailChange,
    Purpose::EmailUndo,
];

fn id<I: Id + Debug>() -> impl Strategy<Value = I> {
    any::<u128>().prop_map(|bits| I::from_uuid(Uuid::from_u128(bits)))
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0i64..253_402_207_200_000).prop_map(Timestamp::from_millis)
}

fn name() -> impl Strategy<Value = Name> {
    "\\PC{1,200}".prop_filter_map("not a valid name", |text| Name::parse(&text).ok())
}

fn path() -> impl Strategy<Value = WorkspacePath> {
    "(/\\PC{1,8}){1,8}".prop_filter_map("not a valid path", |text| WorkspacePath::parse(&text).ok())
}

fn node() -> impl Strategy<Value = Node> {
    let file = (any::<u64>(), any::<[u8; 32]>(), any::<bool>()).prop_map(|(size, digest, is_object)| Node::File {
        size,
        digest: Digest::from_bytes(digest),
        is_object,
    });
    prop_oneof![file, id().prop_map(|id| Node::Directory { id })]
}

fn file_path() -> impl Strategy<Value = FilePath> {
    "(/\\PC{1,8}){0,8}".prop_filter_map("not a valid path", |text| FilePath::parse(&text).ok())
}

fn email() -> impl Strategy<Value = Email> {
    "[a-z0-9.+_-]{1,20}@[a-z0-9-]{1,20}\\.[a-z]{2,5}"
        .prop_filter_map("not a valid email", |text| Email::parse(&text).ok())
}

fn hash() -> impl Strategy<Value = PasswordHash> {
    "\\$argon2id\\$[ -~]{0,80}".prop_map(|text| serde_json::from_value(text.into()).expect("a hash is a string"))
}

fn address() -> impl Strategy<Value = Address> {
    any::<std::net::IpAddr>().prop_map(Address::new)
}

fn scopes() -> impl Strategy<Value = Scopes> {
    let all: Vec<_> = Scope::all().collect();
    let max = all.len();
    prop::sample::subsequence(all, 1..=max).prop_map(|scopes| Scopes::new(scopes).expect("there is a scope"))
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Registered),
        Just(Action::LoggedIn),
        any::<u32>().prop_map(|attempts| Action::LoginRefused { attempts }),
        Just(Action::Refreshed),
        Just(Action::RefreshReplayed),
        Just(Action::ReuseDetected),
        Just(Action::LoggedOut),
        Just(Action::ExportRequested),
        id().prop_map(|ended| Action::LoginEnded { ended }),
        id().prop_map(|ended| Action::LoginEvicted { ended }),
        any::<usize>().prop_map(|ended| Action::LoggedOutEverywhere { ended }),
        any::<usize>().prop_map(|ended| Action::PasswordChanged { ended }),
        prop::collection::vec(prop::sample::select(&MEMBERS[..]), 1..5)
            .prop_map(|changed| Action::ProfileChanged { changed }),
        (id(), id(), scopes(), time()).prop_map(|(created, tenant, scopes, expires_at)| Action::AccessTokenCreated {
            created,
            tenant,
            scopes,
            expires_at,
        }),
        id().prop_map(|revoked| Action::AccessTokenRevoked { revoked }),
        Just(Action::EmailVerified),
        Just(Action::RecoveryRequested),
        any::<usize>().prop_map(|ended| Action::PasswordRecovered { ended }),
        Just(Action::EmailChangeRequested),
        Just(Action::EmailChanged),
        any::<usize>().prop_map(|ended| Action::EmailChangeUndone { ended }),
        id().prop_map(|session| Action::SessionCreated { session }),
        id().prop_map(|session| Action::SessionChanged { session }),
        id().prop_map(|session| Action::SessionDeleted { session }),
        (id(), id()).prop_map(|(session, snapshot)| Action::SnapshotCreated { session, snapshot }),
        (id(), id()).prop_map(|(session, snapshot)| Action::SnapshotDeleted { session, snapshot }),
        (id(), id()).prop_map(|(session, snapshot)| Action::RestoreRequested { session, snapshot }),
        (name(), any::<usize>()).prop_map(|(operator, ended)| Action::Suspended { operator, ended }),
        name().prop_map(|operator| Action::Resumed { operator }),
        name().prop_map(|operator| Action::RecoveryLinkCreated { operator }),
        time().prop_map(|due_at| Action::DeletionScheduled { due_at }),
        Just(Action::DeletionCancelled),
        (name(), time()).prop_map(|(operator, due_at)| Action::DeletionOrdered { operator, due_at }),
        name().prop_map(|operator| Action::DeletionRevoked { operator }),
        Just(Action::AccountDeleted),
        (name(), id()).prop_map(|(operator, ended)| Action::LoginRevoked { operator, ended }),
        (name(), any::<usize>()).prop_map(|(operator, ended)| Action::LoginsRevoked { operator, ended }),
        (name(), prop::sample::select(&Quota::ALL[..]), any::<Option<u64>>())
            .prop_map(|(operator, quota, limit)| Action::LimitChanged { operator, quota, limit }),
        (name(), "[a-z._]{1,40}").prop_map(|(operator, mail)| Action::MailRetried { operator, mail }),
        (name(), "[a-z._]{1,40}").prop_map(|(operator, mail)| Action::MailDropped { operator, mail }),
        name().prop_map(|operator| Action::MailSuppressed { operator }),
        name().prop_map(|operator| Action::MailUnsuppressed { operator }),
    ]
}

const MEMBERS: [ProfileMember; 5] = [
    ProfileMember::FirstName,
    ProfileMember::LastName,
    ProfileMember::Company,
    ProfileMember::Preferences,
    ProfileMember::Avatar,
];

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Owner), Just(Role::Member), Just(Role::Viewer)]
}

fn round_trips<T: Record + PartialEq + Debug>(record: &T) -> Result<(), TestCaseError> {
    let bytes = record::encode(record).expect("the record encodes");
    prop_assert_eq!(&record::decode::<T>(&bytes).expect("the record decodes"), record);
    prop_assert!(bytes.len() < kv::MAX_VALUE_LEN);
    Ok(())
}

/// Encodes the record and decodes one projection of it.
fn project<P: Projection>(record: &P::Whole) -> P {
    let bytes = record::encode(record).expect("the record encodes");
    record::decode_projection(&bytes).expect("the record decodes")
}

proptest! {
    #[test]
    fn users_round_trip(
        id in id::<UserId>(), email in email(), password_hash in hash(), first_name in prop::option::of(name()),
        last_name in prop::option::of(name()), created_at in time(), updated_at in time(),
        email_verified_at in prop::option::of(time()), past in prop::collection::vec(email(), 0..3),
    ) {
        round_trips(&FormerEmail { user: id, expires_at: updated_at })?;
        let newer = NewerMembers::default();
        let past_emails = past.into_iter().map(|email| PastEmail { email, forgotten_at: created_at }).collect();
        round_trips(&User {
            id, email, email_verified_at, past_emails, password_hash, first_name, last_name, created_at, updated_at,
            newer,
        })?;
    }

    #[test]
    fn mail_tokens_round_trip(
        user in id::<UserId>(), email in email(), created_at in time(), expires_at in time(), digest: [u8; 32],
        purpose in prop::sample::select(&PURPOSES[..]),
    ) {
        let digest = serde_json::from_value(URL_SAFE_NO_PAD.encode(digest).into()).expect("a digest is base64");
        round_trips(&StoredToken { purpose, user, email, digest, created_at, expires_at })?;
    }

    #[test]
    fn tenants_and_memberships_round_trip(
        id in id::<TenantId>(), user in id::<UserId>(), name in "\\PC{0,401}", own: bool, role in role(),
        company in prop::option::of(name()), joined_at in time(), suspended_at in prop::option::of(time()),
        email_verified_at in prop::option::of(time()),
    ) {
        let kind = if own { Kind::Own } else { Kind::Organization };
        let newer = NewerMembers::default();
        round_trips(&Tenant { id, name, kind, cursor_key: CursorKey::draw(&SystemRng), newer })?;
        let membership = Membership {
            user, tenant: id, role, company, joined_at, suspended_at, email_verified_at,
            newer: NewerMembers::default(),
        };
        round_trips(&membership)?;
        prop_assert_eq!(project::<MemberRole>(&membership), membership.into());
    }

    #[test]
    fn profiles_round_trip(
        theme in "\\PC{0,300}", size: f64, avatar in prop::option::of("[0-9a-f]{64}"),
    ) {
        let preferences = serde_json::json!({ "theme": theme, "editor": { "size": size, "tabs": [null, true] } });
        let preferences: Preferences = serde_json::from_value(preferences).expect("it is an object");
        let avatar = avatar.map(|text| AvatarDigest::parse(&text).expect("it is a digest"));
        round_trips(&Profile { preferences, avatar, newer: NewerMembers::default() })?;
    }

    #[test]
    fn logins_round_trip(
        id in id::<LoginId>(), user in id::<UserId>(), tenant in id::<TenantId>(), created_at in time(),
        password_at in time(), used_at in time(), expires_at in time(),
        address in prop::option::of(address()), user_agent in "\\PC{0,300}",
    ) {
        let user_agent = UserAgent::new(&user_agent);
        let (refresh, _) = TokenFamily::start(&SystemRng, user, tenant, id);
        let login = Login {
            id, user, tenant, created_at, password_at, used_at, expires_at, address, user_agent, refresh,
            newer: NewerMembers::default() };
        round_trips(&login)?;
        prop_assert_eq!(project::<LoginExpiry>(&login), login.into());
    }

    #[test]
    fn logins_from_before_refresh_tokens_still_decode(
        id in id::<LoginId>(), user in id::<UserId>(), tenant in id::<TenantId>(),
    ) {
        let time = Timestamp::from_millis(0);
        let times = format!(r#""createdAt":"{time}","expiresAt":"{time}""#);
        let stored = format!(r#"{{"v":1,"data":{{"id":"{id}","user":"{user}","tenant":"{tenant}",{times}}}}}"#);
        let login: Login = record::decode(stored.as_bytes()).expect("the record decodes");
        prop_assert_eq!((login.id, login.user, login.tenant, login.used_at), (id, user, tenant, time));
        let expiry = record::decode_projection::<LoginExpiry>(stored.as_bytes()).expect("the record decodes");
        prop_assert_eq!(expiry, login.clone().into());
        round_trips(&login)?;
    }

    #[test]
    fn logins_of_the_last_release_still_decode(
        id in id::<LoginId>(), user in id::<UserId>(), tenant in id::<TenantId>(), created in time(),
    ) {
        let time = Timestamp::from_millis(0);
        let times = format!(r#""createdAt":"{created}","usedAt":"{time}","expiresAt":"{time}""#);
        let digest = |letter: char| letter.to_string().repeat(43);
        let (one, two, three) = (digest('A'), digest('E'), digest('I'));
        let replaced = format!(r#"{{"token":"{one}","nonce":"{two}","at":"{time}"}}"#);
        let family = format!(r#"{{"proof":"{one}","current":"{three}","replaced":[{replaced}]}}"#);
        let client = r#""address":null,"userAgent":"curl/8""#;
        let ids = format!(r#""id":"{id}","user":"{user}","tenant":"{tenant}""#);
        let stored = format!(r#"{{"v":2,"data":{{{ids},{times},{client},"refresh":{family}}}}}"#);
        let login: Login = record::decode(stored.as_bytes()).expect("the record decodes");
        prop_assert_eq!((login.id, login.user, login.tenant, login.used_at), (id, user, tenant, time));
        prop_assert_eq!(login.password_at, created);
        let rewritten = String::from_utf8(record::encode(&login).expect("the record encodes")).expect("it is JSON");
        let superseded = format!(r#"[{{"tokens":["{one}"],"at":"{time}","replays":0,"divided":false}}]"#);
        let expected = format!(r#""current":["{three}"],"superseded":{superseded},"divisions":0"#);
        prop_assert!(rewritten.contains(&expected), "{}", rewritten);
        let expiry = record::decode_projection::<LoginExpiry>(stored.as_bytes()).expect("the record decodes");
        prop_assert_eq!(expiry, login.into());
    }

    #[test]
    fn audit_events_round_trip(
        action in action(), at in time(), user in prop::option::of(id::<UserId>()),
        login in prop::option::of(id::<LoginId>()), access_token in prop::option::of(id::<AccessTokenId>()),
        address in prop::option::of(address()), request_id in "\\PC{0,100}",
    ) {
        let name = action.name();
        let event = Event { action, at, user, login, access_token, address, request_id };
        round_trips(&event)?;
        let json = String::from_utf8(record::encode(&event).expect("the record encodes")).expect("the record is JSON");
        prop_assert!(json.contains(&format!(r#""type":"{name}""#)), "{}", json);
    }

    #[test]
    fn suppressions_round_trip(
        reason in prop::sample::select(vec![Reason::Bounce, Reason::Complaint, Reason::Operator]), at in time(),
    ) {
        round_trips(&Suppression { reason, at })?;
    }

    #[test]
    fn personal_access_tokens_round_trip(
        id in id::<AccessTokenId>(), user in id::<UserId>(), tenant in id::<TenantId>(), name in name(),
        scopes in scopes(), created_at in time(), expires_at in time(), last_used_at in prop::option::of(time()),
        text in "\\PC{0,20}",
    ) {
        round_trips(&TokenRights { user, tenant, scopes: scopes.clone(), expires_at })?;
        let digest = TokenDigest::of(&text);
        let token = AccessToken {
            id, user, tenant, name, scopes, created_at, expires_at, last_used_at, digest,
            newer: NewerMembers::default(),
        };
        round_trips(&token)?;
        prop_assert_eq!(project::<LastUse>(&token), token.into());
    }

    #[test]
    fn exports_with_the_largest_number_of_parts_round_trip(
        step in id(), login in id(), requested_at in time(), expires_at in time(),
        taken_at in prop::option::of(time()), count in prop::sample::select(vec![0, 1, MAX_PARTS]),
        text in "\\PC{0,20}", is_failed: bool,
    ) {
        let part = Part { bytes: MAX_PART_BYTES };
        let step = taken_at.map(|until| Step { id: step, until, parts: vec![part.clone(); 100] });
        round_trips(&Export {
            requested_at, expires_at, login, link: TokenDigest::of(&text), taken_at, rest: None,
            parts: vec![part; count], step, failure: is_failed.then_some(Failure::TooManyParts),
            newer: NewerMembers::default(),
        })?;
    }

    #[test]
    fn own_limits_round_trip(limits in prop::collection::vec(any::<Option<u64>>(), Quota::ALL.len())) {
        let quotas = Quota::ALL.into_iter().zip(limits);
        round_trips(&quotas.fold(OwnLimits::default(), |own, (quota, limit)| own.with(quota, limit)))?;
    }

    #[test]
    fn deletions_round_trip(
        user in id::<UserId>(), requested_at in time(), due_at in time(), expires_at in time(),
        operator in prop::option::of(name()),
    ) {
        let deleted = DeletedAccount { user, requested_at, deleted_at: due_at, operator: operator.clone(), expires_at };
        round_trips(&deleted)?;
        round_trips(&Deletion { user, requested_at, due_at, operator, newer: NewerMembers::default() })?;
    }

    #[test]
    fn uploads_round_trip(
        id in id(), session in id::<SessionId>(), path in "(/[^/\\PC]{1,8}){1,8}", size: u64, part_size: u64,
        digest: [u8; 32], is_expected: bool, created_at in time(), expires_at in time(),
    ) {
        let digest = Digest::from_bytes(digest);
        round_trips(&uploads::Part { digest })?;
        let Ok(path) = FilePath::parse(&path) else { return Ok(()) };
        round_trips(&Upload {
            id, session, path, size, digest: is_expected.then_some(digest), part_size,
            destination: Destination::Store, hashed: None, created_at, expires_at, newer: NewerMembers::default(),
        })?;
    }

    #[test]
    fn contents_round_trip(size: u64) {
        round_trips(&Header { size, object: None })?;
    }

    #[test]
    fn sessions_round_trip(
        id in id::<SessionId>(), tenant in id::<TenantId>(), owner in id::<UserId>(), name in name(),
        workspace_path in path(), created_at in time(), updated_at in time(), version: u64,
    ) {
        let newer = NewerMembers::default();
        round_trips(&Session { id, tenant, owner, name, workspace_path, created_at, updated_at, version, newer })?;
    }

    #[test]
    fn files_round_trip(
        node in node(), modified_at in time(), birth: u64, path in file_path(), from in prop::option::of(file_path()),
        parent in id::<DirectoryId>(), user in id::<UserId>(), access_token in prop::option::of(id::<AccessTokenId>()),
        name in prop::option::of(name()), number: u64, item in id::<TrashItemId>(), tenant in id::<TenantId>(),
        session in id::<SessionId>(), tag in prop::option::of("[0-9a-f]{32}"),
        kind in prop::sample::select(vec![
            ChangeKind::Created, ChangeKind::Changed, ChangeKind::Moved, ChangeKind::Deleted,
        ]),
    ) {
        let newer = NewerMembers::default;
        round_trips(&Entry { node: node.clone(), modified_at, birth, newer: newer() })?;
        round_trips(&Head { epoch: birth, last_snapshot: number, root: parent, trash: number, newer: newer() })?;
        let text = path.name().to_owned();
        for place in [
            Place::Entry { parent, name: text.clone() },
            Place::Trash { generation: number, item },
            Place::Removal {},
            Place::Preparation {},
        ] {
            round_trips(&Location { place, newer: newer() })?;
        }
        round_trips(&StoredItem {
            node, modified_at, path: path.clone(), parent, epoch: birth, deleted_at: modified_at, deleted_by: user,
            newer_entry: None,
        })?;
        round_trips(&Removal { epoch: birth })?;
        for task in [
            Task::Session {},
            Task::ExpiredTrash { generation: number, until: 7 },
            Task::Trash { generation: number },
            Task::Removals {},
            Task::Preparation { directory: parent },
            Task::Snapshot { first: number, last: birth, after: 0, done: None },
            Task::Snapshot { first: number, last: birth, after: 0, done: Some((number, parent, text.clone())) },
        ] {
            round_trips(&Job { tenant, session, task, newer: newer() })?;
        }
        for state in [RestoreState::Preparing, RestoreState::Completed, RestoreState::Failed] {
            let restore = Restore { state, requested_at: modified_at, requested_by: user };
            round_trips(&Snapshot {
                id: Id::from_uuid(item.uuid()), name: name.clone(), created_at: modified_at, created_by: user,
                epoch: birth, root: parent, is_hidden: number % 2 == 0, restore: Some(restore), newer: newer(),
            })?;
        }
        for purpose in [preparations::Purpose::Restore, preparations::Purpose::Copy] {
            let snapshot = Id::from_uuid(item.uuid());
            round_trips(&Preparation { snapshot, purpose, user, access_token, entries: number, newer: newer() })?;
        }
        round_trips(&Pending { source: parent, after: Some(text) })?;
        let tag = tag.map(|tag| EntryTag::parse(&tag).expect("it has 32 digits"));
        round_trips(&Change { kind, path, from, tag, user, access_token, at: modified_at })?;
        round_trips(&Feed { count: number, due: None, newer: newer() })?;
        round_trips(&Feed { count: number, due: Some(modified_at), newer: newer() })?;
    }

    #[test]
    fn keys_of_two_users_never_overlap(
        one in id::<UserId>(), other in id::<UserId>(), tenant in id::<TenantId>(), login in id::<LoginId>(),
        token in id::<AccessTokenId>(), email in email(),
    ) {
        prop_assume!(one != other);
        let all = |user| [
            domain::users::keys::user(user),
            domain::tenants::keys::membership(user, tenant),
            domain::logins::keys::login(user, login),
            domain::users::profile::keys::profile(user),
            domain::access_tokens::keys::token(user, token),
            domain::deletion::keys::deletion(user),
            domain::exports::keys::export(user),
            domain::exports::keys::chunk(user, Timestamp::from_millis(1), 3, 7),
        ];
        let index = domain::users::keys::by_email(&email);
        for (key, foreign) in all(one).iter().zip(all(other).iter()) {
            prop_assert_ne!(key, foreign);
            prop_assert!(!Range::below(&all(one)[0]).contains(foreign));
            prop_assert!(!Range::below(&all(one)[0]).contains(&index));
            prop_assert!(key.as_bytes().len() + Key::of(&("v5",)).as_bytes().len() <= kv::MAX_KEY_LEN);
        }
        prop_assert!(Range::below(&all(one)[0]).contains(&all(one)[1]));
    }
}
