//! The configuration, read once from environment variables.
//!
//! A bad value stops the program with one sentence that names the variable and what is expected. `shared/api/README.md`
//! lists every variable; a test compares that list with the variables read here. Only this file reads the process's
//! environment: the files in `config/` each parse the settings of one concern.

mod accounts;
mod logging;
mod mail;
mod objects;
mod origins;
mod quotas;
mod server;
mod store;
mod throttle;
#[cfg(feature = "fdb")]
mod tls;
mod tokens;
mod traces;
mod variables;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::files::changes::Retention;
use domain::logins::Lifetime;
use domain::objects::ObjectStore;
use domain::password::Policy;
use domain::throttle::Rules;
use domain::usage::Quotas;

pub use logging::{AddressDetail, LogFormat, Logs, Stream};
pub use mail::{Mail, MailSettings, MailTransport};
pub use objects::{ObjectSettings, OpenObjects};
pub use origins::{CookieOrigins, Origins};
pub use server::{Connections, Mode, Timeouts};
pub use tokens::TokenUse;
pub use traces::{Headers, Sampler, Traces};
pub use variables::ConfigError;
use variables::Variables;

/// Everything that a deployment can set.
#[derive(Clone, Debug)]
pub struct Config {
    /// `STORE`, `STORE_ROOT`, `FDB_CLUSTER_FILE`, `FDB_CLUSTER`.
    pub store: kv::Settings,
    /// `OBJECTS`, `AWS_…`: the object store for large files, if there is one.
    pub objects: Option<ObjectSettings>,
    /// `JWT_…`.
    pub tokens: jwt::Settings,
    /// `AWS_LAMBDA_RUNTIME_API`; for a server `HOST` and `PORT`.
    pub mode: Mode,
    /// `TRUSTED_PROXIES`: the number of our own proxies between a client and the server. Unused under Lambda, where the
    /// front door reports the client address.
    pub trusted_proxies: usize,
    /// `MAX_CONNECTIONS`, `MAX_CONNECTIONS_PER_PEER`, `MAX_REQUESTS_PER_CLIENT`.
    pub connections: Connections,
    /// `IDLE_TIMEOUT_SECONDS`, `WRITE_TIMEOUT_SECONDS`.
    pub timeouts: Timeouts,
    /// `CORS_ALLOWED_ORIGINS`.
    pub origins: Origins,
    /// `PUBLIC_URL`: the base of the links in emails, whose origin also counts as the API's own.
    pub public_url: Option<String>,
    /// `LOGIN_IDLE_SECONDS`, `LOGIN_TTL_SECONDS`.
    pub login: Lifetime,
    /// `THROTTLE`, `THROTTLE_…`; `None` if nothing is throttled.
    pub throttle: Option<Rules>,
    /// `QUOTAS`, `QUOTA_…`; `None` if tenants have no limits.
    pub quotas: Option<Quotas>,
    /// `AUDIT_RETENTION_DAYS`.
    pub audit_retention: Duration,
    /// `FILE_CHANGES_RETENTION_DAYS`, `FILE_CHANGES_MAX`.
    pub file_changes: Retention,
    /// `ACCOUNT_DELETION_DAYS`.
    pub deletion_delay: Duration,
    /// `PASSWORD_POLICY`, `PASSWORD_MIN_LENGTH`.
    pub passwords: Policy,
    /// `EMAIL_VERIFICATION`: whether users whose email is not verified can use only their own account.
    pub requires_verified_email: bool,
    /// `MAIL`, `MAIL_FROM`, `MAIL_CA_FILE`.
    pub mail: Mail,
    /// `SWEEP_SECONDS`: how often a server runs its jobs; `None` if it never does.
    pub sweep_interval: Option<Duration>,
    /// `METRICS_HOST`, `METRICS_PORT`: the address of a server's metrics endpoint, if it has one; port 0 stands for any
    /// free port.
    pub metrics: Option<SocketAddr>,
    /// `OTEL_…`: where a server sends the spans of its requests, if it does.
    pub traces: Option<Traces>,
    /// `RUST_LOG`, `LOG_FORMAT`, `LOG_CLIENT_ADDRESS`, `AWS_LAMBDA_FUNCTION_NAME`.
    pub logs: Logs,
}

