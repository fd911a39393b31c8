//! What a removal finds although nothing leads to it directly, and what it goes on without.

use domain::MailId;
use domain::mail::Failure;
use domain::mail::ops::{Delivered, deliver};
use domain::operator::mails;
use domain::suppressions::Reason;
use kv::faulty::{Latency, Plan};
use kv::{Key, Range};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use testkit::{Target as _, TestApp};

use super::{
    ALICE, DAY, Duration, Email, UserId, UserName, assert_no_trace, assert_only_the_record_for_operators, check,
    delete_now, deletion, live, marks_of, operator, sweep, swept, traces,
};
use crate::{create, start};

/// Nobody accepts emails.
async fn fail_all_emails(app: &TestApp) -> Delivered {
    let mut delivered = Delivered::default();
    let refuse = |_| async { Err(Failure::Permanent("no such mailbox".to_owned())) };
    deliver(&app.env, &mut delivered, refuse).await.unwrap();
    delivered
}

#[tokio::test]
async fn emails_to_an_address_that_never_became_the_accounts_are_removed_with_it() {
    let app = start();
    let alice = app.register(ALICE).await;
    let [failed, waiting] = ["dodo@example.com", "duchess@example.com"];
    for email in [failed, waiting, "hatter@example.com"] {
        let body = json!({ "email": email, "password": "password123" });
        let change = app.post("/v5/users/me/email").by(&alice).json(&body);
        change.send().await.accepted();
        if email == failed {
            fail_all_emails(&app).await;
        }
    }
    let marks = [failed, waiting].map(|email| email.as_bytes().to_vec());
    assert_eq!(traces(&app, &marks[..1]).await.len(), 1, "a dead letter");
    assert_eq!(traces(&app, &marks[1..]).await.len(), 1, "an email that waits");
    delete_now(&app, alice.signed_in.user.id).await;
    assert_eq!(traces(&app, &marks).await, []);
}

#[tokio::test]
async fn the_suppression_of_the_address_is_the_only_exception() {
    let app = start();
    let (alice, marks) = live(&app).await;
    let user = alice.signed_in.user.id;
    // Her last address.
    let email = Email::parse("duchess@example.com").unwrap();
    let suppressed = mails::suppress(&app.env, &operator(&app), &email, Reason::Operator).await;
    assert!(suppressed.unwrap().1);
    delete_now(&app, user).await;
    let suppression = Key::of(&("suppressions", &Sha256::digest(email.as_str())[..]));
    let (suppressions, others): (Vec<_>, Vec<_>) = traces(&app, &marks)
        .await
        .into_iter()
        .partition(|entry| entry.key == suppression);
    assert_eq!(suppressions.len(), 1);
    assert_only_the_record_for_operators(others, user);
}

/// Writes these entries.
async fn put(app: &TestApp, entries: &[(Key, Vec<u8>)]) {
    for some in entries.chunks(500) {
        let put = app.env.db.run(|txn| async move {
            let mut some = some.iter();
            some.try_for_each(|(key, value)| txn.set(key, value.as_slice()))
        });
        put.await.unwrap();
    }
}

/// The first entry below this key.
async fn first_below(app: &TestApp, key: &Key) -> (Key, Vec<u8>) {
    let entries = app.all_entries().await.into_iter();
    let mut below = entries.filter(|entry| Range::below(key).contains(&entry.key));
    let found = below.next().unwrap_or_else(|| panic!("nothing is below {key:?}"));
    (found.key, found.value)
}

#[tokio::test]
async fn records_that_cannot_be_decoded_are_reported_once_and_stop_nothing() {
    let app = start();
    let (alice, marks) = live(&app).await;
    create(&app, &alice, "the last", Some("last")).await.created();
    let user = alice.signed_in.user.id;
    let name = UserName::Id(user);
    deletion::delete(&app.env, &operator(&app), &name).await.unwrap();
    let own = alice.signed_in.tenant.id.uuid();
    let mut junk = Vec::new();
    for prefix in [
        Key::of(&("tenants", own, "audit")),
        Key::of(&("tenants", own, "idempotency")),
        Key::of(&("throttles", "account")),
    ] {
        junk.push((first_below(&app, &prefix).await.0, b"junk".to_vec()));
    }
    let of_another = Key::of(&("idempotency", "register", &b"of another account"[..]));
    junk.push((of_another.clone(), b"junk".to_vec()));
    put(&app, &junk).await;
    let error = sweep(&app.env, Duration::MAX).await.unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
    swept(&app).await;
    assert_eq!(first_below(&app, &Key::of(&("idempotency",))).await.0, of_another);
    // The entries of the expiry index that these records named end at their time.
    let index = Key::of(&("expiry",));
    let left = traces(&app, &marks).await.into_iter();
    let (index, others): (Vec<_>, Vec<_>) = left.partition(|entry| Range::below(&index).contains(&entry.key));
    assert_eq!(index.len(), 3, "{index:#?}");
    let keys: Vec<_> = others.into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, [domain::deletion::keys::done(user)]);
    app.clock.advance(2 * DAY);
    swept(&app).await;
    let ids = [user.uuid(), own].map(|id| id.as_bytes().to_vec());
    assert_no_trace(&app, &ids, user).await;
}

