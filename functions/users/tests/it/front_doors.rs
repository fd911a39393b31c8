//! The real program under the Runtime API, behind each of Lambda's front doors.

use testkit::{FRONT_DOORS, Process, RuntimeApi, Target as _, TestApp, TestStore, check_every_front_door};

use crate::{create, router, used};

#[tokio::test]
async fn behaviour_is_equal_behind_every_front_door() {
    let store = TestStore::new();
    let app = TestApp::alongside_processes(router(), store.open());
    let alice = app.register("alice@example.com").await;
    create(&app, &alice, "one", None).await.created();
    let mut command = Process::command(env!("CARGO_BIN_EXE_users"));
    command.envs(store.env());
    let function = RuntimeApi::start(command).await;
    check_every_front_door(&function, "/v5/users/me/usage", Some(&alice.token)).await;

    let expected = used(&app, &alice).await;
    assert_eq!(expected["sessions"], 1);
    for (kind, sample) in FRONT_DOORS {
        let front_door = function.behind(sample);
        let data = front_door.get("/api/v5/users/me/usage").by(&alice).send().await.ok();
        assert_eq!(data["quotas"][0]["used"], 1, "{kind}");
        assert_eq!(data["quotas"][0]["limit"], 10_000, "{kind}");
    }
}
