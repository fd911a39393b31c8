//! The `Debug` output of every type that contains a secret leaves the secret out.

use std::fmt::Debug;
use std::time::Duration;

use api::Field;
use api::config::{AddressDetail, Config, Connections, LogFormat, Logs, Mail, Mode, Origins, Stream, Timeouts};
use domain::logins::{Lifetime, Presented, TokenSecret};
use domain::password::Password;
use domain::password::Policy;
use domain::users::Email;
use domain::users::ops::Registration;
use domain::{Client, SystemRng};
use jwt::{PrivateKey, Secret, SigningKey, VerifyingKey};
use testkit::{TestApp, TestStore};

const PASSWORD: &str = "a-password-to-look-for";
const SIGNING: &str = "a signing secret of 32 bytes to look for";

/// A configuration with these keys.
fn config(tokens: &jwt::Settings) -> Config {
    Config {
        store: TestStore::new().settings(),
        objects: None,
        tokens: tokens.clone(),
        mode: Mode::Lambda,
        origins: Origins::Any,
        public_url: None,
        login: Lifetime {
            idle: Duration::ZERO,
            absolute: Duration::ZERO,
        },
        throttle: None,
        quotas: None,
        audit_retention: Duration::ZERO,
        file_changes: domain::files::changes::Retention::default(),
        requires_verified_email: false,
        deletion_delay: Duration::ZERO,
        mail: Mail::default(),
        sweep_interval: None,
        trusted_proxies: 0,
        connections: Connections::default(),
        timeouts: Timeouts {
            idle: Duration::from_secs(30),
            write: Duration::from_secs(30),
        },
        passwords: Policy::BASIC,
        metrics: None,
        traces: None,
        logs: Logs {
            filter: "info".parse().unwrap(),
            format: LogFormat::Json,
            stream: Stream::Error,
            client_address: AddressDetail::Off,
            function: None,
        },
    }
}

#[tokio::test]
async fn debug_output_contains_no_secret() {
    let app = TestApp::start(gateway::router());
    let registration = Registration {
        email: Email::parse("alice@example.com").unwrap(),
        password: Password::claimed(PASSWORD).unwrap(),
        first_name: None,
        last_name: None,
        company: None,
    };
    let registered = registration.clone();
    let signed_in = domain::users::ops::register(&app.env, &Client::default(), registered, None)
        .await
        .unwrap()
        .into_inner();
    // A login with a refresh token, the token that it replaced, and the secret of the next one.
    let first = signed_in.refresh_token.clone();
    let refreshed = domain::logins::ops::refresh(&app.env, &Client::default(), &first)
        .await
        .unwrap();
    let next = TokenSecret::draw(&SystemRng);
    let private = PrivateKey::parse(jwt::forged::PRIVATE_KEY).unwrap();
    let tokens = jwt::Settings {
        signing: Some(SigningKey::Hs256(Secret::new(SIGNING).unwrap())),
        verifying: vec![
            VerifyingKey::Hs256(Secret::new(SIGNING).unwrap()),
            VerifyingKey::EdDsa(private.public()),
        ],
        ttl: Duration::from_secs(1),
        issuer: String::new(),
        audience: String::new(),
    };
    let config = config(&tokens);
    let raw = format!("\"{PASSWORD}\"");
    let (read, wrong): (Field<String>, Field<u8>) =
        (serde_json::from_str(&raw).unwrap(), serde_json::from_str(&raw).unwrap());

    // Hashes and digests in the form in which the store holds them.
    let stored = app.all_entries().await;
    let stored: Vec<_> = stored
        .iter()
        .filter_map(|entry| serde_json::from_slice(&entry.value).ok())
        .collect();
    let mut marks = vec![
        PASSWORD.to_owned(),
        SIGNING.to_owned(),
        "$argon2".to_owned(),
        "VpezJpGXA7rAMcrn9g".to_owned(),
    ];
    for member in ["passwordHash", "proof", "current", "tokens", "seal"] {
        let found = stored.iter().flat_map(|record| texts(record, member));
        let found: Vec<_> = found.collect();
        assert!(!found.is_empty(), "no stored record has a {member}");
        marks.extend(found);
    }
    for token in [&first, &refreshed.refresh_token] {
        let text = token.reveal();
        marks.push(text["coditect_rt_".len()..].to_owned());
    }
    let device = first.device_token();
    marks.push(device.reveal()["coditect_dt_".len()..].to_owned());
    marks.push(secret_text(&next));

    let printed: [(&str, &dyn Debug); 20] = [
        ("Password", &registration.password),
        ("Registration", &registration),
        ("PasswordHash", &signed_in.user.password_hash),
        ("User", &signed_in.user),
        ("RefreshToken", &first),
        ("DeviceToken", &device),
        ("TokenSecret", &next),
        ("TokenFamily", &refreshed.login.refresh),
        ("Login", &refreshed.login),
        ("SignedIn", &refreshed),
        ("Presented", &Presented::Rotated(refreshed.refresh_token.clone())),
        ("Secret", &Secret::new(SIGNING).unwrap()),
        ("PrivateKey", &private),
        ("SigningKey", &SigningKey::EdDsa(private.clone())),
        ("CursorKey", &signed_in.tenant.cursor_key),
        ("Tenant", &signed_in.tenant),
        ("jwt::Settings", &tokens),
        ("Config", &config),
        ("Field with a value", &read),
        ("Field of a wrong type", &wrong),
    ];
    for (name, value) in printed {
        for text in [format!("{value:?}"), format!("{value:#?}")] {
            for mark in &marks {
                assert!(!text.contains(mark.as_str()), "{name} prints a secret: {text}");
            }
            // Nor as a list of bytes.
            for bytes in [PASSWORD.as_bytes(), SIGNING.as_bytes()] {
                let listed = format!("{:?}", &bytes[..8]);
                assert!(!text.contains(listed.trim_matches(['[', ']'])), "{name}: {text}");
            }
        }
    }
}

/// The contents of a cluster file give access to the cluster; its path does not.
#[cfg(feature = "fdb")]
#[test]
fn the_contents_of_a_cluster_file_are_not_printed() {
    let engine = kv::Engine::Fdb(kv::Cluster::Content("name:a-secret@127.0.0.1:4500".to_owned()));
    let text = format!("{:?}", kv::Settings::new(engine));
    assert!(!text.contains("a-secret"), "{text}");
}

/// The string values of every member with this name, at any depth.
fn texts(value: &serde_json::Value, name: &str) -> Vec<String> {
    use serde_json::Value;
    match value {
        Value::Object(members) => {
            let own = members.get(name).into_iter().flat_map(|value| match value {
                Value::Array(items) => items.iter().collect(),
                value => vec![value],
            });
            let here = own.filter_map(Value::as_str).map(str::to_owned);
            let below = members.values().flat_map(|value| texts(value, name));
            here.chain(below).collect()
        }
        Value::Array(items) => items.iter().flat_map(|value| texts(value, name)).collect(),
        _ => Vec::new(),
    }
}

fn secret_text(secret: &TokenSecret) -> String {
    let text = serde_json::to_value(secret).unwrap();
    text.as_str().unwrap().to_owned()
}
