//! Each endpoint of the gateway on one connection, beside the client alone, which makes the same trips with as many
//! keys and values. Where an endpoint hashes passwords, the baseline includes as many bare Argon2id verifications.

use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::raw::Raw;
use crate::enumeration::FREE;
use crate::programs::{Connection, Server, Store};
use crate::report::{Goal, Row};
use crate::stats::{millis, quantile_of};

const PASSWORD: &str = "password123";

/// Plans of `peer-trips`.
pub(crate) const GET: &str = "read:3";
pub(crate) const CREATE: &str = "read:6 commit:8x100";

const BASELINE: &str = "the client alone, the same trips";

/// Samples of one round.
const BATCH: usize = 20;

/// An endpoint, the trips of one request, and the number of passwords that it hashes.
struct Endpoint {
    /// As in `trips.rs`.
    name: &'static str,
    plan: &'static str,
    hashes: usize,
    call: fn(&mut Client) -> Duration,
}

/// Readiness is missing: its checks share one trip per second.
const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        name: "get session",
        plan: GET,
        hashes: 0,
        call: |client| client.get(&format!("/v5/sessions/{}", client.session)),
    },
    Endpoint {
        name: "list sessions",
        plan: "read:3+50 read:50",
        hashes: 0,
        call: |client| client.get("/v5/sessions?limit=50"),
    },
    Endpoint {
        name: "create session",
        plan: CREATE,
        hashes: 0,
        call: Client::create,
    },
    Endpoint {
        name: "change session",
        plan: "read:7 commit:5x120",
        hashes: 0,
        call: |client| {
            let path = format!("/v5/sessions/{}", client.session);
            client.changes += 1;
            // A change to the same name would write nothing.
            let body = json!({ "name": format!("Changed {}", client.changes) });
            client.send("PATCH", &path, Some(&body)).0
        },
    },
    Endpoint {
        name: "delete session",
        plan: "read:7 commit:8x80",
        hashes: 0,
        call: |client| {
            client.create();
            let path = format!("/v5/sessions/{}", client.created.pop().expect("a session was created"));
            client.send("DELETE", &path, None).0
        },
    },
    Endpoint {
        name: "list events",
        plan: "read:3+50r",
        hashes: 0,
        call: |client| client.get("/v5/audit?limit=50"),
    },
    Endpoint {
        name: "usage",
        plan: "read:6",
        hashes: 0,
        call: |client| client.get("/v5/users/me/usage"),
    },
    Endpoint {
        name: "list logins",
        plan: "read:2+2r",
        hashes: 0,
        call: |client| client.get("/v5/auth/logins"),
    },
    Endpoint {
        name: "refresh",
        plan: "read:5 commit:5x200",
        hashes: 0,
        call: |client| {
            let body = json!({ "refreshToken": client.refresh_token });
            let (elapsed, data) = client.send("POST", "/v5/auth/refresh", Some(&body));
            client.sign_in(&data);
            elapsed
        },
    },
    Endpoint {
        name: "log in",
        plan: "read:5 read:3 commit:2x120 then read:5+1r commit:9x170",
        hashes: 1,
        call: Client::log_in,
    },
    Endpoint {
        name: "log out",
        plan: "read:2 commit:5x130",
        hashes: 0,
        call: |client| {
            client.log_in();
            client.send("POST", "/v5/auth/logout", None).0
        },
    },
    Endpoint {
        name: "register",
        plan: "read:2 commit:4x60 then read:3 commit:16x150",
        hashes: 1,
        call: Client::register,
    },
];

