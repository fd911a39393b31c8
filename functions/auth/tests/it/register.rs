use serde_json::{Value, json};
use testkit::{Code, Target as _, TestApp, TestResponse};

use crate::{start, strict};

fn body(email: &str) -> Value {
    json!({ "email": email, "password": "password123", "firstName": "Test", "lastName": "User" })
}

#[tokio::test]
async fn registering_creates_an_account_with_its_own_tenant() {
    let app = start();
    let mut data = app
        .post("/api/v5/auth/register")
        .json(&body("Test@Example.com "))
        .send()
        .await
        .created();
    assert_eq!(data["token"].as_str().unwrap().split('.').count(), 3);
    data["token"] = "…".into();
    assert!(data["refreshToken"].as_str().unwrap().starts_with("coditect_rt_"));
    data["refreshToken"] = "…".into();
    assert!(data["deviceToken"].as_str().unwrap().starts_with("coditect_dt_"));
    data["deviceToken"] = "…".into();
    for id in ["/user/id", "/tenant/id"] {
        let id = data.pointer_mut(id).unwrap();
        assert_eq!(id.as_str().unwrap().len(), 36);
        *id = "…".into();
    }
    assert_eq!(
        data,
        json!({
            "token": "…",
            "tokenType": "Bearer",
            "expiresIn": 86_400,
            "expiresAt": "2026-01-02T00:00:00.000Z",
            "refreshToken": "…",
            "deviceToken": "…",
            "user": {
                "id": "…",
                "email": "test@example.com",
                "emailVerified": false,
                "firstName": "Test",
                "lastName": "User",
                "createdAt": "2026-01-01T00:00:00.000Z",
            },
            "tenant": { "id": "…", "name": "Test User", "type": "self", "role": "owner" },
        })
    );
}

