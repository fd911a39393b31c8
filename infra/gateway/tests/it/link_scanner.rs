//! Mail scanners open every address of every email before the user does. On the whole API and the web application, none
//! uses a token, so that each link still works afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::config::{MailSettings, MailTransport};
use axum::http::Method;
use mailer::Mailer;
use serde_json::{Value, json};
use testkit::{Target as _, TestApp, TestStore};

const PUBLIC_URL: &str = "https://ide.example.org";

/// The mailer, which writes emails into a folder, and the emails that were scanned.
struct Mailbox {
    mailer: Mailer,
    folder: PathBuf,
    seen: BTreeSet<PathBuf>,
}

impl Mailbox {
    fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let settings = MailSettings {
            transport: MailTransport::File(folder.to_owned()),
            from: "Coditect <noreply@example.org>".to_owned(),
            public_url: PUBLIC_URL.to_owned(),
        };
        Self {
            mailer: Mailer::new(&settings).unwrap(),
            folder: folder.to_owned(),
            seen: BTreeSet::new(),
        }
    }

    /// Sends the emails that wait, and returns the addresses in them.
    async fn receive(&mut self, app: &TestApp) -> Vec<String> {
        self.mailer.run(app.env.clone(), Duration::MAX).await.unwrap();
        let files = fs::read_dir(&self.folder).unwrap().map(|file| file.unwrap().path());
        let new: Vec<_> = files.filter(|file| self.seen.insert(file.clone())).collect();
        let emails = new.iter().map(|file| fs::read_to_string(file).unwrap());
        emails.flat_map(|email| addresses(&email)).collect()
    }
}

/// The addresses in an email, whose long lines are encoded as quoted-printable (RFC 2045).
fn addresses(email: &str) -> Vec<String> {
    let joined = email.replace("=\r\n", "").replace("=\n", "").replace("=3D", "=");
    let starts = joined.match_indices(PUBLIC_URL).map(|(start, _)| &joined[start..]);
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>');
    starts
        .map(|rest| rest.split(ends).next().unwrap().trim_end_matches(['.', ',']).to_owned())
        .collect()
}

/// The stored mail tokens.
async fn stored(app: &TestApp) -> Vec<kv::Entry> {
    let mut entries = app.all_entries().await;
    entries.retain(|entry| format!("{:?}", entry.key).contains("mail_tokens"));
    entries
}

/// Opens the addresses, and every route of accounts that a scanner might guess, with the token wherever it might put
/// it. Returns the number of links.
async fn scan(app: &TestApp, addresses: &[String]) -> usize {
    let all = gateway::router();
    let paths = all.routes().iter().map(|route| route.path.clone());
    let accounts: BTreeSet<String> = paths
        .filter(|path| path.contains("/auth/") && !path.contains('{'))
        .map(|path| format!("/v5{}", path.trim_start_matches("/v5")))
        .collect();
    assert!(accounts.contains("/v5/auth/recovery/complete"), "{accounts:?}");
    let mut links = 0;
    for address in addresses {
        let path = address.strip_prefix(PUBLIC_URL).unwrap();
        let (page, token) = path.split_once("#token=").unwrap_or((path, ""));
        let page = if page.is_empty() { "/" } else { page };
        let pages = [page.to_owned(), format!("{page}?token={token}")];
        let guesses = accounts.iter().map(|path| format!("{path}?token={token}"));
        for path in pages.into_iter().chain(guesses) {
            for method in [Method::GET, Method::HEAD] {
                let response = app.request(method, &path).send().await;
                assert!(!response.status.is_server_error(), "{path}: {}", response.status);
            }
        }
        links += usize::from(!token.is_empty());
    }
    links
}

/// Sends the emails, has them scanned, and uses the token of the one with a link to this page.
async fn use_link(app: &TestApp, mailbox: &mut Mailbox, page: &str, path: &str, more: Value) -> Value {
    let addresses = mailbox.receive(app).await;
    let before = stored(app).await;
    assert!(scan(app, &addresses).await >= 2, "each link is in both parts");
    assert!(stored(app).await == before, "a scanner has changed a token");
    let start = format!("{PUBLIC_URL}/app/{page}#token=");
    let token = addresses.iter().find_map(|address| address.strip_prefix(&start));
    let mut body = more;
    body["token"] = token.unwrap_or_else(|| panic!("no link to {page}")).into();
    app.post(path).json(&body).send().await.ok()
}

#[tokio::test]
async fn a_scanner_that_opens_every_link_first_uses_no_token() {
    let store = TestStore::new();
    let app = TestApp::on(gateway::router(), store.open());
    let mut mailbox = Mailbox::new(&store.folder().join("mail"));
    let alice = app.register("alice@example.com").await;
    let nothing = json!({});
    use_link(&app, &mut mailbox, "verify", "/v5/auth/email/verify", nothing.clone()).await;
    let body = json!({ "email": "new@example.com", "password": "password123" });
    let change = app.post("/v5/users/me/email").by(&alice).json(&body);
    change.send().await.accepted();
    let (confirm, undo) = ("/v5/auth/email/confirm", "/v5/auth/email/undo");
    use_link(&app, &mut mailbox, "confirm-email", confirm, nothing.clone()).await;
    use_link(&app, &mut mailbox, "undo-email", undo, nothing).await;
    // The email about the undo has a link to recover the account, which the next request replaces.
    assert!(scan(&app, &mailbox.receive(&app).await).await >= 2);
    let body = json!({ "email": "alice@example.com" });
    app.post("/v5/auth/recovery").json(&body).send().await.accepted();
    let body = json!({ "password": "another password" });
    let data = use_link(&app, &mut mailbox, "recover", "/v5/auth/recovery/complete", body).await;
    assert_eq!(data["user"]["email"], "alice@example.com");
}
