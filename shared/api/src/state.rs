//! What handlers share.

use std::ops::Deref;
use std::sync::Arc;

use domain::exports::Preparations;
use domain::files::{ChangeSignals, DirectoryCache, Downloads};
use domain::mail::outbox::Outbox;
use domain::objects::ObjectStore;
use domain::password::Hasher;
use domain::readiness::Readiness;
use domain::usage::rate::TenantRate;
use domain::users::profile::Uploads;
use domain::{Env, Limits, SystemClock, SystemRng};
use jwt::Tokens;

use crate::config::{Config, CookieOrigins};

/// The services that handlers share. Clones refer to the same services.
#[derive(Clone)]
pub struct AppState(Arc<Services>);

/// The services of a process.
pub struct Services {
    /// The environment of operations: the store, the clock, ids, randomness and limits.
    pub env: Env,
    /// Signs and verifies access tokens.
    pub tokens: Arc<Tokens>,
    /// The origins whose pages may use cookies.
    pub cookie_origins: CookieOrigins,
}

impl Deref for AppState {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}

impl AppState {
    /// The state with these services.
    pub fn new(env: Env, tokens: Arc<Tokens>, cookie_origins: CookieOrigins) -> Self {
        Self(Arc::new(Services {
            env,
            tokens,
            cookie_origins,
        }))
    }

    /// The same state with reference counts of its own, for a thread that counts references for every request.
    pub(crate) fn for_thread(&self) -> Self {
        let env = Env {
            db: self.env.db.for_thread(),
            clock: Arc::new(self.env.clock.clone()),
            ..self.env.clone()
        };
        Self::new(env, self.tokens.clone(), self.cookie_origins.clone())
    }

    /// Opens the configured store, and uses the clock and the randomness of the operating system. `objects` is the
    /// object store of a program with large files.
    pub fn open(config: &Config, objects: Option<Arc<dyn ObjectStore>>) -> Result<Self, kv::Error> {
        let db = kv::Db::open(config.store.clone())?;
        let rng = Arc::new(SystemRng);
        let clock = Arc::new(SystemClock);
        let limits = Limits {
            login: config.login,
            throttle: config.throttle,
            quotas: config.quotas,
            audit_retention: config.audit_retention,
            file_changes: config.file_changes,
            deletion_delay: config.deletion_delay,
            passwords: config.passwords,
            requires_verified_email: config.requires_verified_email,
        };
        let ids = Arc::new(domain::IdGenerator::new(clock.clone(), rng.clone()));
        let env = Env {
            db,
            clock,
            ids,
            hasher: Hasher::new(rng.clone()),
            rng,
            readiness: Readiness::default(),
            outbox: if config.mail.is_written {
                Outbox::open()
            } else {
                Outbox::default()
            },
            writes: TenantRate::default(),
            logins: TenantRate::default(),
            refreshes: TenantRate::default(),
            uploads: Uploads::default(),
            downloads: Downloads::default(),
            preparations: Preparations::default(),
            directories: DirectoryCache::default(),
            file_changes: ChangeSignals::default(),
            objects,
            limits,
        };
        let tokens = Arc::new(Tokens::new(config.tokens.clone()));
        Ok(Self::new(env, tokens, config.cookie_origins()))
    }
}

#[cfg(test)]
impl AppState {
    /// The state of a function without tokens, on a store in this folder.
    pub(crate) fn on(folder: &tempfile::TempDir) -> Self {
        let store = format!("lmdb:{}", folder.path().display());
        let lookup = |name: &str| (name == "STORE").then(|| store.clone().into());
        let config = Config::read(lookup, crate::config::TokenUse::Ignores, false);
        Self::open(&config.unwrap(), None).unwrap()
    }
}
