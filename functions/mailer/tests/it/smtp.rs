//! The mailer against a real SMTP server, aiosmtpd. `make test-mail` installs it and runs these tests.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use api::config::{MailSettings, MailTransport};
use axum::http::Method;
use domain::Env;
use domain::mail::{Mail, Message, Source, store};
use domain::suppressions::ops as suppressions;
use domain::users::Email;
use mailer::Mailer;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Target as _, TestApp, TestStore};

use crate::dead_letters;
use crate::process::program;

/// A running server; it stops when this is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Closing its standard input asks it to stop, but a test that fails should not wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A certificate for `localhost`, and the folder of the accepted emails.
struct Office(TempDir);

impl Office {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(folder.path().join("certificate.pem"), certified.cert.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
        fs::create_dir(folder.path().join("mail")).unwrap();
        Self(folder)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "`make test-mail` names the Python that has aiosmtpd"
    )]
    fn serve_as(&self, mode: &str, port: u16) -> Server {
        let python = std::env::var_os("AIOSMTPD_PYTHON").expect("run `make test-mail`, which sets AIOSMTPD_PYTHON");
        let file = |name: &str| self.0.path().join(name);
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smtp_server.py"))
            .args([file("certificate.pem"), file("key.pem"), file("mail")])
            .args([&port.to_string(), mode])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line.trim().parse().expect("the server prints its port");
        Server { child, port }
    }

    /// A server that requires STARTTLS.
    fn serve(&self, port: u16) -> Server {
        self.serve_as("starttls", port)
    }

    fn mailer(&self, url: &str) -> Mailer {
        let settings = MailSettings {
            transport: MailTransport::Smtp {
                url: url.to_owned(),
                authority: Some(self.0.path().join("certificate.pem")),
            },
            from: "Coditect <noreply@example.org>".to_owned(),
            public_url: "https://ide.example.org".to_owned(),
        };
        Mailer::new(&settings).unwrap()
    }

    /// The users who have sent a password, in this order.
    fn users(&self) -> Vec<String> {
        let users = fs::read_to_string(self.0.path().join("mail.users")).unwrap();
        users.lines().map(str::to_owned).collect()
    }

    /// The emails that the server has accepted, in this order.
    fn accepted(&self) -> Vec<String> {
        let mut files: Vec<_> = fs::read_dir(self.0.path().join("mail"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        files.sort();
        files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
    }
}

fn url(port: u16) -> String {
    format!("smtp://mailer:p%40ss%20word@localhost:{port}")
}

async fn add(env: &Env, to: &str) -> Mail {
    let now = env.clock.now();
    let message = Message::PasswordChanged(Source { at: now, address: None });
    let mail = Mail::notification(env.ids.next(), env.ids.next(), Email::parse(to).unwrap(), message, now);
    let added = &mail;
    env.db.run(|txn| async move { store::add(&txn, added) }).await.unwrap();
    mail
}

async fn run(mailer: &Mailer, env: &Env) -> Value {
    serde_json::to_value(mailer.run(env.clone(), Duration::MAX).await.unwrap()).unwrap()
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run `make test-mail`"]
async fn emails_arrive_over_starttls_and_final_responses_are_final() {
    let app = TestApp::start(api::Router::new());
    let office = Office::new();
    let server = office.serve(0);
    for to in [
        "alice@example.com",
        "refused@example.com",
        "busy@example.com",
        "sender@example.com",
    ] {
        add(&app.env, to).await;
    }
    let sender = office.mailer(&url(server.port));
    assert_eq!(
        run(&sender, &app.env).await,
        json!({ "sent": 1, "postponed": 2, "dead": 1 })
    );
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(
        run(&sender, &app.env).await,
        json!({ "sent": 1, "postponed": 1, "dead": 0 })
    );
    let accepted = office.accepted();
    assert!(accepted[0].contains("To: alice@example.com") && accepted[1].contains("To: busy@example.com"));
    let letters = dead_letters(&app.env).await;
    let reason = letters[0].failure.as_deref().unwrap();
    assert!(
        letters.len() == 1 && reason.contains("550") && reason.contains("no such mailbox"),
        "{reason}"
    );
}

/// The addresses in an email, in the order in which they appear.
fn addresses(email: &str) -> Vec<String> {
    let email = crate::decoded(email);
    let starts = email.match_indices("https://").map(|(start, _)| &email[start..]);
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>');
    starts
        .map(|rest| rest.split(ends).next().unwrap().trim_end_matches(['.', ',']).to_owned())
        .collect()
}

/// Opens every address in the emails, as mail scanners do, with the token wherever they might put it.
async fn scan(app: &TestApp, emails: &[String]) -> usize {
    let mut scanned = 0;
    for address in emails.iter().flat_map(|email| addresses(email)) {
        let path = address.strip_prefix("https://ide.example.org").unwrap();
        let (page, token) = path.split_once("#token=").unwrap_or((path, ""));
        let paths = [
            format!("{page}?"),
            format!("{page}?token={token}"),
            format!("/v5/auth/email/verify?token={token}"),
            format!("/v5/auth/email/confirm?token={token}"),
            format!("/v5/auth/email/undo?token={token}"),
            format!("/v5/auth/recovery/complete?token={token}"),
        ];
        for path in &paths {
            for method in [Method::GET, Method::HEAD] {
                let path = if path.starts_with('?') { "/" } else { path };
                let response = app.request(method, path).send().await;
                assert!(response.status.is_client_error(), "{path}: {}", response.status);
            }
        }
        scanned += usize::from(!token.is_empty());
    }
    scanned
}

/// The token of the page in the newest email that has one.
fn token(emails: &[String], page: &str) -> String {
    let start = format!("https://ide.example.org/app/{page}#token=");
    let all = emails.iter().flat_map(|email| addresses(email));
    let mut found = all.filter_map(|address| address.strip_prefix(&start).map(str::to_owned));
    found
        .next_back()
        .unwrap_or_else(|| panic!("no email has a link to {page}"))
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run `make test-mail`"]
async fn a_scanner_that_opens_every_link_first_uses_no_token() {
    let app = TestApp::start(auth::router());
    let office = Office::new();
    let server = office.serve(0);
    let sender = office.mailer(&url(server.port));
    let alice = app.register("alice@example.com").await;
    // Sends the emails, has them scanned, and uses the token of the newest one.
    let use_link = async |page: &str, path: &str, more: Value| {
        run(&sender, &app.env).await;
        let emails = office.accepted();
        assert!(scan(&app, &emails).await >= 2, "each link is in both parts");
        let mut body = more;
        body["token"] = token(&emails, page).into();
        let response = app.post(path).json(&body).send().await;
        assert_eq!(response.status, 200, "{page}: {}", response.body);
        response.ok()
    };
    use_link("verify", "/v5/auth/email/verify", json!({})).await;
    let body = json!({ "email": "new@example.com", "password": "password123" });
    let change = app.post("/v5/users/me/email").by(&alice).json(&body);
    change.send().await.accepted();
    use_link("confirm-email", "/v5/auth/email/confirm", json!({})).await;
    use_link("undo-email", "/v5/auth/email/undo", json!({})).await;
    run(&sender, &app.env).await;
    let body = json!({ "email": "alice@example.com" });
    app.post("/v5/auth/recovery").json(&body).send().await.accepted();
    let password = json!({ "password": "another password" });
    let data = use_link("recover", "/v5/auth/recovery/complete", password).await;
    assert_eq!(
        (&data["user"]["email"], &data["user"]["emailVerified"]),
        (&json!("alice@example.com"), &json!(true))
    );
    run(&sender, &app.env).await;
    let last = office.accepted().pop().unwrap();
    assert!(last.contains("Your Coditect password was changed"), "{last}");
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run `make test-mail`"]
async fn a_server_that_is_away_for_a_while_loses_nothing() {
    let app = TestApp::start(api::Router::new());
    let office = Office::new();
    let server = office.serve(0);
    let port = server.port;
    drop(server);
    let sender = office.mailer(&url(port));
    for number in 0..5 {
        add(&app.env, &format!("{number}@example.com")).await;
    }
    assert_eq!(
        run(&sender, &app.env).await,
        json!({ "sent": 0, "postponed": 5, "dead": 0 })
    );
    let _server = office.serve(port);
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(
        run(&sender, &app.env).await,
        json!({ "sent": 5, "postponed": 0, "dead": 0 })
    );
    assert_eq!(office.accepted().len(), 5);
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run `make test-mail`"]
async fn an_accepted_email_does_not_wait_for_the_end_of_the_connection() {
    let app = TestApp::start(api::Router::new());
    let office = Office::new();
    let server = office.serve(0);
    let sender = office.mailer(&url(server.port));
    for number in 0..3 {
        add(&app.env, &format!("slow@{number}.example.com")).await;
    }
    assert_eq!(
        run(&sender, &app.env).await,
        json!({ "sent": 3, "postponed": 0, "dead": 0 })
    );
    assert_eq!(office.accepted().len(), 3);
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run `make test-mail`"]
async fn a_server_that_dies_after_the_data_causes_at_most_one_duplicate_with_the_same_id() {
    let app = TestApp::start(api::Router::new());
    let office = Office::new();
    let server = office.serve(0);
    let mail = add(&app.env, "cut@example.com").await;
    let sender = office.mailer(&url(server.port));
    assert_eq!(
        run(&sender, &app.env).await,
        json!({ "sent": 0, "postponed": 1, "dead": 0 })
    );
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(
        run(&sender, &app.env).await,
        json!({ "sent": 1, "postponed": 0, "dead": 0 })
    );
    let accepted = office.accepted();
    let id = format!("Message-ID: <{}@example.org>", mail.id);
    assert_eq!(accepted.len(), 2);
    assert!(accepted.iter().all(|email| email.contains(&id)), "{accepted:?}");
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run `make test-mail`"]
async fn nothing_is_sent_without_tls_or_with_a_wrong_password_or_to_an_unknown_server() {
    let app = TestApp::start(api::Router::new());
    let office = Office::new();
    let server = office.serve(0);
    let port = server.port;
    add(&app.env, "alice@example.com").await;
    for url in [
        format!("smtp://mailer:p%40ss%20word@localhost:{port}?tls=none"),
        format!("smtp://mailer:wrong@localhost:{port}"),
        // The certificate is for another name.
        format!("smtp://mailer:p%40ss%20word@127.0.0.1:{port}"),
    ] {
        let sent = run(&office.mailer(&url), &app.env).await;
        assert_eq!(sent, json!({ "sent": 0, "postponed": 1, "dead": 0 }), "{url}");
        app.clock.advance(Duration::from_secs(3600));
    }
    assert_eq!(office.accepted(), Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run `make test-mail`"]
async fn a_server_that_does_not_offer_starttls_gets_neither_password_nor_email() {
    let app = TestApp::start(api::Router::new());
    let office = Office::new();
    let server = office.serve_as("plain", 0);
    add(&app.env, "alice@example.com").await;
    let sent = run(&office.mailer(&url(server.port)), &app.env).await;
    assert_eq!(sent, json!({ "sent": 0, "postponed": 1, "dead": 0 }));
    assert_eq!((office.users(), office.accepted()), (vec![], vec![]));
    // The server would have accepted both.
    app.clock.advance(Duration::from_secs(60));
    let unprotected = format!("{}?tls=none", url(server.port));
    let sent = run(&office.mailer(&unprotected), &app.env).await;
    assert_eq!(sent, json!({ "sent": 1, "postponed": 0, "dead": 0 }));
    assert_eq!(office.users(), ["mailer"]);
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run `make test-mail`"]
async fn emails_arrive_at_a_server_with_tls_from_the_start() {
    let app = TestApp::start(api::Router::new());
    let office = Office::new();
    let server = office.serve_as("tls", 0);
    add(&app.env, "alice@example.com").await;
    let url = url(server.port).replace("smtp:", "smtps:");
    let sent = run(&office.mailer(&url), &app.env).await;
    assert_eq!(sent, json!({ "sent": 1, "postponed": 0, "dead": 0 }));
    assert_eq!(office.accepted().len(), 1);
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run `make test-mail`"]
async fn a_token_that_the_server_quotes_is_neither_logged_nor_kept() {
    const TO: &str = "quotes@example.com";
    let store = TestStore::new();
    let app = TestApp::alongside_processes(auth::router(), store.open());
    let office = Office::new();
    let server = office.serve(0);
    app.register("alice@example.com").await;
    app.register(TO).await;
    let token = app.mail_token(TO, "email.verification").await;
    let random = token.strip_prefix("coditect_mt_").unwrap();
    let output = program(&store)
        .env("RUST_LOG", "trace")
        .env("MAIL", url(server.port))
        .env("MAIL_CA_FILE", office.0.path().join("certificate.pem"))
        .env("MAIL_FROM", "Coditect <noreply@example.org>")
        .env("PUBLIC_URL", "https://ide.example.org")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary, json!({ "sent": 1, "postponed": 0, "dead": 1 }));
    assert!(office.accepted()[0].contains("To: alice@example.com"));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("an email was not sent"), "{log}");
    let letters = dead_letters(&app.env).await;
    let failure = letters[0].failure.as_deref().unwrap();
    assert_eq!(failure, "permanent error (550): 5.1.1 (link) (link)  is listed");
    // No part of the token either: its encoding in the email breaks it.
    let entries = app.all_entries().await;
    let stored = entries
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
    for text in stored.chain([log, summary.to_string()]) {
        for part in random.as_bytes().windows(8) {
            let part = std::str::from_utf8(part).unwrap();
            assert!(!text.contains(part), "{part} in {text}");
        }
    }
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run `make test-mail`"]
async fn only_a_mailbox_that_does_not_exist_is_suppressed() {
    let app = TestApp::start(api::Router::new());
    let office = Office::new();
    let server = office.serve(0);
    let sender = office.mailer(&url(server.port));
    let recipients = ["refused", "disabled", "sender", "busy"].map(|name| format!("{name}@example.com"));
    for to in &recipients {
        add(&app.env, to).await;
    }
    let sent = run(&sender, &app.env).await;
    assert_eq!(sent, json!({ "sent": 0, "postponed": 2, "dead": 2 }));
    for to in &recipients {
        let found = suppressions::find(&app.env, &Email::parse(to).unwrap()).await.unwrap();
        assert_eq!(found.is_some(), to == "refused@example.com", "{to}");
    }
    // The server does not see the next email to the suppressed address.
    drop(server);
    add(&app.env, "refused@example.com").await;
    let sent = run(&sender, &app.env).await;
    assert_eq!(sent, json!({ "sent": 0, "postponed": 0, "dead": 1 }));
}
