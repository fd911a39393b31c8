//! Isolation, by enumeration: every operation with every kind of token that must not give access, each time with the
//! expected response and an unchanged store. The same request then succeeds with the right token, so it was rejected
//! for its token.

mod fixture;
mod scopes;
mod unverified;

use api::router::PREFIXES;
use axum::http::Method;
use domain::logins::TokenFamily;
use domain::{SystemRng, TokenId};
use serde_json::{Value, json};
use testkit::{Actor, Code, Content, Target as _};

use self::fixture::{Fixture, RequestCase, TOKENS, Token, changes};
use crate::operations::{Access, Operation, Resource, operations};

/// The expected outcome of a request.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Success,
    /// The response of success, without a change to the store.
    NoEffect,
    Rejected(u16, Code),
}

/// The contract, for each kind of access and token.
fn outcome(access: Access, token: Token) -> Outcome {
    use Outcome::{NoEffect, Rejected, Success};
    match (access, token) {
        // Invalid refresh tokens have a test of their own below.
        (Access::Public | Access::RefreshToken, _) | (Access::Logout, Token::Expired) => Success,
        (
            Access::Logout,
            Token::None
            | Token::LoggedOut
            | Token::LoginExpired
            | Token::FormerMember
            | Token::Suspended
            | Token::FormerMemberPersonal
            | Token::SuspendedPersonal,
        ) => NoEffect,
        // The digest of a revoked personal access token is gone, so it is as one that never existed.
        (Access::Logout | Access::Token(_), Token::Junk | Token::MalformedPersonal | Token::RevokedPersonal) => {
            Rejected(401, Code::InvalidToken)
        }
        (Access::Logout | Access::Token(_), Token::Unscoped) => Rejected(403, Code::InsufficientScope),
        (Access::Logout | Access::Token(_), Token::ExpiredPersonal) | (Access::Token(_), Token::Expired) => {
            Rejected(401, Code::ExpiredToken)
        }
        (Access::Token(_), Token::None) => Rejected(401, Code::MissingToken),
        (
            Access::Token(_),
            Token::LoggedOut
            | Token::LoginExpired
            | Token::FormerMember
            | Token::Suspended
            | Token::FormerMemberPersonal
            | Token::SuspendedPersonal,
        ) => Rejected(401, Code::RevokedToken),
    }
}

/// The methods of an operation. `GET` includes `HEAD`.
fn methods(operation: &Operation) -> Vec<Method> {
    let method = operation.method.clone();
    if method == Method::GET {
        vec![method, Method::HEAD]
    } else {
        vec![method]
    }
}

#[tokio::test]
async fn every_operation_accepts_or_rejects_each_kind_of_token_as_the_contract_says() {
    for operation in operations() {
        let fixture = Fixture::new().await;
        let id = &fixture.resource(&operation, &fixture.alice).await;
        for token in TOKENS {
            for (prefix, method) in PREFIXES
                .iter()
                .flat_map(|prefix| methods(&operation).into_iter().map(move |method| (prefix, method)))
            {
                // A refresh token can be used once.
                let actor = match operation.access {
                    Access::RefreshToken => &fixture.app.sign_in(&fixture.bob).await,
                    _ => &fixture.alice,
                };
                let body = fixture.body(&operation, actor).await;
                let path = operation.path_with(prefix, id);
                let request = RequestCase {
                    method: &method,
                    path: &path,
                    bearer: fixture.bearer(token),
                    body: body.as_ref(),
                };
                let case = format!("{method} {path}, {token:?}");
                match outcome(operation.access, token) {
                    Outcome::Success => {
                        let sent = fixture.send(request).await;
                        assert_eq!(sent.response.status, operation.success, "{case}: {}", sent.bytes);
                    }
                    Outcome::NoEffect => {
                        let sent = fixture.send_without_effect(request).await;
                        assert_eq!(sent.response.status, operation.success, "{case}: {}", sent.bytes);
                    }
                    Outcome::Rejected(status, code) => {
                        let sent = fixture.send_without_effect(request).await;
                        assert_eq!(sent.response.status, status, "{case}: {}", sent.bytes);
                        if method != Method::HEAD {
                            sent.response.assert_problem(status, code);
                        }
                    }
                }
            }
        }

        // The same request with the right token.
        let path = operation.path_with("/v5", id);
        let body = fixture.body(&operation, &fixture.alice).await;
        let request = RequestCase {
            method: &operation.method,
            path: &path,
            bearer: Some(&fixture.alice.token),
            body: body.as_ref(),
        };
        let sent = fixture.send(request).await;
        assert_eq!(
            sent.response.status, operation.success,
            "{} {path}: {}",
            operation.method, sent.bytes
        );
    }
}

