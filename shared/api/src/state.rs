//! What handlers share.

use std::sync::Arc;

use domain::Env;
use domain::env::{Limits, SystemClock, SystemRng};
use domain::secret::Hasher;
use jwt::Tokens;

use crate::config::Config;

/// What handlers share; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// What operations need.
    pub env: Env,
    /// Signs and verifies access tokens.
    pub tokens: Arc<Tokens>,
}

impl AppState {
    /// Opens the store and takes the machine's clock and randomness.
    pub fn open(config: &Config) -> Result<Self, kv::Error> {
        let db = kv::Db::open(config.store.clone())?;
        let rng = Arc::new(SystemRng);
        let clock = Arc::new(SystemClock);
        let limits = Limits {
            login: config.login,
            throttle: config.throttle,
            passwords: config.passwords,
        };
        let ids = Arc::new(domain::Ids::new(clock.clone(), rng.clone()));
        let env = Env {
            db,
            clock,
            ids,
            hasher: Hasher::new(rng.clone()),
            rng,
            limits,
        };
        Ok(Self {
            env,
            tokens: Arc::new(Tokens::new(config.tokens.clone())),
        })
    }
}
