//! A session whose files are made through the API.

use serde_json::{Value, json};

use crate::account::Account;
use crate::programs::{Connection, Server};

/// The largest number of operations in a changeset.
pub(crate) const CHANGESET: usize = 1000;

/// A session, and a connection to the gateway.
pub(crate) struct Session {
    connection: Connection,
    headers: String,
    /// The path of the session's requests.
    path: String,
}

impl Session {
    /// Creates a session without files.
    pub(crate) async fn create(gateway: &Server, account: &Account) -> Self {
        let draft = json!({ "name": "Files", "workspacePath": "/workspace/files" });
        let client = reqwest::Client::new();
        let session = gateway.post(&client, "/v5/sessions", Some(account.token()), &draft);
        let session = session.await;
        let id = session["id"].as_str().expect("a session has an id");
        Self::open(gateway, account, &format!("/v5/sessions/{id}"))
    }

    /// A further connection to a session.
    pub(crate) fn open(gateway: &Server, account: &Account, path: &str) -> Self {
        Self {
            connection: Connection::open(gateway.address()),
            headers: format!("authorization: Bearer {}\r\n", account.token()),
            path: path.to_owned(),
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The path of a request for the content of a file.
    pub(crate) fn content(&self, file: &str) -> String {
        format!("{}/files/content?path={file}", self.path)
    }

    /// Writes a new file, and returns its digest.
    pub(crate) fn put(&mut self, file: &str, text: &str) -> String {
        let path = self.content(file);
        let (status, body) = self.connection.put(&path, &self.headers, text);
        let body = checked(status, 201, &body);
        let digest = body["data"]["digest"].as_str();
        digest.expect("a file has a digest").to_owned()
    }

    pub(crate) fn make_directory(&mut self, directory: &str) {
        let body = json!({ "path": directory }).to_string();
        self.post("directories", 201, &body);
    }

    /// Applies the operations of a changeset.
    pub(crate) fn apply(&mut self, changeset: &str) {
        self.post("changesets", 200, changeset);
    }

    fn post(&mut self, name: &str, expected: u16, json: &str) {
        let path = format!("{}/files/{name}", self.path);
        let (status, body) = self.connection.call("POST", &path, &self.headers, json);
        checked(status, expected, &body);
    }

    /// Makes a directory with this number of files. All have the same content, which their operations name by its
    /// digest.
    pub(crate) fn fill(&mut self, directory: &str, count: usize) {
        self.make_directory(directory);
        let digest = self.put(&file(directory, 0), "the same in every file");
        let numbers: Vec<usize> = (1..count).collect();
        for numbers in numbers.chunks(CHANGESET) {
            let put = |number: &usize| json!({ "op": "put", "path": file(directory, *number), "digest": digest });
            self.apply(&changeset(numbers.iter().map(put)));
        }
    }
}

/// The path of a file by its number.
pub(crate) fn file(directory: &str, number: usize) -> String {
    format!("{directory}/{number:08}.txt")
}

/// The body of a changeset.
pub(crate) fn changeset(operations: impl Iterator<Item = Value>) -> String {
    json!({ "operations": operations.collect::<Vec<_>>() }).to_string()
}

fn checked(status: u16, expected: u16, body: &[u8]) -> Value {
    assert_eq!(status, expected, "{}", String::from_utf8_lossy(body));
    serde_json::from_slice(body).expect("the response is JSON")
}
