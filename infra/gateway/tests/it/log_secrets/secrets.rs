//! The strings that must not appear in a log.

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use serde_json::{Value, json};

/// A part of every secret that the tests invent: passwords, emails, names and unexpected input.
pub const MARK: &str = "marked";
/// The start of [`MARK`] in base64, in which `Basic` credentials are encoded.
pub const ENCODED_MARK: &str = "bWFya2Vk";

/// The secrets that the API has issued, which do not contain [`MARK`].
#[derive(Default)]
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Adds the tokens in the `data` of a response, and each of their parts.
    pub fn learn(&mut self, data: &Value) {
        if let Some(token) = data["token"].as_str() {
            self.0.insert(token.to_owned());
            self.0.extend(token.split('.').map(str::to_owned));
            // A part of a personal access token, as a truncated one has.
            let rest = token.strip_prefix("coditect_pat_").and_then(|rest| rest.get(44..88));
            self.0.extend(rest.map(str::to_owned));
        }
        if let Some(link) = data["downloadUrl"].as_str() {
            let (_, token) = link.split_once("coditect_export_").unwrap();
            self.0.extend(token.get(44..88).map(str::to_owned));
        }
        if let Some(token) = data["refreshToken"].as_str() {
            self.0.extend(token.strip_prefix("coditect_rt_").map(str::to_owned));
        }
        if let Some(token) = data["deviceToken"].as_str() {
            self.0.extend(token.strip_prefix("coditect_dt_").map(str::to_owned));
        }
    }

    /// Adds the tokens in the cookies of a response.
    pub fn learn_cookies(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE) {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (_, token) = pair.split_once('=').unwrap();
            let rest = token
                .strip_prefix("coditect_rt_")
                .or(token.strip_prefix("coditect_dt_"));
            self.0.extend(rest.map(str::to_owned));
        }
    }

    /// Adds a mail token.
    pub fn learn_mail_token(&mut self, token: &str) {
        self.0.extend(token.strip_prefix("coditect_mt_").map(str::to_owned));
    }

    /// The lines that contain a secret.
    pub fn leaks(&self, lines: &[String]) -> Vec<String> {
        let known = [
            MARK,
            ENCODED_MARK,
            "coditect_rt_",
            "coditect_dt_",
            "coditect_pat_",
            "coditect_mt_",
            "coditect_export_",
            "$argon2",
            "only these tests sign with",
            "passwordHash",
        ];
        let secrets: Vec<_> = self.0.iter().map(String::as_str).chain(known).collect();
        let is_leak = |line: &&String| {
            let lower = line.to_ascii_lowercase();
            secrets.iter().any(|secret| line.contains(secret)) || lower.contains(MARK)
        };
        lines.iter().filter(is_leak).cloned().collect()
    }
}

#[test]
fn leaks_finds_marks_and_every_part_of_an_issued_token() {
    let mut secrets = Secrets::default();
    secrets.learn(&json!({
        "token": "head.claims.signature",
        "refreshToken": "coditect_rt_rest",
        "deviceToken": "coditect_dt_device",
        "downloadUrl": format!("/v5/exports/coditect_export_{}secret", "0".repeat(82)),
    }));
    secrets.learn_mail_token("coditect_mt_mail-token");
    let mut headers = HeaderMap::new();
    for cookie in [
        "a=coditect_rt_baked; Path=/",
        "b=coditect_dt_crumb; Path=/",
        "c=; Path=/",
    ] {
        headers.append(SET_COOKIE, cookie.parse().unwrap());
    }
    secrets.learn_cookies(&headers);
    for leak in [
        "a head",
        "claims",
        "\"signature\"",
        "the rest",
        "coditect_rt_",
        "the device",
        "coditect_dt_",
        "coditect_export_",
        "baked",
        "a crumb",
        "the mail-token",
        "MARKED-1@example.com",
        "Basic bWFya2VkOnBhc3N3b3Jk",
        "$argon2id$v=19",
    ] {
        assert_eq!(secrets.leaks(&[leak.to_owned()]), [leak]);
    }
    assert!(secrets.leaks(&["POST /v5/auth/login 401".to_owned()]).is_empty());
}
