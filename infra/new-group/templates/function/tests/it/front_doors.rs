//! The real program under the Runtime API, behind each of Lambda's front doors.

use testkit::{Process, RuntimeApi, TestApp, TestStore, check_every_front_door};

use crate::create;

#[tokio::test]
async fn behaviour_is_equal_behind_every_front_door() {
    let store = TestStore::new();
    let app = TestApp::alongside_processes(things::router(), store.open());
    let alice = app.register("alice@example.com").await;
    create(&app, &alice, "one").await;
    let mut command = Process::command(env!("CARGO_BIN_EXE_things"));
    command.envs(store.env());
    let function = RuntimeApi::start(command).await;
    check_every_front_door(&function, "/v5/things", Some(&alice.token)).await;
}