/// The id of an email in the first shard of the outbox.
fn id(number: usize) -> MailId {
    MailId::parse(&format!("00000000-0000-0000-0000-{:012x}", 8 * number)).unwrap()
}

#[tokio::test]
async fn what_is_behind_a_thousand_records_of_others_is_found() {
    let app = start();
    let alice = app.register(ALICE).await;
    let user = alice.signed_in.user.id;
    // Two emails to Alice: one waits, and one is a dead letter.
    let (_, mail) = first_below(&app, &Key::of(&("outbox",))).await;
    let mail = String::from_utf8(mail).unwrap();
    let own = |mail: &str| mail.contains(&user.to_string());
    assert!(own(&mail));
    fail_all_emails(&app).await;
    let (_, letter) = first_below(&app, &Key::of(&("dead_letters",))).await;
    let letter = String::from_utf8(letter).unwrap();
    assert!(own(&letter));
    let other: UserId = app.env.ids.next();
    let of_other = |record: &str| {
        let record = record.replace(&user.to_string(), &other.to_string());
        record.replace(ALICE, "bob@example.com").into_bytes()
    };
    let outbox = |number: usize| Key::of(&("outbox", 0, 1, id(number).uuid()));
    let letters = |number: usize| Key::of(&("dead_letters", id(number).uuid()));
    let mut entries: Vec<_> = (1..=2300)
        .flat_map(|number| [(outbox(number), of_other(&mail)), (letters(number), of_other(&letter))])
        .collect();
    for number in [2301, 2302] {
        entries.extend([
            (outbox(number), mail.clone().into()),
            (letters(number), letter.clone().into()),
        ]);
    }
    put(&app, &entries).await;
    let name = UserName::Id(user);
    deletion::delete(&app.env, &operator(&app), &name).await.unwrap();
    // A sweep that begins each range again would never end.
    let swept = sweep(&app.env, Duration::from_secs(120)).await.unwrap();
    assert!(!swept.cut_short);
    assert_only_the_record_for_operators(traces(&app, &marks_of(&alice)).await, user);
    let others = traces(&app, &[other.to_string().into_bytes()]).await;
    assert_eq!(others.len(), 4600);
}

#[tokio::test]
async fn more_counters_than_one_transaction_removes_are_removed() {
    for count in [99, 100, 250] {
        let app = start();
        let alice = app.register(ALICE).await;
        let digest = &Sha256::digest(ALICE)[..];
        let pairs = Key::of(&("throttles", "pair", digest));
        let (_, counter) = first_below(&app, &pairs).await;
        let with_kind = &Sha256::digest(format!("{ALICE}\npassword.changed"))[..];
        let of_kind = Key::of(&("recipients", with_kind, 2));
        let of_an_earlier_version = (0..2).map(|day| Key::of(&("recipients", digest, day)));
        let days = of_an_earlier_version
            .chain([of_kind])
            .map(|key| (key, 1_i64.to_le_bytes().to_vec()));
        let counters = (0..count).map(|number| (pairs.child(&(format!("network {number}"),)), counter.clone()));
        let entries: Vec<_> = counters.chain(days).collect();
        put(&app, &entries).await;
        delete_now(&app, alice.signed_in.user.id).await;
        assert_no_trace(&app, &marks_of(&alice), alice.signed_in.user.id).await;
    }
}

/// How far the removal of this user's data is; `None` if nothing is left.
async fn progress(app: &TestApp, user: UserId) -> Option<Vec<u8>> {
    let key = &domain::deletion::keys::removal(user);
    let value = app.env.db.run(|txn| async move { txn.get(key).await });
    value.await.unwrap()
}

#[tokio::test]
async fn a_removal_that_is_abandoned_after_each_step_removes_everything() {
    let app = start();
    let (alice, marks) = live(&app).await;
    let user = alice.signed_in.user.id;
    let name = UserName::Id(user);
    deletion::delete(&app.env, &operator(&app), &name).await.unwrap();
    // Each trip to the store takes a moment, in which the test can look.
    let plan = Plan {
        latency: Latency::of(Duration::from_micros(1)),
        ..Plan::default()
    };
    let env = domain::Env {
        db: app.env.db.with_faults(plan),
        ..app.env.clone()
    };
    let mut abandoned = 0;
    while let Some(before) = progress(&app, user).await {
        let sweeping = tokio::spawn({
            let env = env.clone();
            async move { sweep(&env, Duration::MAX).await.unwrap() }
        });
        while progress(&app, user).await.as_ref() == Some(&before) {
            tokio::task::yield_now().await;
        }
        sweeping.abort();
        abandoned += 1;
    }
    assert!(abandoned > 9, "a removal has nine steps: {abandoned}");
    assert_no_trace(&app, &marks, user).await;
    assert_eq!(check(&app).await, Vec::<String>::new());
}
