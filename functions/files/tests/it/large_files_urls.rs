//! Large files in an object store with URLs: clients send and read the bytes themselves.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use api::large_files::LargeFiles;
use axum::body::Bytes;
use axum::http::Method;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH, RANGE};
use domain::objects::{Call, ObjectError, ObjectKey, ObjectStore, PartLengths, SignedRequest, StoredPart};
use serde_json::json;
use tempfile::TempDir;
use testkit::{Code, TestApp, TestResponse};

use crate::large_files::{MIB, below, commit, digest, in_folder, send};
use crate::{Workspace, etag};

/// S3's smallest part.
const PART: usize = 5 * MIB;

/// A bucket that signs requests, with its objects in a folder: a client's requests to it arrive there.
#[derive(Debug)]
struct Bucket {
    urls: LargeFiles,
    folder: LargeFiles,
}

impl ObjectStore for Bucket {
    fn part_lengths(&self) -> PartLengths {
        self.urls.part_lengths()
    }

    fn create_upload<'a>(&'a self, key: &'a ObjectKey) -> Call<'a, String> {
        self.folder.create_upload(key)
    }

    fn sign_part(
        &self,
        key: &ObjectKey,
        upload: &str,
        number: u16,
        part: (u64, [u8; 32]),
    ) -> Result<Option<SignedRequest>, ObjectError> {
        self.urls.sign_part(key, upload, number, part)
    }

    fn sign_get(
        &self,
        key: &ObjectKey,
        content_type: &str,
        content_disposition: &str,
    ) -> Result<Option<SignedRequest>, ObjectError> {
        self.urls.sign_get(key, content_type, content_disposition)
    }

    fn put_part<'a>(&'a self, key: &'a ObjectKey, upload: &'a str, number: u16, bytes: Bytes) -> Call<'a, ()> {
        self.folder.put_part(key, upload, number, bytes)
    }

    fn list_parts<'a>(&'a self, key: &'a ObjectKey, upload: &'a str) -> Call<'a, Vec<StoredPart>> {
        self.folder.list_parts(key, upload)
    }

    fn complete<'a>(&'a self, key: &'a ObjectKey, upload: &'a str, parts: &'a [StoredPart]) -> Call<'a, ()> {
        self.folder.complete(key, upload, parts)
    }

    fn abort<'a>(&'a self, key: &'a ObjectKey, upload: &'a str) -> Call<'a, ()> {
        self.folder.abort(key, upload)
    }

    fn abort_older_than(&self, age: Duration) -> Call<'_, usize> {
        self.folder.abort_older_than(age)
    }

    fn read<'a>(&'a self, key: &'a ObjectKey, range: Range<u64>) -> Call<'a, Bytes> {
        self.folder.read(key, range)
    }

    fn delete<'a>(&'a self, key: &'a ObjectKey) -> Call<'a, ()> {
        self.folder.delete(key)
    }
}

