//! The form and the destination of request lines: JSON or text, with metrics under Lambda only, filtered by `RUST_LOG`.

use axum::http::HeaderName;
use serde_json::{Value, json};
use testkit::{Process, RuntimeApi, Target as _, TestStore, check_job_log_line, check_request_log_line};

use crate::function_processes::FunctionProcesses;
use crate::process::gateway;
use crate::request_log::{TRACE, TRACEPARENT};

/// The request lines that a server with these variables writes.
async fn lines_of_a_server(env: &[(&str, &str)], paths: &[&str]) -> Vec<String> {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.envs(env.iter().copied());
    let process = Process::start(command);
    for path in paths {
        process.remote().get(path).send().await;
    }
    process.terminate();
    let (_, mut lines) = process.wait();
    lines.retain(|line| line.contains("/v5/health") || line.contains("(none)"));
    lines
}

#[tokio::test]
async fn the_lines_of_a_server_have_no_metrics_and_obey_the_log_filter() {
    let paths = ["/v5/health", "/nothing"];
    let lines = lines_of_a_server(&[], &paths).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in &lines {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(check_request_log_line(&line, None), Ok(()), "{line}");
    }
    for silent in ["warn", "info,api::request=off", "off"] {
        assert_eq!(
            lines_of_a_server(&[("RUST_LOG", silent)], &paths).await,
            [""; 0],
            "{silent}"
        );
    }
}

#[tokio::test]
async fn the_text_format_has_the_same_fields() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env("LOG_FORMAT", "text");
    let process = Process::start(command);
    let account = json!({ "email": "a@example.com", "password": "password123" });
    let remote = process.remote();
    let response = remote
        .post("/v5/auth/register")
        .header(HeaderName::from_static("traceparent"), TRACEPARENT)
        .json(&account)
        .send()
        .await;
    process.terminate();
    let (_, lines) = process.wait();
    let line = lines.iter().find(|line| line.contains("/v5/auth/register")).unwrap();
    // Colours are off without a terminal, but field names may still be in italics.
    let line = without_escapes(line);
    let data = &response.body["data"];
    for (name, value) in [
        ("request_id", format!("{:?}", response.header("x-request-id").unwrap())),
        ("trace_id", TRACE.to_owned()),
        ("method", "\"POST\"".to_owned()),
        ("status", "201".to_owned()),
        ("tenant_id", data["tenant"]["id"].as_str().unwrap().to_owned()),
        ("user_id", data["user"]["id"].as_str().unwrap().to_owned()),
        ("store_retries", "0".to_owned()),
        ("cold_start", "true".to_owned()),
    ] {
        assert!(line.contains(&format!(" {name}={value}")), "{name}={value}: {line}");
    }
}

#[tokio::test]
async fn the_configuration_decides_how_much_of_a_client_address_is_logged() {
    for (env, logged) in [
        (&[][..], json!("127.0.0.0/24")),
        (&[("LOG_CLIENT_ADDRESS", "full")], json!("127.0.0.1")),
        (&[("LOG_CLIENT_ADDRESS", "off")], Value::Null),
    ] {
        let lines = lines_of_a_server(env, &["/v5/health"]).await;
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["client_address"], logged, "{env:?}");
    }
}

fn without_escapes(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| {
        line + part.split_once('m').map_or(part, |(_, rest)| rest)
    })
}

/// Alarms depend on the metrics, so neither the filter nor the format may remove them.
#[tokio::test]
async fn under_lambda_lines_with_metrics_ignore_the_log_filter_and_format() {
    for (level, format) in [("warn", "json"), ("off", "json"), ("info", "text"), ("error", "text")] {
        let store = TestStore::new();
        let env = [("RUST_LOG", level), ("LOG_FORMAT", format)];
        let functions = FunctionProcesses::start(&store, &env).await;
        functions.get("/v5/health").send().await.ok();
        let login = functions
            .post("/v5/auth/login")
            .header(HeaderName::from_static("traceparent"), TRACEPARENT);
        login.json(&json!({})).send().await;
        functions.get("/v5/sessions").send().await;
        functions.get("/v5/audit").send().await;
        functions.get("/v5/users/me/usage").send().await;
        let files = "/v5/sessions/0190d0a0-7c3e-7a11-8f3e-0123456789ab/files";
        functions.get(files).send().await;
        functions.get("/config.json").send().await.document();
        for log in functions.stop().await {
            let name = log.name;
            let lines: Vec<_> = log.text.lines().collect();
            assert_eq!(
                (log.invocations, lines.len()),
                (1, 1),
                "{name} {level} {format}: {lines:?}"
            );
            let line: Value = serde_json::from_str(lines[0]).unwrap();
            assert_eq!(
                check_request_log_line(&line, Some(RuntimeApi::FUNCTION_NAME)),
                Ok(()),
                "{line}"
            );
            assert_eq!(line["request_id"], "00000000-0000-4000-8000-000000000000");
            let trace = if name == "auth" {
                TRACE.to_owned()
            } else {
                RuntimeApi::trace_id(0)
            };
            assert_eq!(line["trace_id"], trace, "{name}");
        }

        for job in gateway::jobs() {
            let function = RuntimeApi::start(FunctionProcesses::command(job.name(), &store, &env).await).await;
            function.invoke(&json!({})).await.unwrap();
            let log = function.stop().await;
            let line: Value = serde_json::from_str(log.trim()).unwrap();
            assert_eq!(
                check_job_log_line(&line, Some(RuntimeApi::FUNCTION_NAME)),
                Ok(()),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn the_first_line_of_a_server_has_the_version_that_the_program_prints() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    process.terminate();
    let (_, lines) = process.wait();
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(line["message"], "started", "{line}");
    let output = gateway(&store).arg("version").output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let commit = line["commit"].as_str().unwrap_or("(unknown commit)");
    assert_eq!(printed, format!("{} {commit}\n", line["version"].as_str().unwrap()));
}
