//! Signing keys, the published key set, and the keys that processes need.

use std::process::Command;

use jwt::{Secret, SigningKey, VerifyingKey, forged};
use serde_json::{Value, json};
use testkit::{Code, Process, Target, TestApp, TestStore};

use crate::start;

const JWKS: &str = "/v5/.well-known/jwks.json";
const KEY_ID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

/// An address that no machine has (RFC 5737). A program that does not check its keys fails here, with another error.
const UNAVAILABLE_HOST: &str = "192.0.2.1";

fn settings(signing: Option<SigningKey>, verifying: &[VerifyingKey]) -> jwt::Settings {
    jwt::Settings {
        signing,
        verifying: verifying.to_vec(),
        ..TestApp::token_settings()
    }
}

async fn register(target: &impl Target, email: &str) -> String {
    let account = json!({ "email": email, "password": "password123" });
    let data = target.post("/v5/auth/register").json(&account).send().await.created();
    data["token"].as_str().unwrap().to_owned()
}

fn eddsa(store: &TestStore) -> Command {
    let mut command = Process::command(env!("CARGO_BIN_EXE_auth"));
    command
        .envs(store.env())
        .env_remove("JWT_SECRET")
        .env("JWT_ALGORITHM", "EdDSA");
    command
}

#[tokio::test]
async fn with_hs256_the_key_set_is_empty() {
    let app = start();
    for prefix in api::router::PREFIXES {
        let response = app.get(&format!("{prefix}/.well-known/jwks.json")).send().await;
        assert_eq!(response.document(), json!({ "keys": [] }));
    }
}

#[tokio::test]
async fn the_key_set_has_all_public_keys_with_the_current_one_first() {
    let store = TestStore::new();
    let other = jwt::PrivateKey::parse(forged::OTHER_PRIVATE_KEY).unwrap();
    let verifying = [VerifyingKey::EdDsa(other.public()), forged::retired_key().verifying()];
    let tokens = settings(Some(forged::signing_key()), &verifying);
    let app = TestApp::with_tokens(auth::router(), store.open(), tokens);

    let document = app.get(JWKS).send().await.document();
    let keys = document["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "{document}");
    // RFC 8037, appendices A.2 and A.3.
    let current = json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": KEY_ID,
        "use": "sig",
        "alg": "EdDSA",
    });
    assert_eq!(keys[0], current);
    // RFC 8032, section 7.1, test 2.
    assert_eq!(keys[1]["x"], "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw");
    assert_eq!(document.as_object().unwrap().len(), 1, "the document has only keys");
}

#[tokio::test]
async fn a_token_signed_by_auth_verifies_elsewhere_with_the_public_key() {
    let (store, public) = (TestStore::new(), forged::signing_key().verifying());
    let db = store.open();
    let auth = TestApp::with_tokens(auth::router(), db.clone(), settings(Some(forged::signing_key()), &[]));
    let sessions = TestApp::with_tokens(sessions::router(), db, settings(None, &[public]));

    let token = register(&auth, "alice@example.com").await;
    sessions.get("/v5/sessions").bearer(&token).send().await.ok();
    auth.post("/v5/auth/logout").bearer(&token).send().await.ok();
    let rejected = sessions.get("/v5/sessions").bearer(&token).send().await;
    rejected.assert_problem(401, Code::RevokedToken);
}

#[tokio::test]
async fn tokens_stay_valid_when_the_algorithm_changes_and_changes_back() {
    let store = TestStore::new();
    let db = store.open();
    let (secret, pair) = (forged::retired_key(), forged::signing_key());
    let deploy = |signing: &SigningKey, previous: &SigningKey| {
        let tokens = settings(Some(signing.clone()), &[previous.verifying()]);
        let auth = TestApp::with_tokens(auth::router(), db.clone(), tokens);
        let sessions = settings(None, &[signing.verifying(), previous.verifying()]);
        (auth, TestApp::with_tokens(sessions::router(), db.clone(), sessions))
    };
    let (before, _) = deploy(&secret, &pair);
    let (during, sessions_during) = deploy(&pair, &secret);
    let (_, sessions_after) = deploy(&secret, &pair);

    for token in [
        register(&before, "alice@example.com").await,
        register(&during, "bob@example.com").await,
    ] {
        for sessions in [&sessions_during, &sessions_after] {
            sessions.get("/v5/sessions").bearer(&token).send().await.ok();
        }
    }
}

#[tokio::test]
async fn tokens_of_a_removed_secret_are_rejected() {
    let store = TestStore::new();
    let db = store.open();
    let secret = SigningKey::Hs256(Secret::new("a secret that will be found out soon").unwrap());
    let before = TestApp::with_tokens(auth::router(), db.clone(), settings(Some(secret), &[]));
    let after = TestApp::with_tokens(auth::router(), db, settings(Some(forged::signing_key()), &[]));
    let token = register(&before, "alice@example.com").await;
    let rejected = after.post("/v5/auth/logout").bearer(&token).send().await;
    rejected.assert_problem(401, Code::InvalidToken);
}

#[tokio::test]
async fn the_process_signs_with_the_private_key_of_its_environment() {
    let store = TestStore::new();
    for key in [forged::PRIVATE_KEY.to_owned(), forged::PRIVATE_KEY.replace('\n', "\\n")] {
        let mut command = eddsa(&store);
        command.env("JWT_PRIVATE_KEY", &key);
        let process = Process::start(command);
        let remote = process.remote();
        let document: Value = remote.get(JWKS).send().await.document();
        assert_eq!(document["keys"][0]["kid"], KEY_ID);
        let email = format!("{}@example.com", key.len());
        let token = register(&remote, &email).await;
        remote.post("/v5/auth/logout").bearer(&token).send().await.ok();
        process.terminate();
        let (_, log) = process.wait();
        assert!(!log.iter().any(|line| line.contains("MC4CAQAw")), "{log:?}");
    }
}

#[test]
fn the_process_does_not_start_without_the_private_key() {
    let store = TestStore::new();
    for (variable, value) in [
        ("JWT_PUBLIC_KEY", forged::PUBLIC_KEY),
        ("JWT_SECRET", forged::SECRET),
        ("JWT_PRIVATE_KEY", ""),
    ] {
        let mut command = eddsa(&store);
        command.env(variable, value).env("HOST", UNAVAILABLE_HOST);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "the process started with only {variable}");
        assert_eq!(text.trim().lines().count(), 1, "the error is one line: {text}");
        assert!(text.contains("JWT_PRIVATE_KEY is not set"), "{text}");
        assert!(text.contains("openssl genpkey"), "{text}");
    }
}
