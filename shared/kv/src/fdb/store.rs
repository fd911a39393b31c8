//! A connection to a cluster, and the registry of open connections.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use foundationdb::Database;
use foundationdb::options::TransactionOption;

use super::cluster_file::{Cluster, locate};
use super::failure::failure;
use super::network;
use super::transaction::Transaction;
use crate::error::Error;
use crate::sync::lock;

/// Margin between a transaction's deadline and the client's timeout, so that the deadline always fires first.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(1);
/// Longest pause between two attempts, in milliseconds.
const MAX_RETRY_DELAY_MS: i32 = 250;

/// The clusters that this process has open, by cluster file: one connection to each is enough.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<Store>>> = Mutex::new(BTreeMap::new());

/// A connection to a cluster.
pub(crate) struct Store {
    database: Database,
}

impl Store {
    pub(crate) fn open(cluster: &Cluster) -> Result<Arc<Self>, Error> {
        let file = locate(cluster)?;
        let mut open = lock(&OPEN);
        open.retain(|_, store| store.strong_count() > 0);
        if let Some(store) = open.get(&file).and_then(Weak::upgrade) {
            return Ok(store);
        }
        network::start()?;
        let error = |why: String| Error::Cluster {
            file: file.clone(),
            why,
        };
        let path = file.to_str().ok_or_else(|| error("its name is not UTF-8".to_owned()))?;
        let database = Database::from_path(path).map_err(|why| error(why.to_string()))?;
        let store = Arc::new(Self { database });
        open.insert(file, Arc::downgrade(&store));
        Ok(store)
    }

    /// Begins a transaction with a timeout a little after `deadline`. With `version`, it reads at that version and does
    /// not request one from the cluster.
    pub(crate) fn begin(
        &self,
        deadline: Duration,
        max_attempts: u32,
        version: Option<i64>,
    ) -> Result<Transaction, Error> {
        network::check()?;
        let native = self.database.create_trx().map_err(failure)?;
        let timeout = deadline.saturating_add(TIMEOUT_MARGIN).as_millis();
        for option in [
            TransactionOption::Timeout(i32::try_from(timeout).unwrap_or(i32::MAX)),
            TransactionOption::RetryLimit(i32::try_from(max_attempts).unwrap_or(i32::MAX)),
            TransactionOption::MaxRetryDelay(MAX_RETRY_DELAY_MS),
        ] {
            native.set_option(option).map_err(failure)?;
        }
        if let Some(version) = version {
            native.set_read_version(version);
        }
        Ok(Transaction::new(native, version.is_some()))
    }
}
