//! The real program under the Runtime API, behind each of Lambda's front doors.

use axum::http::HeaderName;
use testkit::{FRONT_DOORS, Process, RuntimeApi, Target as _, TestStore};

use crate::{PAGE, built};

#[tokio::test]
async fn the_page_and_compressed_assets_arrive_behind_every_front_door() {
    let (store, folder) = (TestStore::new(), built());
    let mut command = Process::command(env!("CARGO_BIN_EXE_web"));
    command
        .env_remove("JWT_SECRET")
        .envs(store.env())
        .env("WEB_ROOT", folder.path());
    let function = RuntimeApi::start(command).await;
    for (kind, sample) in FRONT_DOORS {
        let door = function.behind(sample);
        let page = door
            .get("/app/sessions")
            .header(HeaderName::from_static("accept"), "text/html")
            .send()
            .await;
        assert_eq!(
            (page.status.as_u16(), &page.bytes[..]),
            (200, PAGE.as_bytes()),
            "{kind}"
        );
        let asset = door
            .get("/assets/index-abc.js")
            .header(HeaderName::from_static("accept-encoding"), "br")
            .send()
            .await;
        assert_eq!(
            (asset.status.as_u16(), &asset.bytes[..]),
            (200, &b"brotli"[..]),
            "{kind}"
        );
        assert_eq!(asset.header("content-encoding"), Some("br"), "{kind}");
    }
}
