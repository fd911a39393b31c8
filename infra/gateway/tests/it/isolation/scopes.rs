//! Every operation with personal access tokens: each needs its scope, and the role of the user.

use axum::http::Method;
use domain::access_tokens::Scope;
use testkit::Code;

use super::fixture::{Fixture, LONG, RequestCase};
use super::methods;
use crate::operations::{Access, operations};

#[tokio::test]
async fn a_personal_access_token_may_do_exactly_what_its_scopes_allow() {
    for operation in operations() {
        let Access::Token(_) = operation.access else {
            continue;
        };
        let fixture = Fixture::new().await;
        let id = &fixture.resource(&operation, &fixture.alice).await;
        let path = operation.path_with("/v5", id);
        let body = fixture.body(&operation, &fixture.alice).await;
        let others = Scope::all().filter(|scope| Some(*scope) != operation.scope);
        let (_, lacking) = fixture.app.access_token(&fixture.alice, others, LONG).await;
        for method in methods(&operation) {
            let request = |token| RequestCase {
                method: &method,
                path: &path,
                bearer: Some(token),
                body: body.as_ref(),
            };
            let sent = fixture.send_without_effect(request(&lacking)).await;
            let scope = operation
                .scope
                .map_or(String::new(), |scope| format!(r#", scope="{}""#, scope.as_str()));
            let challenge = format!(r#"Bearer error="insufficient_scope"{scope}"#);
            assert_eq!(
                sent.response.header("www-authenticate"),
                Some(&*challenge),
                "{method} {path}"
            );
            if method != Method::HEAD {
                sent.response.assert_problem(403, Code::InsufficientScope);
            }
            if let Some(scope) = operation.scope {
                // Some operations that write files also read them, such as a copy.
                let read = (scope == Scope::WriteFiles).then_some(Scope::ReadFiles);
                let scopes = [Some(scope), read].into_iter().flatten();
                let (_, token) = fixture.app.access_token(&fixture.alice, scopes, LONG).await;
                let sent = fixture.send(request(&token)).await;
                let case = format!("{method} {path}: {}", sent.bytes);
                assert_eq!(sent.response.status, operation.success, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_personal_access_token_may_do_no_more_than_the_role_of_its_user() {
    for operation in operations() {
        let (Access::Token(roles), Some(_)) = (operation.access, operation.scope) else {
            continue;
        };
        let fixture = Fixture::new().await;
        for (role, actor) in fixture.members() {
            let id = &fixture.resource(&operation, &fixture.alice).await;
            let body = fixture.body(&operation, actor).await;
            let path = operation.path_with("/v5", id);
            let (_, token) = fixture.app.access_token(actor, Scope::all(), LONG).await;
            let request = RequestCase {
                method: &operation.method,
                path: &path,
                bearer: Some(&token),
                body: body.as_ref(),
            };
            if roles.contains(&role) {
                let sent = fixture.send(request).await;
                assert_eq!(
                    sent.response.status, operation.success,
                    "{path}, {role}: {}",
                    sent.bytes
                );
            } else {
                let sent = fixture.send_without_effect(request).await;
                sent.response.assert_problem(403, Code::Forbidden);
            }
        }
    }
}