#[tokio::test]
async fn every_operation_succeeds_for_the_allowed_roles_and_is_forbidden_for_the_others() {
    for operation in operations() {
        let Access::Token(roles) = operation.access else {
            continue;
        };
        let fixture = Fixture::new().await;
        for (role, actor) in fixture.members() {
            for method in methods(&operation) {
                // A session and its files belong to the tenant; a login and a personal access token belong to their
                // user.
                let owner = match operation.resource {
                    Some(Resource::Login | Resource::AccessToken) => actor,
                    _ => &fixture.alice,
                };
                let own = fixture.resource(&operation, owner).await;
                let ids = [
                    own,
                    fixture.resource(&operation, &fixture.bob).await,
                    fixture.app.env.ids.next::<TokenId>().to_string(),
                ];
                let body = fixture.body(&operation, actor).await;
                let mut rejections = Vec::new();
                for id in &ids {
                    let path = operation.path_with("/v5", id);
                    let request = RequestCase {
                        method: &method,
                        path: &path,
                        bearer: Some(&actor.token),
                        body: body.as_ref(),
                    };
                    if roles.contains(&role) {
                        let sent = fixture.send(request).await;
                        let case = format!("{method} {path}, {role}");
                        assert_eq!(sent.response.status, operation.success, "{case}: {}", sent.bytes);
                        break;
                    }
                    let sent = fixture.send_without_effect(request).await;
                    rejections.push(sent.bytes);
                    assert_eq!(sent.response.status, 403, "{method} {path}, {role}");
                    if method != Method::HEAD {
                        sent.response.assert_problem(403, Code::Forbidden);
                    }
                }
                assert!(
                    rejections.windows(2).all(|pair| pair[0] == pair[1]),
                    "a rejection reveals whether the resource exists: {rejections:#?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_resource_of_another_tenant_is_indistinguishable_from_an_unknown_one() {
    for operation in operations() {
        // A picture is public, and a link is its own credential.
        if matches!(operation.resource, None | Some(Resource::Avatar | Resource::Export)) {
            continue;
        }
        let fixture = Fixture::new().await;
        let foreign = fixture.resource(&operation, &fixture.alice).await;
        let unknown = fixture.app.env.ids.next::<TokenId>().to_string();
        let body = fixture.body(&operation, &fixture.bob).await;
        for method in methods(&operation) {
            let mut responses = Vec::new();
            for id in [&foreign, &unknown] {
                let path = operation.path_with("/v5", id);
                let request = RequestCase {
                    method: &method,
                    path: &path,
                    bearer: Some(&fixture.bob.token),
                    body: body.as_ref(),
                };
                let sent = fixture.send_without_effect(request).await;
                responses.push(sent.bytes);
                assert_eq!(sent.response.status, 404, "{method} {path}");
                if method != Method::HEAD {
                    sent.response.assert_problem(404, Code::NotFound);
                }
            }
            assert_eq!(responses[0], responses[1], "{method} {}", operation.path);
        }
    }
}

#[tokio::test]
async fn operations_without_an_id_neither_return_nor_change_data_of_another_tenant() {
    for operation in operations() {
        let (Access::Token(_), None) = (operation.access, operation.resource) else {
            continue;
        };
        let fixture = Fixture::new().await;
        let draft = json!({ "name": "a secret", "workspacePath": "/secret" });
        let session = fixture
            .app
            .post("/v5/sessions")
            .by(&fixture.alice)
            .json(&draft)
            .send()
            .await
            .created();
        let alice = &fixture.alice.signed_in;
        let ids = [
            alice.user.id.to_string(),
            alice.tenant.id.to_string(),
            alice.login.id.to_string(),
            session["id"].as_str().unwrap().to_owned(),
        ];
        let entries_of_alice = async || {
            let mut entries = fixture.app.all_entries().await;
            entries.retain(|entry| {
                let text = format!("{:?} {}", entry.key, String::from_utf8_lossy(&entry.value));
                ids.iter().any(|id| text.contains(id))
            });
            entries
        };

        let before = entries_of_alice().await;
        assert!(before.len() > ids.len(), "{before:?}");
        let body = fixture.body(&operation, &fixture.bob).await;
        let path = operation.path_with("/v5", "");
        let request = RequestCase {
            method: &operation.method,
            path: &path,
            bearer: Some(&fixture.bob.token),
            body: body.as_ref(),
        };
        let sent = fixture.send(request).await;
        assert_eq!(sent.response.status, operation.success, "{request:?}: {}", sent.bytes);
        for secret in ids.iter().map(String::as_str).chain(["secret"]) {
            assert!(
                !sent.bytes.contains(secret),
                "{request:?} returns {secret}: {}",
                sent.bytes
            );
        }
        let after = entries_of_alice().await;
        assert!(before == after, "{request:?} wrote:\n{:#?}", changes(&before, &after));
    }
}

#[tokio::test]
async fn an_invalid_refresh_token_is_rejected_with_and_without_an_access_token() {
    let fixture = Fixture::new().await;
    let guess_for_login_of = |actor: &Actor| {
        let login = &actor.signed_in.login;
        let (_, guess) = TokenFamily::start(&SystemRng, login.user, login.tenant, login.id);
        json!(guess.reveal())
    };
    let guess_for_other_tenant = {
        let (bob, alice) = (&fixture.bob.signed_in.login, &fixture.alice.signed_in.login);
        let (_, guess) = TokenFamily::start(&SystemRng, bob.user, alice.tenant, bob.id);
        json!(guess.reveal())
    };
    let invalid = (401, Code::InvalidRefreshToken);
    let cases = [
        ("none", Value::Null, (422, Code::ValidationFailed)),
        ("junk", json!("coditect_rt_junk"), invalid),
        ("an access token", json!(fixture.alice.token), invalid),
        ("a guess for a login", guess_for_login_of(&fixture.alice), invalid),
        (
            "a guess for the caller's own login in another tenant",
            guess_for_other_tenant,
            invalid,
        ),
        (
            "of a login that was logged out",
            json!(fixture.logged_out.refresh_token()),
            invalid,
        ),
        (
            "of an expired login",
            json!(fixture.login_expired.refresh_token()),
            invalid,
        ),
        (
            "of a former member",
            json!(fixture.former_member.refresh_token()),
            invalid,
        ),
        ("of a suspended user", json!(fixture.suspended.refresh_token()), invalid),
    ];
    for operation in operations() {
        if !matches!(operation.access, Access::RefreshToken) {
            continue;
        }
        for (case, token, (status, code)) in &cases {
            let body = Content::json(&json!({ "refreshToken": token }));
            for bearer in [None, Some(&fixture.alice.token[..])] {
                let path = operation.path_with("/v5", "");
                let request = RequestCase {
                    method: &operation.method,
                    path: &path,
                    bearer,
                    body: Some(&body),
                };
                let sent = fixture.send_without_effect(request).await;
                assert_eq!(sent.response.status, *status, "{case}: {}", sent.bytes);
                sent.response.assert_problem(*status, *code);
            }
        }
    }
}
