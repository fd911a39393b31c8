//! What holds of every function, whatever stands in front of it.

use api::Code;
use axum::http::{Method, header};
use serde_json::json;

use crate::front_door::{FRONT_DOORS, FrontDoor};
use crate::request::{Target as _, TestRequest};
use crate::response::TestResponse;
use crate::runtime_api::RuntimeApi;

/// Holds a function to the contract behind each front door: its answers to requests for `path` (under `/v5`), which has to answer a `GET`
/// with 200 to whoever has `token` or, where there is none, to everybody.
///
/// # Panics
/// If it is not.
pub async fn check_every_front_door(function: &RuntimeApi, path: &str, token: Option<&str>) {
    for (kind, sample) in FRONT_DOORS {
        // Shown with the reason, if there is one.
        eprintln!("behind {kind}:");
        let door = function.behind(sample);
        let api = format!("/api{path}");

        for path in [path, &api] {
            let answer = send(door.get(path), token).await;
            assert_eq!(answer.header("x-request-id"), Some(&*function.last_request_id()));
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        let answer = send(door.request(Method::HEAD, path), token).await;
        assert_eq!(answer.status, 200);
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
        let answer = send(door.request(Method::PUT, path), token).await;
        assert!(answer.header("allow").is_some_and(|methods| methods.contains("GET")));
        answer.assert_problem(405, Code::MethodNotAllowed);
        let preflight = door.request(Method::OPTIONS, path);
        let preflight = preflight.header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET");
        let preflight = preflight.header(header::ORIGIN, "https://app.example.com").send().await;
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));

        let large = json!({ "name": "x".repeat(64 * 1024) });
        for door in [function.behind(sample), function.behind(sample).with_base64_bodies()] {
            for call in [door.get(path), door.post("/v5/nothing")] {
                let answer = send(call.json(&large), token).await;
                answer.assert_problem(413, Code::BodyTooLarge);
            }
        }

        let door = function.behind(sample).without_headers();
        let answer = door.get(path).send().await;
        match token {
            Some(_) => drop(answer.assert_problem(401, Code::MissingToken)),
            None => assert_eq!(answer.status, 200, "{}", answer.body),
        }
        assert_eq!(send(door.get(path), token).await.status, 200);
    }
}

async fn send(call: TestRequest<'_, FrontDoor<'_>>, token: Option<&str>) -> TestResponse {
    match token {
        Some(token) => call.bearer(token).send().await,
        None => call.send().await,
    }
}
