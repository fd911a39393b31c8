//! Suppressing the addresses that an email service reports.

use futures_util::future::try_join_all;

use crate::env::Env;
use crate::error::Result;
use crate::suppressions::{Reason, Suppression, store};
use crate::users::Email;

/// The number of addresses of one transaction.
const BATCH: usize = 100;

/// Suppresses these addresses, and returns how many were not suppressed before. The same report may arrive twice.
pub async fn suppress(env: &Env, emails: &[Email], reason: Reason) -> Result<usize> {
    let at = env.clock.now();
    let suppression = &Suppression { reason, at };
    let mut added = 0;
    for batch in emails.chunks(BATCH) {
        let older = env.db.run(|txn| async move {
            let adds = batch.iter().map(|email| store::add(&txn, email, suppression));
            try_join_all(adds).await
        });
        added += older.await?.iter().filter(|older| older.is_none()).count();
    }
    Ok(added)
}

/// Why nothing is sent to this address; `None` if it is not suppressed.
pub async fn find(env: &Env, email: &Email) -> Result<Option<Suppression>> {
    env.db.run(|txn| async move { store::find(&txn, email).await }).await
}
