//! Behaviour that every function must have behind every front door.

use api::Code;
use axum::http::{Method, header};
use serde_json::json;

use crate::front_door::{FRONT_DOORS, FrontDoor};
use crate::request::{Target as _, TestRequest};
use crate::response::TestResponse;
use crate::runtime_api::RuntimeApi;

/// Checks a function behind each front door: prefixes, unknown paths and methods, preflights, large bodies, no headers.
///
/// `GET {path}` (under `/v5`) must respond with 200 to the bearer of `token`, or to all clients if there is no token.
///
/// # Panics
/// If the function behaves differently behind one of the front doors.
pub async fn check_every_front_door(function: &RuntimeApi, path: &str, token: Option<&str>) {
    for (kind, sample) in FRONT_DOORS {
        // The test's output ends with the front door that fails.
        eprintln!("behind {kind}:");
        let door = function.behind(sample);
        let api = format!("/api{path}");

        for path in [path, &api] {
            let response = send(door.get(path), token).await;
            assert_eq!(response.header("x-request-id"), Some(&*function.last_request_id()));
            assert_eq!(response.status, 200, "{}", response.body);
        }
        let response = send(door.request(Method::HEAD, path), token).await;
        assert_eq!(response.status, 200);
        let cookies = door.get(path).header(header::COOKIE, "session=none; theme=light");
        assert_eq!(send(cookies, token).await.status, 200);

        for unknown in [
            "/",
            "/v5",
            "/v5/nothing",
            "/nothing",
            &format!("/elsewhere{path}"),
            &format!("/v5{path}/"),
        ] {
            send(door.get(unknown), token).await.assert_problem(404, Code::NotFound);
        }
        let response = send(door.request(Method::PUT, path), token).await;
        assert!(response.header("allow").is_some_and(|methods| methods.contains("GET")));
        response.assert_problem(405, Code::MethodNotAllowed);
        let preflight = door.request(Method::OPTIONS, path);
        let preflight = preflight.header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET");
        let preflight = preflight.header(header::ORIGIN, "https://app.example.com").send().await;
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));

        let large = json!({ "name": "x".repeat(64 * 1024) });
        for door in [function.behind(sample), function.behind(sample).with_base64_bodies()] {
            for request in [door.get(path), door.post("/v5/nothing")] {
                let response = send(request.json(&large), token).await;
                response.assert_problem(413, Code::BodyTooLarge);
            }
        }

        let door = function.behind(sample).without_headers();
        let response = door.get(path).send().await;
        match token {
            Some(_) => drop(response.assert_problem(401, Code::MissingToken)),
            None => assert_eq!(response.status, 200, "{}", response.body),
        }
        assert_eq!(send(door.get(path), token).await.status, 200);
    }
}

async fn send(request: TestRequest<'_, FrontDoor<'_>>, token: Option<&str>) -> TestResponse {
    match token {
        Some(token) => request.bearer(token).send().await,
        None => request.send().await,
    }
}