impl Config {
    /// The origins whose pages may use cookies.
    pub fn cookie_origins(&self) -> CookieOrigins {
        CookieOrigins::new(self.public_url.as_deref(), &self.origins)
    }

    /// The object store, for a program that opens it with `open`.
    pub(crate) fn open_objects(&self, open: Option<OpenObjects>) -> Result<Option<Arc<dyn ObjectStore>>, ConfigError> {
        let opened = open.zip(self.objects.as_ref()).map(|(open, settings)| open(settings));
        opened.transpose()
    }

    /// Reads the process's environment, for a function with this use of tokens.
    pub fn from_env(token_use: TokenUse) -> Result<Self, ConfigError> {
        Self::read(process_variable, token_use, std::io::stderr().is_terminal())
    }

    /// The address that a server with this environment listens on; every other variable is ignored.
    pub fn address_from_env() -> Result<SocketAddr, ConfigError> {
        server::address(&Variables::new(process_variable))
    }

    pub(crate) fn read(
        lookup: impl Fn(&str) -> Option<OsString>,
        token_use: TokenUse,
        on_terminal: bool,
    ) -> Result<Self, ConfigError> {
        let vars = Variables::new(lookup);
        let mode = server::mode(&vars)?;
        let store = store::settings(&vars)?;
        let public_url = mail::public_url(&vars)?;
        let mail = mail::mail(&vars, public_url.clone())?;
        Ok(Self {
            metrics: server::metrics(&vars, mode)?,
            traces: traces::traces(&vars, mode, store.engine.name())?,
            store,
            objects: objects::settings(&vars)?,
            tokens: tokens::settings(&vars, token_use)?,
            mode,
            trusted_proxies: server::trusted_proxies(&vars)?,
            connections: server::connections(&vars)?,
            timeouts: server::timeouts(&vars)?,
            origins: origins::origins(&vars)?,
            login: accounts::login(&vars)?,
            throttle: throttle::rules(&vars, mode)?,
            quotas: quotas::quotas(&vars, mode)?,
            audit_retention: quotas::audit_retention(&vars)?,
            file_changes: quotas::file_changes(&vars)?,
            deletion_delay: accounts::deletion_delay(&vars)?,
            passwords: accounts::passwords(&vars)?,
            requires_verified_email: accounts::requires_verified_email(&vars, token_use, &mail)?,
            mail,
            public_url,
            sweep_interval: server::sweep_interval(&vars)?,
            logs: logging::logs(&vars, mode, on_terminal)?,
        })
    }
}

