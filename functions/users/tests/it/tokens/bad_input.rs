//! Requests and tokens that are rejected.

use std::time::Duration;

use domain::access_tokens::MAX_LIFETIME;
use serde_json::{Value, json};
use testkit::{Code, Target as _};

use super::{TOKENS, create_token, sessions, text};
use crate::start;

#[tokio::test]
async fn bad_values_are_named() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let now = app.env.clock.now();
    let before = app.all_entries().await;
    let too_late = now.plus(MAX_LIFETIME + Duration::from_millis(1)).to_string();
    let many = vec!["sessions:read"; 101];
    for (changed, value, pointers) in [
        ("name", json!(null), &["/name"][..]),
        ("name", json!(""), &["/name"]),
        ("name", json!("a\u{0}b"), &["/name"]),
        ("name", json!("a\nb"), &["/name"]),
        ("name", json!("a\u{202e}b"), &["/name"]),
        ("name", json!("\u{200b}"), &["/name"]),
        ("name", json!("x".repeat(201)), &["/name"]),
        ("name", json!(7), &["/name"]),
        ("scopes", json!(null), &["/scopes"]),
        ("scopes", json!([]), &["/scopes"]),
        ("scopes", json!("sessions:read"), &["/scopes"]),
        ("scopes", json!(["sessions:read", "sessions:delete"]), &["/scopes/1"]),
        ("scopes", json!(["Sessions:Read"]), &["/scopes/0"]),
        ("scopes", json!(["*"]), &["/scopes/0"]),
        ("scopes", json!([["sessions:read"]]), &["/scopes/0"]),
        ("scopes", json!(many), &["/scopes"]),
        ("tenantId", json!("mine"), &["/tenantId"]),
        ("tenantId", json!(7), &["/tenantId"]),
        ("expiresAt", json!(now), &["/expiresAt"]),
        ("expiresAt", json!("1970-01-01T00:00:00Z"), &["/expiresAt"]),
        ("expiresAt", json!(too_late), &["/expiresAt"]),
        ("expiresAt", json!("9999-12-31T23:59:59.999Z"), &["/expiresAt"]),
        ("expiresAt", json!("2027-01-31"), &["/expiresAt"]),
        ("expiresAt", json!("soon"), &["/expiresAt"]),
        ("expiresAt", json!(1_900_000_000), &["/expiresAt"]),
    ] {
        let mut draft = json!({ "name": "CI", "scopes": ["sessions:read"] });
        draft[changed] = value;
        let response = app.post(TOKENS).by(&alice).json(&draft).send().await;
        let problem = response.assert_invalid(pointers);
        assert!(!problem.to_string().contains("delete"), "{problem}");
    }
    let problem = app.post(TOKENS).by(&alice).json(&json!({})).send().await;
    problem.assert_invalid(&["/name", "/scopes"]);
    assert!(app.all_entries().await == before);
}

#[tokio::test]
async fn a_foreign_tenant_is_indistinguishable_from_an_unknown_one() {
    let app = start();
    let (alice, bob) = (
        app.register("alice@example.com").await,
        app.register("bob@example.com").await,
    );
    let before = app.all_entries().await;
    let mut problems = Vec::new();
    for tenant in [
        bob.signed_in.tenant.id.to_string(),
        "0190d0a0-7c3e-7a11-8f3e-0123456789ab".to_owned(),
    ] {
        let draft = json!({ "name": "CI", "scopes": ["sessions:read"], "tenantId": tenant });
        let response = app.post(TOKENS).by(&alice).json(&draft).send().await;
        let mut problem = response.assert_problem(404, Code::NotFound);
        problem["requestId"] = Value::Null;
        problems.push(problem);
    }
    assert_eq!(problems[0], problems[1]);
    assert!(app.all_entries().await == before);
}

#[tokio::test]
async fn a_malformed_token_is_rejected_without_the_store() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let created = create_token(&app, &alice, &["sessions:read"]).await;
    let token = text(&created["token"]);
    let swapped = format!("{}{}{}", &token[..13 + 22], &token[13 + 44..], &token[13 + 22..13 + 44]);
    let before = app.env.db.usage();
    for malformed in [
        &token[..token.len() - 1],
        &token[..20],
        "coditect_pat_",
        &format!("{token}0"),
        &format!("{}000000", &token[..token.len() - 6]),
        &token.replacen("coditect_pat_0", "coditect_pat_1", 1),
        &swapped,
        &token.to_uppercase().replacen("CODITECT_PAT_", "coditect_pat_", 1),
    ] {
        let response = sessions(&app, &json!(malformed)).await;
        assert_eq!(app.log_line(&response)["user_id"], Value::Null);
        response.assert_problem(401, Code::InvalidToken);
    }
    assert_eq!(app.env.db.usage(), before);
    sessions(&app, &created["token"]).await.ok();
}
