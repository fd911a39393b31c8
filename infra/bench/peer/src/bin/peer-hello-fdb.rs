//! Lower bound for a Lambda function on FoundationDB: `peer-hello`, which also starts FoundationDB's client and reads
//! one key before its first poll.
//!
//! `peer-hello-fdb CLUSTER_FILE`

use axum::Router;
use axum::routing::get;
use foundationdb::Database;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let file = std::env::args().nth(1).expect("the argument names the cluster file");
    // SAFETY: the handle is dropped at the end of `main`, before the process exits.
    #[expect(
        unsafe_code,
        reason = "the binding cannot check that the network is stopped before the process exits"
    )]
    let _network = unsafe { foundationdb::boot() };
    let database = Database::from_path(&file)?;
    database.create_trx()?.get(b"a key without a value", false).await?;

    // Any path and both methods, so that it accepts the same events as the functions.
    let hello = get(hello).post(hello);
    lambda_http::run(Router::new().route("/{*path}", hello)).await
}

async fn hello() -> &'static str {
    "hello"
}
