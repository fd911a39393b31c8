//! Tests of the things function, over its real router on a real store.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod front_doors;
mod list;

use domain::text::Name;
use domain::things::{Thing, store};
use domain::{Permission, ThingId};
use testkit::{Actor, TestApp};

/// Stores a thing, and returns its id.
async fn create(app: &TestApp, actor: &Actor, name: &str) -> String {
    let caller = actor.caller();
    let thing = &Thing {
        id: app.env.ids.next::<ThingId>(),
        tenant: caller.tenant(),
        name: Name::parse(name).unwrap(),
        created_at: app.env.clock.now(),
    };
    let stored = app
        .env
        .in_tenant(&caller, Permission::ReadThings, |txn, scope| async move {
            store::insert(&txn, scope, thing)
        });
    stored.await.unwrap();
    thing.id.to_string()
}
