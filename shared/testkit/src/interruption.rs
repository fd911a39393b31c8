//! Work between the two transactions of a request that verifies a password.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use domain::password::Hasher;
use domain::{Clock, Env, Timestamp, UserId, users};
use kv::{Db, Key};
use serde_json::Value;
use tokio::runtime::Builder;

/// Executes `work` after the environment's first verification of a password, before its request does anything else.
///
/// The request reads the clock then, and this clock lets it wait. The work has a thread and a runtime of its own.
pub fn after_verification(env: &mut Env, work: impl Future<Output = ()> + Send + 'static) {
    let run = || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be built");
        thread::spawn(move || runtime.block_on(work))
            .join()
            .expect("the work succeeds");
    };
    env.clock = Arc::new(Interruption {
        clock: env.clock.clone(),
        hasher: env.hasher.clone(),
        run: Mutex::new(Some(Box::new(run))),
    });
}

/// Replaces the hash of `user`'s password by that of `other`: another hash of the same password, if both have the same.
/// A request that has verified the password meanwhile must verify it again.
pub async fn hash_anew(db: Db, user: UserId, other: UserId) {
    let [user, other] = &[user, other].map(users::keys::user);
    let written = db.run(|txn| async move {
        let read = async |key: &Key| {
            let value = txn.get(key).await?.expect("the user exists");
            Ok::<Value, kv::Error>(serde_json::from_slice(&value).expect("a record is JSON"))
        };
        let (mut changed, other) = (read(user).await?, read(other).await?);
        changed["data"]["passwordHash"] = other["data"]["passwordHash"].clone();
        txn.set(user, changed.to_string())
    });
    written.await.expect("the user is written");
}

struct Interruption {
    clock: Arc<dyn Clock>,
    hasher: Hasher,
    run: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Clock for Interruption {
    fn now(&self) -> Timestamp {
        if self.hasher.verifications() > 0 {
            let run = self.run.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(run) = run {
                run();
            }
        }
        self.clock.now()
    }
}