#[tokio::test]
async fn a_tenant_is_named_after_company_name_or_email() {
    let app = start();
    for (email, extra, name) in [
        ("a@example.com", json!({}), "a@example.com"),
        ("b@example.com", json!({ "firstName": "Ada", "lastName": " " }), "Ada"),
        (
            "c@example.com",
            json!({ "firstName": "Ada", "company": "Engines Ltd" }),
            "Engines Ltd",
        ),
        (
            "d@example.com",
            json!({ "firstName": null, "lastName": "King" }),
            "King",
        ),
    ] {
        let mut body = json!({ "email": email, "password": "password123" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        assert_eq!(
            app.post("/v5/auth/register").json(&body).send().await.created()["tenant"]["name"],
            name
        );
    }
}

#[tokio::test]
async fn a_registered_email_is_taken_in_any_spelling() {
    let app = start();
    app.post("/v5/auth/register")
        .json(&body("test@example.com"))
        .send()
        .await
        .created();
    let problem = app
        .post("/v5/auth/register")
        .json(&body(" TEST@example.COM"))
        .send()
        .await;
    let problem = problem.assert_problem(409, Code::EmailTaken);
    assert_eq!(problem["type"], "https://api.coditect.ai/problems/email-taken");
    assert_eq!(problem["title"], "Email already registered");
    assert_eq!(problem["detail"], "An account with this email exists.");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_concurrent_registrations_of_one_email_exactly_one_succeeds() {
    let app = std::sync::Arc::new(start());
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let app = app.clone();
        requests.spawn(async move {
            let response = app
                .post("/v5/auth/register")
                .json(&body("test@example.com"))
                .send()
                .await;
            match response.status.as_u16() {
                201 => Some(response.created()),
                // More than the account's share of the hashing queue.
                429 => {
                    response.assert_problem(429, Code::TooManyAttempts);
                    None
                }
                _ => {
                    response.assert_problem(409, Code::EmailTaken);
                    None
                }
            }
        });
    }
    let created: Vec<Value> = requests.join_all().await.into_iter().flatten().collect();
    assert_eq!(created.len(), 1);

    let keys = all_keys(&app).await;
    let count = |prefix: &[&str], len: usize| {
        let starts = |key: &&kv::Key| {
            let key = format!("{key:?}");
            prefix.iter().all(|part| key.contains(part))
        };
        assert_eq!(keys.iter().filter(starts).count(), len, "{prefix:?} in {keys:#?}");
    };
    assert_eq!(
        keys.len(),
        8,
        "user, email index, membership, login, mail token, tenant, audit event and its counter: {keys:#?}"
    );
    count(&["by_email"], 1);
    count(&["users", "tenants"], 1);
    count(&["users", "logins"], 1);
    let tenant = created[0]["tenant"]["id"].as_str().unwrap();
    count(&["tenants", tenant], 4);
    count(&["tenants", tenant, "\"audit\""], 1);
    count(&["tenants", tenant, "auditEvents"], 1);
}

async fn all_keys(app: &TestApp) -> Vec<kv::Key> {
    let keys = app.env.db.run(|txn| async move {
        let mut keys = Vec::new();
        for top in ["users", "tenants", "sessions"] {
            let range = kv::Range::below(&kv::Key::of(&(top,)));
            let query = kv::Query {
                range,
                order: kv::Order::Ascending,
                limit: 1000,
            };
            keys.extend(txn.range(&query).await?.entries.into_iter().map(|entry| entry.key));
        }
        Ok::<_, kv::Error>(keys)
    });
    keys.await.unwrap()
}

#[tokio::test]
async fn all_invalid_members_are_reported_at_once() {
    let app = start();
    let send = |body: Value| app.post("/v5/auth/register").json(&body).send();
    send(json!({})).await.assert_invalid(&["/email", "/password"]);
    send(json!({ "email": 5, "password": ["x"], "firstName": {}, "company": "x".repeat(201) }))
        .await
        .assert_invalid(&["/email", "/firstName", "/company", "/password"]);
    send(json!({ "email": "nobody", "password": "short", "lastName": "a\u{7}b" }))
        .await
        .assert_invalid(&["/email", "/lastName", "/password"]);
    send(json!({ "email": null, "password": "password123" }))
        .await
        .assert_invalid(&["/email"]);
}

#[tokio::test]
async fn undocumented_members_are_ignored() {
    let mut body = body("test@example.com");
    body["nickname"] = json!({ "any": ["thing"] });
    start().post("/v5/auth/register").json(&body).send().await.created();
}

#[tokio::test]
async fn a_password_may_have_any_characters_and_is_never_trimmed() {
    let app = start();
    let password = "  пароль🔑 pässword ";
    let body = json!({ "email": "test@example.com", "password": password });
    app.post("/v5/auth/register").json(&body).send().await.created();
    app.post("/v5/auth/login").json(&body).send().await.ok();
    let trimmed = json!({ "email": "test@example.com", "password": password.trim() });
    app.post("/v5/auth/login")
        .json(&trimmed)
        .send()
        .await
        .assert_problem(401, Code::InvalidCredentials);
}

/// The violations of the password, which must be the only invalid member.
#[track_caller]
fn violations(response: TestResponse) -> Vec<String> {
    let problem = response.assert_problem(422, Code::ValidationFailed);
    let errors = problem["errors"].as_array().unwrap().iter();
    errors
        .map(|error| {
            assert_eq!(error["pointer"], "/password", "{problem}");
            error["message"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn the_basic_policy_requires_eight_characters_of_any_kind() {
    let app = start();
    let send = |password: &str| {
        let body = json!({ "email": "test@example.com", "password": password });
        app.post("/v5/auth/register").json(&body).send()
    };
    assert_eq!(violations(send("passwor").await), ["must have at least 8 characters"]);
    // 14 bytes and seven characters.
    assert_eq!(violations(send("ääääööö").await), ["must have at least 8 characters"]);
    assert_eq!(
        violations(send(&"x".repeat(1025)).await),
        ["must have at most 1024 bytes"]
    );
    send("aaaaaaaa").await.created();
}

#[tokio::test]
async fn the_strict_policy_reports_every_violated_rule() {
    let app = strict();
    let send = |password: &str| {
        let body = json!({
            "email": "ada.king@engines.example",
            "password": password,
            "firstName": "Ada",
            "lastName": "Byronesque",
            "company": "Difference Ltd",
        });
        app.post("/v5/auth/register").json(&body).send()
    };
    let length = "must have at least 15 characters";
    let common = "must not be a common password or phrase, or one with a few digits or signs added";
    let pattern = "must not be mostly repetition, or rows of letters, digits or keys";
    let personal =
        "must not be your email address, a name or company of yours or this service's name, with little added";
    assert_eq!(violations(send("12345678").await), [length, common, pattern]);
    assert_eq!(violations(send("Password1234567").await), [common]);
    assert_eq!(violations(send("abcabcabcabcabc").await), [pattern]);
    for password in [
        "Byronesque-2026",
        "engines.difference",
        "ada.king@engines.example",
        "coditectcoditectCODITECT1",
    ] {
        assert_eq!(violations(send(password).await), [personal], "{password}");
    }
    send("correct horse battery velvet").await.created();
    assert_eq!(violations(send("correcthorsebatterystaple").await), [common]);
}

#[tokio::test]
async fn an_invalid_request_is_checked_for_the_length_of_the_password_only() {
    let app = strict();
    let send = |body: Value| app.post("/v5/auth/register").json(&body).send();
    let body = json!({ "email": "nobody", "password": "Byronesque-2026", "firstName": 5, "lastName": "Byronesque" });
    send(body).await.assert_invalid(&["/email", "/firstName"]);
    let body = json!({ "email": "nobody", "password": "passwordpassword" });
    send(body).await.assert_invalid(&["/email"]);
    let body = json!({ "email": "nobody", "password": "short", "company": "\u{200b}" });
    send(body).await.assert_invalid(&["/email", "/company", "/password"]);
    let body = json!({ "email": "test@example.com", "password": "passwordpassword", "transport": "header" });
    send(body).await.assert_invalid(&["/transport"]);
    let body = json!({ "email": "test@example.com", "password": "passwordpassword", "transport": "cookie" });
    send(body).await.assert_problem(403, Code::OriginNotAllowed);
    // Only what makes these requests invalid keeps the password from being checked.
    let body = json!({ "email": "test@example.com", "password": "passwordpassword" });
    send(body).await.assert_invalid(&["/password"]);
}

#[tokio::test]
async fn one_mailbox_has_one_account_in_whatever_spelling() {
    let app = start();
    let send = |email: &str| app.post("/v5/auth/register").json(&body(email)).send();
    send("\"x\"@example.com").await.created();
    send("x@example.com").await.assert_problem(409, Code::EmailTaken);
    let registered = send("x@bücher.example").await.created();
    assert_eq!(registered["user"]["email"], "x@xn--bcher-kva.example");
    send("x@XN--BCHER-KVA.example")
        .await
        .assert_problem(409, Code::EmailTaken);
}
