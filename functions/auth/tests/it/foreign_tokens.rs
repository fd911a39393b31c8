//! A mail token works for its purpose and its user only.

use std::collections::BTreeMap;

use serde_json::json;
use testkit::{Code, Target as _, TestApp, TestResponse};

use crate::email_change::{changed, register_verified, requested};
use crate::start;

/// What uses a token, and the type of the email with its token.
const USES: [(&str, &str); 4] = [
    ("/v5/auth/email/verify", "email.verification"),
    ("/v5/auth/recovery/complete", "password.recovery"),
    ("/v5/auth/email/confirm", "email.change"),
    ("/v5/auth/email/undo", "email.changed"),
];

/// Live tokens by the types of their emails.
type Tokens = BTreeMap<&'static str, String>;

async fn try_token(app: &TestApp, path: &str, token: &str) -> TestResponse {
    let body = if path.ends_with("complete") {
        json!({ "token": token, "password": "another password" })
    } else {
        json!({ "token": token })
    };
    app.post(path).json(&body).send().await
}

/// The tokens of a new account: of one whose address was never verified, or of one whose address was changed. No
/// account has all kinds at once.
async fn tokens(app: &TestApp, name: &str, is_changed: bool) -> Tokens {
    let email = |host: &str| format!("{name}@{host}.example.com");
    let (first, second, third) = (email("first"), email("second"), email("third"));
    let mut tokens = Tokens::new();
    let (actor, current) = if is_changed {
        let actor = register_verified(app, &first).await;
        tokens.insert("email.changed", changed(app, &actor, &first, &second).await);
        (actor, second)
    } else {
        let actor = app.register(&first).await;
        tokens.insert("email.verification", app.mail_token(&first, "email.verification").await);
        (actor, first)
    };
    tokens.insert("email.change", requested(app, &actor, &third).await);
    let recovery = json!({ "email": current });
    app.post("/v5/auth/recovery").json(&recovery).send().await.accepted();
    tokens.insert("password.recovery", app.mail_token(&current, "password.recovery").await);
    tokens
}

#[tokio::test]
async fn a_token_works_for_its_purpose_only() {
    for is_changed in [false, true] {
        for (path, kind) in USES {
            let app = start();
            let tokens = tokens(&app, "alice", is_changed).await;
            let before = app.all_entries().await;
            for (_, token) in tokens.iter().filter(|(other, _)| **other != kind) {
                let response = try_token(&app, path, token).await;
                response.assert_problem(404, Code::NotFound);
            }
            assert!(app.all_entries().await == before, "a rejected token has no effect");
            // The right one was valid all the time.
            if let Some(token) = tokens.get(kind) {
                try_token(&app, path, token).await.ok();
            }
        }
    }
}

/// A token with the user of one, and the secret of another one.
///
/// After the 12 characters of the prefix follow 128 bits of the id and 256 of the secret in base64url, so the 22nd
/// character has two bits of the id and four of the secret.
fn spliced(user: &str, secret: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const MIXED: usize = 12 + 21;
    let bits = |token: &str| {
        let character = token.as_bytes()[MIXED];
        ALPHABET.iter().position(|other| *other == character).unwrap()
    };
    let mixed = char::from(ALPHABET[bits(user) & 0b11_0000 | bits(secret) & 0b00_1111]);
    format!("{}{mixed}{}", &user[..MIXED], &secret[MIXED + 1..])
}

#[tokio::test]
async fn a_token_works_for_its_user_only() {
    for is_changed in [false, true] {
        for (path, kind) in USES {
            let app = start();
            let [alice, bob] = [
                tokens(&app, "alice", is_changed).await,
                tokens(&app, "bob", is_changed).await,
            ];
            let (Some(alice), Some(bob)) = (alice.get(kind), bob.get(kind)) else {
                continue;
            };
            assert_eq!(&spliced(alice, alice), alice);
            let before = app.all_entries().await;
            for token in [spliced(alice, bob), spliced(bob, alice)] {
                let response = try_token(&app, path, &token).await;
                response.assert_problem(404, Code::NotFound);
            }
            assert!(app.all_entries().await == before, "a rejected token has no effect");
            for token in [alice, bob] {
                try_token(&app, path, token).await.ok();
            }
        }
    }
}
