//! Every operation by a user whose email is not verified, in a deployment that requires it: with a login, and with a
//! personal access token.

use axum::http::Method;
use domain::access_tokens::Scope;
use serde_json::json;
use testkit::{Code, Target as _, TestApp, TestStore};

use super::fixture::{LONG, changes};
use super::methods;
use crate::operations::{Access, operations};
use crate::prepared::Prepared;

#[tokio::test]
async fn a_user_with_an_unverified_email_may_do_only_what_is_about_their_own_account() {
    let store = TestStore::new();
    // Requires no verified email, to prepare the resources.
    let app = TestApp::on(gateway::router(), store.open());
    let require = |limits: &mut domain::Limits| limits.requires_verified_email = true;
    let strict = TestApp::on_with_limits(gateway::router(), app.env.db.clone(), require);
    for (number, operation) in operations().iter().enumerate() {
        let Access::Token(_) = operation.access else {
            continue;
        };
        let prepared = Prepared::new(&app, operation, number).await;
        let (_, personal) = app.access_token(&prepared.actor, Scope::all(), LONG).await;
        let send = |method: &Method, token: &str| {
            let call = strict.request(method.clone(), &prepared.path).bearer(token);
            match operation.body {
                Some(body) => call.content(&body(&prepared.person)),
                None => call,
            }
            .send()
        };
        // The scopes are about the data of tenants, and what has none is about the own account.
        let (login_code, personal_code) = match operation.scope {
            Some(_) => (Some(Code::EmailNotVerified), Code::EmailNotVerified),
            None => (None, Code::InsufficientScope),
        };
        let rejections = [(&prepared.actor.token, login_code), (&personal, Some(personal_code))];
        for (token, code) in rejections {
            let Some(code) = code else { continue };
            for method in methods(operation) {
                let before = app.all_entries().await;
                let response = send(&method, token).await;
                assert_eq!(response.status, 403, "{method} {}", operation.path);
                if method != Method::HEAD {
                    response.assert_problem(403, code);
                }
                let after = app.all_entries().await;
                assert!(
                    before == after,
                    "{method} {}: {:#?}",
                    operation.path,
                    changes(&before, &after)
                );
            }
        }
        if operation.scope.is_some() {
            let token = app.mail_token(&prepared.person.email, "email.verification").await;
            let verification = strict.post("/v5/auth/email/verify").json(&json!({ "token": token }));
            verification.send().await.ok();
        }
        let response = send(&operation.method, &prepared.actor.token).await;
        assert_eq!(
            response.status, operation.success,
            "{} {}",
            operation.path, response.body
        );
    }
}
