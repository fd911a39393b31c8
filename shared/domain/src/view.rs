//! Reads of a whole store, for checks and exports.

use kv::{Db, Txn};

use crate::error::Result;

/// The store, read in steps.
pub(crate) enum View {
    /// All steps read the store as of the same moment.
    Moment(Txn),
    /// Each step reads in a transaction of its own, because the engine keeps no snapshot for longer.
    Steps(Db),
}

impl View {
    pub(crate) fn open(db: &Db) -> Result<Self> {
        let reader = db.long_reader()?;
        Ok(reader.map_or_else(|| Self::Steps(db.clone()), Self::Moment))
    }

    /// Executes `body`, which only reads. Its reads are of one moment.
    pub(crate) async fn step<T, F, Fut>(&self, body: F) -> Result<T>
    where
        F: Fn(Txn) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        match self {
            Self::Moment(txn) => body(txn.clone()).await,
            Self::Steps(db) => db.run(body).await,
        }
    }
}
