//! An organisation for operations on it: beside its creator it has a second owner, so that the creator can leave, and a
//! viewer, on whom others act. Their accounts exist only in the store, because registrations are throttled.

use std::time::Duration;

use domain::expiry::{self, ExpiryChange};
use domain::invitations::{Invitation, InvitationTarget, InvitationToken, keys};
use domain::page::CursorKey;
use domain::record::{self, NewerMembers};
use domain::tenants::{self, Kind, Membership, Tenant};
use domain::users::{self, Email, User};
use domain::{Clock as _, Error, InvitationId, Rng as _, Role, SystemClock, SystemRng, TenantId, Timestamp, UserId};
use kv::{Db, Key, Txn};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use testkit::Target;

/// Creates an organisation of the user with this token. Returns its id and that of the viewer, with a space between
/// them.
pub async fn organization(target: &impl Target, db: &Db, token: &str) -> String {
    let body = json!({ "name": "marked" });
    let creation = target.post("/v5/organizations").bearer(token).json(&body);
    let created = creation.send().await.created();
    let id = created["id"].as_str().and_then(TenantId::parse).unwrap();
    add_account(db, id, Role::Owner).await;
    let viewer = add_account(db, id, Role::Viewer).await;
    format!("{id} {viewer}")
}

async fn add_account(db: &Db, organization: TenantId, role: Role) -> UserId {
    let digest = Sha256::digest(format!("{organization} {role}"));
    let id = UserId::from_slice(&digest[..16]).unwrap();
    let account = &User {
        id,
        email: Email::parse(&format!("{id}@example.com")).unwrap(),
        email_verified_at: None,
        past_emails: Vec::new(),
        password_hash: serde_json::from_str(r#""none""#).unwrap(),
        first_name: None,
        last_name: None,
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(0),
        newer: NewerMembers::default(),
    };
    let tenant = &Tenant::own(account, None, CursorKey::draw(&SystemRng));
    let own = &Membership::founder(account, tenant, None);
    let membership = &Membership {
        tenant: organization,
        role,
        ..own.clone()
    };
    let adding = db.run(|txn| async move {
        users::store::insert(&txn, account, None)?;
        tenants::store::create(&txn, account, tenant, own)?;
        join(&txn, membership)
    });
    adding.await.unwrap();
    id
}

/// Writes a membership of an organisation, and what is counted and listed because of it.
pub fn join(txn: &Txn, membership: &Membership) -> Result<(), Error> {
    let (tenant, user) = (membership.tenant.uuid(), membership.user.uuid());
    txn.set(&Key::of(&("tenants", tenant, "members", user)), [])?;
    txn.add(&Key::of(&("tenants", tenant, "usage", "members")), 1)?;
    if membership.role == Role::Owner {
        let own = TenantId::own(membership.user).uuid();
        txn.set(&Key::of(&("tenants", tenant, "owners", user)), [])?;
        txn.add(&Key::of(&("tenants", own, "usage", "organizations")), 1)?;
    }
    tenants::store::put_membership(txn, membership)
}

/// Creates an organisation of the user with this token, and a pending invitation to it. Returns their ids, with a space
/// between them.
pub async fn organization_with_invitation(target: &impl Target, db: &Db, token: &str) -> String {
    let ids = organization(target, db, token).await;
    let (organization, viewer) = ids.split_once(' ').unwrap();
    let (organization, viewer) = (TenantId::parse(organization).unwrap(), UserId::parse(viewer).unwrap());
    let (invitation, _) = invite(db, organization, viewer, &format!("guest-{organization}@example.com")).await;
    format!("{organization} {invitation}")
}

/// The token of a new invitation of this address, to an organisation that another user owns.
pub async fn invitation_token(db: &Db, email: &str) -> String {
    let tenant = &Tenant {
        id: TenantId::from_slice(&random()[..16]).unwrap(),
        name: "marked".to_owned(),
        kind: Kind::Organization,
        cursor_key: CursorKey::draw(&SystemRng),
        newer: NewerMembers::default(),
    };
    let adding = db.run(|txn| async move {
        txn.set(&Key::of(&("tenants", tenant.id.uuid())), record::encode(tenant)?)?;
        Ok::<_, Error>(())
    });
    adding.await.unwrap();
    let owner = add_account(db, tenant.id, Role::Owner).await;
    invite(db, tenant.id, owner, email).await.1
}

/// Adds an invitation as a viewer. Returns its id, and its token.
pub async fn invite(db: &Db, organization: TenantId, inviter: UserId, email: &str) -> (InvitationId, String) {
    let secret = random();
    // 42 characters of base64url that are random, and a last one.
    let [first, second] = [&secret[..16], &secret[16..]].map(|half| u128::from_be_bytes(half.try_into().unwrap()));
    let token = format!("coditect_inv_{first:032x}{:010x}A", second >> 88);
    let now = SystemClock.now();
    let invitation = &Invitation {
        id: InvitationId::from_slice(&secret[..16]).unwrap(),
        email: Email::parse(email).unwrap(),
        role: Role::Viewer,
        invited_by: inviter,
        created_at: now,
        // Longer than any test moves its clock.
        expires_at: now.plus(Duration::from_hours(24 * 365)),
        digest: InvitationToken::parse(&token).unwrap().digest(),
    };
    let target = &InvitationTarget {
        tenant: organization,
        invitation: invitation.id,
        expires_at: invitation.expires_at,
        accepted_by: None,
        newer: NewerMembers::default(),
    };
    let adding = db.run(|txn| async move {
        let listed = Key::of(&("tenants", organization.uuid(), "invitations", invitation.id.uuid()));
        let found = keys::target(&invitation.digest);
        txn.set(&listed, record::encode(invitation)?)?;
        txn.set(&found, record::encode(target)?)?;
        for key in [listed, found] {
            let to = invitation.expires_at;
            expiry::update(&txn, &key, ExpiryChange { from: None, to })?;
        }
        Ok::<_, Error>(())
    });
    adding.await.unwrap();
    (invitation.id, token)
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    SystemRng.fill(&mut bytes);
    bytes
}

/// Verifies the email of an account.
pub async fn verify(db: &Db, id: UserId) {
    let verifying = db.run(|txn| async move {
        let user = users::store::find(&txn, id).await?.unwrap();
        let memberships = tenants::store::memberships(&txn, id).await?;
        let at = Some(user.created_at);
        tenants::store::set_email_verified(&txn, &memberships, at)?;
        users::store::put(
            &txn,
            &User {
                email_verified_at: at,
                ..user
            },
        )
    });
    verifying.await.unwrap();
}
