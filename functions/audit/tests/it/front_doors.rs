//! The real program under the Runtime API, behind each of Lambda's front doors.

use testkit::{FRONT_DOORS, Process, RuntimeApi, Target as _, TestApp, TestStore, check_every_front_door};

use crate::{create, page, router};

#[tokio::test]
async fn behaviour_is_equal_behind_every_front_door() {
    let store = TestStore::new();
    let app = TestApp::alongside_processes(router(), store.open());
    let alice = app.register("alice@example.com").await;
    for name in ["one", "two", "three"] {
        create(&app, &alice, name).await.created();
    }
    let mut command = Process::command(env!("CARGO_BIN_EXE_audit"));
    command.envs(store.env());
    let function = RuntimeApi::start(command).await;
    check_every_front_door(&function, "/v5/audit", Some(&alice.token)).await;

    let first = page(&app, &alice, None, 2).await;
    let cursor = first.next.unwrap();
    let second = page(&app, &alice, Some(&cursor), 2).await;
    for (kind, sample) in FRONT_DOORS {
        let path = format!("/api/v5/audit?cursor={cursor}&limit=2");
        let data = function.behind(sample).get(&path).by(&alice).send().await.ok();
        assert_eq!(data["events"].as_array().unwrap(), &second.events, "{kind}");
        assert_eq!(data["nextCursor"].as_str(), second.next.as_deref(), "{kind}");
    }
}