/// The median and the 99th percentile of every endpoint.
pub(crate) fn rows(store: &Store, raw: &mut Raw, rounds: usize) -> Vec<Row> {
    let environment = [
        ("TRUSTED_PROXIES", "1"),
        ("THROTTLE_PAIR", FREE),
        ("THROTTLE_KNOWN", FREE),
        ("THROTTLE_ACCOUNT", FREE),
        ("THROTTLE_ADDRESS", FREE),
        ("THROTTLE_REGISTRATION", FREE),
        ("SWEEP_SECONDS", "0"),
    ];
    let gateway = Server::gateway_on(store, &environment);
    let mut client = Client::start(&gateway);
    let hash = Argon2::default()
        .hash_password_with_salt(PASSWORD.as_bytes(), b"sixteen bytes...")
        .expect("memory is available");
    let hash = hash.to_string();
    let mut rows = Vec::new();
    for endpoint in ENDPOINTS {
        let [mut medians, mut all]: [[Vec<f64>; 2]; 2] = Default::default();
        // The first round is warm-up.
        for round in 0..=rounds {
            let [mut measured, mut baseline] = [Vec::new(), Vec::new()];
            for _ in 0..BATCH {
                measured.push(millis((endpoint.call)(&mut client)));
                let hashing: Duration = (0..endpoint.hashes).map(|_| verify(&hash)).sum();
                baseline.push(millis(raw.time(endpoint.plan) + hashing));
            }
            if round > 0 {
                for (side, times) in [measured, baseline].into_iter().enumerate() {
                    medians[side].push(quantile_of(&times, 0.5));
                    all[side].extend(times);
                }
            }
        }
        let name = format!("{}, p50", endpoint.name);
        let [measured, baseline] = &medians;
        rows.push(Row::paired(
            name,
            "ms",
            measured,
            (BASELINE, baseline),
            Goal::AtMost(1.15),
        ));
        let name = format!("{}, p99", endpoint.name);
        let [measured, baseline] = all.map(|times| quantile_of(&times, 0.99));
        rows.push(Row::single(name, "ms", measured, (BASELINE, baseline), Goal::None));
    }
    drop(client);
    gateway.stop();
    rows
}

/// The time of one verification without the gateway.
fn verify(hash: &str) -> Duration {
    let hash = PasswordHash::new(hash).expect("the hash is valid");
    let start = Instant::now();
    let verified = Argon2::default().verify_password(PASSWORD.as_bytes(), &hash);
    let elapsed = start.elapsed();
    verified.expect("the password is right");
    elapsed
}

/// A user at one connection.
struct Client {
    connection: Connection,
    email: String,
    token: String,
    refresh_token: String,
    /// The session that is read and changed.
    session: String,
    /// Sessions to delete.
    created: Vec<String>,
    accounts: u32,
    changes: u32,
}

impl Client {
    fn start(gateway: &Server) -> Self {
        let mut client = Self {
            connection: Connection::open(gateway.address()),
            email: String::new(),
            token: String::new(),
            refresh_token: String::new(),
            session: String::new(),
            created: Vec::new(),
            accounts: 0,
            changes: 0,
        };
        client.register();
        for _ in 0..60 {
            client.create();
        }
        client.session = client.created.pop().expect("sessions were created");
        client
    }

    /// Sends a request, and returns the time until the whole response and its `data`.
    fn send(&mut self, method: &str, path: &str, body: Option<&Value>) -> (Duration, Value) {
        let headers = if self.token.is_empty() {
            String::new()
        } else {
            format!("authorization: Bearer {}\r\n", self.token)
        };
        let body = body.map(Value::to_string).unwrap_or_default();
        let start = Instant::now();
        let (status, response) = self.connection.call(method, path, &headers, &body);
        let elapsed = start.elapsed();
        let text = String::from_utf8_lossy(&response);
        assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
        let mut response: Value = serde_json::from_slice(&response).unwrap_or_default();
        (elapsed, response["data"].take())
    }

    fn sign_in(&mut self, data: &Value) {
        self.token = text(&data["token"]);
        self.refresh_token = text(&data["refreshToken"]);
    }

    fn get(&mut self, path: &str) -> Duration {
        self.send("GET", path, None).0
    }

    fn log_in(&mut self) -> Duration {
        let body = json!({ "email": self.email, "password": PASSWORD });
        let (elapsed, data) = self.send("POST", "/v5/auth/login", Some(&body));
        self.sign_in(&data);
        elapsed
    }

    fn register(&mut self) -> Duration {
        self.accounts += 1;
        self.email = format!("endpoints-{}@example.com", self.accounts);
        let body = json!({ "email": self.email, "password": PASSWORD });
        let (elapsed, data) = self.send("POST", "/v5/auth/register", Some(&body));
        self.sign_in(&data);
        elapsed
    }

    fn create(&mut self) -> Duration {
        let draft = json!({ "name": "My Project", "workspacePath": "/workspace/test" });
        let (elapsed, data) = self.send("POST", "/v5/sessions", Some(&draft));
        self.created.push(text(&data["id"]));
        elapsed
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("the value is a string").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trips::LOWER_BOUNDS;

    #[test]
    fn the_baseline_makes_the_same_trips() {
        for endpoint in ENDPOINTS {
            // The first read also begins the transaction.
            let trips = 1 + endpoint.plan.split(' ').filter(|step| *step != "then").count();
            let bound = LOWER_BOUNDS.iter().find(|(name, _)| *name == endpoint.name);
            assert_eq!(
                bound.map(|(_, trips)| *trips as usize),
                Some(trips),
                "{}",
                endpoint.name
            );
        }
    }
}