/// `WEB_ROOT`: the folder of the web application's files; by default where they are built, below the working folder.
pub fn web_root() -> PathBuf {
    let set = process_variable("WEB_ROOT").filter(|value| !value.is_empty());
    set.map_or_else(|| PathBuf::from("functions/web/app/dist"), PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn process_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: (&str, &str) = ("JWT_SECRET", "a secret that is long enough for HS256");

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let lookup = |name: &str| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        };
        Config::read(lookup, TokenUse::Signs, false)
    }

    #[test]
    fn a_secret_is_the_only_required_variable() {
        let config = read(&[SECRET]).unwrap();
        assert_eq!(config.mode, Mode::Server(([127, 0, 0, 1], 8080).into()));
        assert_eq!(config.trusted_proxies, 0);
        assert_eq!(config.origins, Origins::Any);
        assert_eq!(config.tokens.ttl, Duration::from_secs(86_400));
        assert_eq!(config.store.root, "v5");
        assert_eq!(config.passwords, Policy::STRICT);
        assert_eq!(config.logs.format, LogFormat::Json);
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        assert!(read(&[SECRET, ("PORT", ""), ("STORE", ""), ("AWS_LAMBDA_RUNTIME_API", "")]).is_ok());
        assert!(
            read(&[("JWT_SECRET", "")])
                .unwrap_err()
                .to_string()
                .starts_with("JWT_SECRET is not set")
        );
    }

    #[test]
    fn every_error_names_the_variable() {
        for (variable, value) in [
            ("JWT_ALGORITHM", "none"),
            ("JWT_ALGORITHM", "eddsa"),
            ("JWT_SECRET_PREVIOUS", "short"),
            ("JWT_SECRET_PREVIOUS", "                                "),
            ("JWT_PUBLIC_KEY_PREVIOUS", "short"),
            ("JWT_PUBLIC_KEY_PREVIOUS", jwt::forged::PRIVATE_KEY),
            ("JWT_TTL_SECONDS", "0"),
            ("PORT", "65536"),
            ("HOST", "localhost"),
            ("TRUSTED_PROXIES", "-1"),
            ("TRUSTED_PROXIES", "17"),
            ("MAX_CONNECTIONS", "0"),
            ("MAX_CONNECTIONS_PER_PEER", "many"),
            ("MAX_REQUESTS_PER_CLIENT", "0"),
            ("IDLE_TIMEOUT_SECONDS", "0"),
            ("WRITE_TIMEOUT_SECONDS", "3601"),
            ("TRUSTED_PROXIES", "10.0.0.0/8"),
            ("STORE", "lmdb:"),
            ("STORE", "postgres"),
            ("STORE", "fdb:file"),
            ("CORS_ALLOWED_ORIGINS", "https://a.example.com/"),
            ("CORS_ALLOWED_ORIGINS", "https://a.example.com:443"),
            ("CORS_ALLOWED_ORIGINS", "https://a.example.com, *"),
            ("CORS_ALLOWED_ORIGINS", "https://*.com"),
            ("CORS_ALLOWED_ORIGINS", "https:"),
            ("PUBLIC_URL", "app.example.com"),
            ("PUBLIC_URL", "https://"),
            ("PASSWORD_MIN_LENGTH", "7"),
            ("PASSWORD_MIN_LENGTH", "65"),
            ("PASSWORD_POLICY", "Strict"),
            ("QUOTAS", "none"),
            ("QUOTA_SESSIONS", "-1"),
            ("QUOTA_STORED_BYTES", "1 GB"),
            ("QUOTA_IDEMPOTENCY_KEYS", "9007199254740993"),
            ("QUOTA_AUDIT_EVENTS", "1.5"),
            ("QUOTA_FILES", "-1"),
            ("QUOTA_SNAPSHOTS", "1e3"),
            ("QUOTA_WRITES_PER_SECOND", "0"),
            ("QUOTA_LOGINS_PER_DAY", "0"),
            ("AUDIT_RETENTION_DAYS", "0"),
            ("FILE_CHANGES_RETENTION_DAYS", "0"),
            ("FILE_CHANGES_MAX", "0"),
            ("SWEEP_SECONDS", "-1"),
            ("SWEEP_SECONDS", "86401"),
            ("RUST_LOG", "info,=nonsense=="),
            ("RUST_LOG", "info,[a span]=trace"),
            ("METRICS_PORT", "65536"),
            ("METRICS_PORT", "on"),
            ("METRICS_HOST", "localhost"),
            ("LOG_FORMAT", "xml"),
            ("LOG_CLIENT_ADDRESS", "on"),
            ("EMAIL_VERIFICATION", "on"),
            ("THROTTLE_EMAILS", "1/2"),
            ("THROTTLE_RECIPIENT", "0/1/1"),
        ] {
            let error = read(&[SECRET, (variable, value)]).expect_err(value).to_string();
            assert!(error.starts_with(&format!("{variable} ")), "{error}");
        }
    }
}