async fn start() -> (Workspace, Arc<Bucket>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let variables = |name: &str| match name {
        "AWS_ACCESS_KEY_ID" => Some("AKIAIOSFODNN7EXAMPLE".to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some("wJalrXUtnFEMI".to_owned()),
        _ => None,
    };
    let mut bucket = None;
    let router = files::router().merge(sessions::router());
    let app = TestApp::with_env(router, |env| {
        let objects = "s3://bucket-a?region=eu-central-1";
        let made = Arc::new(Bucket {
            urls: LargeFiles::open(objects, &variables, env.clock.clone()).unwrap(),
            folder: in_folder(folder.path(), env),
        });
        env.objects = Some(made.clone());
        bucket = Some(made);
    });
    (Workspace::on(app).await, bucket.unwrap(), folder)
}

/// Takes a presigned part of `upload` for what its client sends to the bucket.
async fn arrive(workspace: &Workspace, bucket: &Bucket, url: &str, number: u16, bytes: &[u8]) {
    let (_, path) = url.split_once(".amazonaws.com/").unwrap();
    let (key, query) = path.split_once('?').unwrap();
    let upload = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("uploadId="))
        .unwrap();
    let tenant = workspace.alice.signed_in.tenant.id.to_string();
    assert!(key.starts_with(&tenant), "an object is in its tenant's folder: {key}");
    let key: ObjectKey = serde_json::from_value(json!(key)).unwrap();
    bucket
        .put_part(&key, upload, number, bytes.to_vec().into())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_client_sends_and_reads_a_large_file_at_presigned_urls() {
    let (workspace, bucket, _folder) = start().await;
    let bytes = [vec![1; PART], vec![2; 3]].concat();
    let body = json!({ "path": "/a b.html", "size": bytes.len(), "partSize": PART, "digest": digest(&bytes) });
    let upload = workspace.post("uploads", &body).send().await.created();
    assert_eq!(upload["mayHaveUrls"], true);
    let refused = send(&workspace, &upload, 2, &[2; 3]).await;
    refused.assert_invalid(&[""]);
    for (number, part) in (1..).zip(bytes.chunks(PART)) {
        let body = json!({ "digest": digest(part) });
        let place = below(&upload, &format!("/parts/{number}/url"));
        let request = workspace.post(&place, &body).send().await.ok()["request"].clone();
        let url = request["url"].as_str().unwrap();
        let signed = "X-Amz-SignedHeaders=content-length%3Bhost%3Bx-amz-checksum-sha256";
        assert!(
            url.starts_with("https://bucket-a.s3.eu-central-1.amazonaws.com/"),
            "{url}"
        );
        for parameter in [
            signed,
            "X-Amz-Expires=900",
            "X-Amz-Signature=",
            &format!("partNumber={number}"),
        ] {
            assert!(url.contains(parameter), "{parameter}: {url}");
        }
        assert_eq!(request["method"], "PUT");
        assert_eq!(request["headers"]["content-length"], part.len().to_string());
        let checksum = digest(part);
        let checksum = checksum.trim_start_matches("sha-256=:").trim_end_matches(':');
        assert_eq!(request["headers"]["x-amz-checksum-sha256"], checksum);
        arrive(&workspace, &bucket, url, number, part).await;
    }
    let unknown = workspace.post(&below(&upload, "/parts/3/url"), &json!({ "digest": digest(b"x") }));
    unknown.send().await.assert_problem(404, Code::NotFound);
    let entry = commit(&workspace, &upload, &json!({ "ifNoneMatch": "*" }))
        .await
        .created();
    assert_eq!(entry["digest"], digest(&bytes));

    let request = |method| workspace.request(method, "files/content?path=/a%20b.html");
    let redirected = |response: TestResponse| {
        assert_eq!(response.status, 307, "{}", response.body);
        assert!(response.bytes.is_empty());
        let location = response.header("location").unwrap().to_owned();
        assert!(
            location.starts_with("https://bucket-a.s3.eu-central-1.amazonaws.com/"),
            "{location}"
        );
        assert!(location.contains("X-Amz-SignedHeaders=host&"), "{location}");
        // A page of another origin cannot run in the bucket's.
        assert!(
            location.contains("response-content-disposition=attachment"),
            "{location}"
        );
    };
    redirected(request(Method::GET).send().await);
    redirected(request(Method::GET).header(RANGE, "bytes=1-2").send().await);
    redirected(request(Method::GET).header(IF_MATCH, etag(&entry)).send().await);
    // A URL is signed for one method, so the API responds to this itself.
    let head = request(Method::HEAD).send().await;
    assert_eq!((head.status.as_u16(), head.header("etag")), (200, Some(etag(&entry))));
    assert_eq!(head.header("content-length"), Some(&*bytes.len().to_string()));
    // The API checks conditions itself, before it redirects.
    let same = request(Method::GET).header(IF_NONE_MATCH, etag(&entry)).send().await;
    assert_eq!(same.status, 304);
    let other = request(Method::GET).header(IF_MATCH, "\"other\"").send().await;
    other.assert_problem(412, Code::PreconditionFailed);
    let beyond = request(Method::GET).header(RANGE, "bytes=9999999-").send().await;
    beyond.assert_problem(416, Code::RangeNotSatisfiable);
}
