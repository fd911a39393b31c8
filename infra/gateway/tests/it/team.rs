//! An organisation for operations on it: beside its creator it has a second owner, so that the creator can leave, and a
//! viewer, on whom others act. Their accounts exist only in the store, because registrations are throttled.

use domain::page::CursorKey;
use domain::tenants::{self, Membership, Tenant};
use domain::users::{self, Email, User};
use domain::{Error, Role, SystemRng, TenantId, Timestamp, UserId};
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
        newer: domain::record::NewerMembers::default(),
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
