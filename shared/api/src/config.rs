//! Configuration: the only place that reads environment variables.
//!
//! A bad value stops the program with one sentence that names the variable. An empty variable counts as unset.

use std::ffi::OsString;
use std::fmt;
use std::io::IsTerminal as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use axum::http::Uri;
use domain::logins::Lifetime;
use jwt::Secret;

const DAY_SECONDS: u64 = 86_400;

/// Everything that a deployment can set.
#[derive(Clone, Debug)]
pub struct Config {
    /// `STORE`, `STORE_ROOT`
    pub store: kv::Settings,
    /// `JWT_…`
    pub tokens: jwt::Settings,
    /// Under Lambda, or as a server on `HOST` and `PORT`.
    pub mode: Mode,
    /// `TRUSTED_PROXIES`: how many proxies of ours a request to the server comes through. Lambda's gateways say themselves whom they
    /// saw, so it means nothing there.
    pub trusted_proxies: usize,
    /// `CORS_ALLOWED_ORIGINS`
    pub origins: Origins,
    /// `PASSWORD_MIN_LENGTH`
    pub password_min_length: usize,
    /// `LOGIN_IDLE_SECONDS`, `LOGIN_TTL_SECONDS`
    pub login: Lifetime,
    /// `RUST_LOG`, `LOG_FORMAT`
    pub logs: Logs,
}

/// How requests arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From the Lambda Runtime API.
    Lambda,
    /// As HTTP on this address; port 0 is a free one.
    Server(SocketAddr),
}

/// Which origins a browser may call from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All.
    Any,
    /// These.
    Listed(Vec<String>),
}

/// How much is logged, and how.
#[derive(Clone, Debug)]
pub struct Logs {
    /// A `tracing` filter.
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// A variable whose value can not be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {why}")]
pub struct ConfigError {
    variable: &'static str,
    why: String,
}

impl Config {
    /// The configuration in the process's environment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var_os(name), std::io::stderr().is_terminal())
    }

    fn read(lookup: impl Fn(&str) -> Option<OsString>, on_terminal: bool) -> Result<Self, ConfigError> {
        let vars = Variables { lookup };
        let mode = if vars.text("AWS_LAMBDA_RUNTIME_API")?.is_some() {
            Mode::Lambda
        } else {
            let host: IpAddr = vars
                .parsed("HOST", "an IP address")?
                .unwrap_or(IpAddr::from([127, 0, 0, 1]));
            Mode::Server((host, vars.parsed("PORT", "a port number")?.unwrap_or(8080)).into())
        };
        Ok(Self {
            store: vars.store()?,
            tokens: vars.tokens()?,
            mode,
            trusted_proxies: vars.number("TRUSTED_PROXIES", 0..=16)?.unwrap_or(0),
            origins: vars.origins()?,
            password_min_length: vars.number("PASSWORD_MIN_LENGTH", 8..=64)?.unwrap_or(8),
            login: vars.login()?,
            logs: vars.logs(on_terminal)?,
        })
    }
}

struct Variables<F> {
    lookup: F,
}

impl<F: Fn(&str) -> Option<OsString>> Variables<F> {
    fn text(&self, variable: &'static str) -> Result<Option<String>, ConfigError> {
        match (self.lookup)(variable)
            .filter(|value| !value.is_empty())
            .map(OsString::into_string)
        {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(_)) => Err(refused(variable, "is not UTF-8")),
        }
    }

    fn parsed<T: FromStr>(&self, variable: &'static str, what: &str) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.text(variable)? else {
            return Ok(None);
        };
        value
            .parse()
            .map(Some)
            .map_err(|_| refused(variable, format!("must be {what}, and is `{value}`")))
    }

    fn number<T>(&self, variable: &'static str, range: std::ops::RangeInclusive<T>) -> Result<Option<T>, ConfigError>
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        match self.parsed(variable, &what)? {
            Some(number) if !range.contains(&number) => {
                Err(refused(variable, format!("must be {what}, and is `{number}`")))
            }
            number => Ok(number),
        }
    }

    fn store(&self) -> Result<kv::Settings, ConfigError> {
        let store = self.text("STORE")?.unwrap_or_else(|| "lmdb:.data/store".to_owned());
        let engine = match store.split_once(':') {
            Some(("lmdb", folder)) if !folder.is_empty() => kv::Engine::Lmdb(PathBuf::from(folder)),
            None if store == "fdb" => self.foundationdb()?,
            _ => {
                let why = format!("must be `fdb`, or `lmdb:` and a folder, and is `{store}`");
                return Err(refused("STORE", why));
            }
        };
        let root = self.text("STORE_ROOT")?.unwrap_or_else(|| "v5".to_owned());
        if root.len() > 64 {
            return Err(refused(
                "STORE_ROOT",
                "must have at most 64 bytes: it is a part of every key",
            ));
        }
        Ok(kv::Settings {
            root,
            ..kv::Settings::new(engine)
        })
    }

    #[cfg(feature = "fdb")]
    fn foundationdb(&self) -> Result<kv::Engine, ConfigError> {
        let cluster = match (self.text("FDB_CLUSTER_FILE")?, self.text("FDB_CLUSTER")?) {
            (Some(file), _) => kv::Cluster::File(PathBuf::from(file)),
            (None, Some(content)) => kv::Cluster::Content(content),
            (None, None) => kv::Cluster::Default,
        };
        Ok(kv::Engine::Fdb(cluster))
    }

    #[cfg(not(feature = "fdb"))]
    #[expect(
        clippy::unused_self,
        reason = "built with the engine, it reads the cluster's variables"
    )]
    fn foundationdb(&self) -> Result<kv::Engine, ConfigError> {
        let why = "is `fdb`, and this program was built without that engine: build it with `make build FEATURES=fdb`";
        Err(refused("STORE", why))
    }

    fn tokens(&self) -> Result<jwt::Settings, ConfigError> {
        let Some(secret) = self.secret("JWT_SECRET")? else {
            let how = "is not set; it signs the access tokens. Make one with `openssl rand -base64 48`";
            return Err(refused("JWT_SECRET", how));
        };
        Ok(jwt::Settings {
            secret,
            previous: self.secret("JWT_SECRET_PREVIOUS")?,
            ttl: Duration::from_secs(self.number("JWT_TTL_SECONDS", 1..=365 * 86_400)?.unwrap_or(86_400)),
            issuer: self
                .text("JWT_ISSUER")?
                .unwrap_or_else(|| "https://api.coditect.ai".to_owned()),
            audience: self.text("JWT_AUDIENCE")?.unwrap_or_else(|| "coditect-v5".to_owned()),
        })
    }

    fn login(&self) -> Result<Lifetime, ConfigError> {
        let seconds = |variable, default| {
            let number = self.number(variable, 60..=10 * 365 * DAY_SECONDS)?;
            Ok(Duration::from_secs(number.unwrap_or(default)))
        };
        Ok(Lifetime {
            idle: seconds("LOGIN_IDLE_SECONDS", 30 * DAY_SECONDS)?,
            absolute: seconds("LOGIN_TTL_SECONDS", 90 * DAY_SECONDS)?,
        })
    }

    fn secret(&self, variable: &'static str) -> Result<Option<Secret>, ConfigError> {
        let Some(value) = self.text(variable)? else {
            return Ok(None);
        };
        Secret::new(value).map(Some).map_err(|error| {
            refused(
                variable,
                format!("is too short: {error}. Make one with `openssl rand -base64 48`"),
            )
        })
    }

    fn origins(&self) -> Result<Origins, ConfigError> {
        const VARIABLE: &str = "CORS_ALLOWED_ORIGINS";
        let Some(value) = self.text(VARIABLE)? else {
            return Ok(Origins::Any);
        };
        if value.trim() == "*" {
            return Ok(Origins::Any);
        }
        let origins = value.split(',').map(|origin| {
            let origin = origin.trim();
            if is_origin(origin) {
                Ok(origin.to_owned())
            } else {
                let why = format!(
                    "must be `*` or origins like `https://app.example.com` with commas between, and has `{origin}`"
                );
                Err(refused(VARIABLE, why))
            }
        });
        origins.collect::<Result<_, _>>().map(Origins::Listed)
    }

    fn logs(&self, on_terminal: bool) -> Result<Logs, ConfigError> {
        let filter = self.text("RUST_LOG")?.unwrap_or_else(|| "info".to_owned());
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&filter) {
            return Err(refused("RUST_LOG", format!("is not a log filter: {error}")));
        }
        let format = match self.text("LOG_FORMAT")?.as_deref() {
            None if on_terminal => LogFormat::Text,
            None | Some("json") => LogFormat::Json,
            Some("text") => LogFormat::Text,
            Some(other) => {
                return Err(refused(
                    "LOG_FORMAT",
                    format!("must be `text` or `json`, and is `{other}`"),
                ));
            }
        };
        Ok(Logs { filter, format })
    }
}

/// A scheme and an authority and nothing else, as browsers send it (RFC 6454).
fn is_origin(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        uri.scheme_str()
            .is_some_and(|scheme| matches!(scheme, "http" | "https"))
            && uri
                .authority()
                .is_some_and(|authority| !authority.as_str().contains('@'))
            && !matches!(
                (uri.scheme_str(), uri.port_u16()),
                (Some("http"), Some(80)) | (Some("https"), Some(443))
            )
            && !text.ends_with('/')
            && uri.path() == "/"
            && uri.query().is_none()
            && text == text.to_ascii_lowercase()
    })
}

fn refused(variable: &'static str, why: impl Into<String>) -> ConfigError {
    ConfigError {
        variable,
        why: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: (&str, &str) = ("JWT_SECRET", "a secret that is long enough for HS256");

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(
            |name| {
                pairs
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.into())
            },
            false,
        )
    }

    #[test]
    fn a_secret_is_all_that_it_needs() {
        let config = read(&[SECRET]).unwrap();
        assert_eq!(config.mode, Mode::Server(([127, 0, 0, 1], 8080).into()));
        assert_eq!(config.trusted_proxies, 0);
        assert_eq!(config.origins, Origins::Any);
        assert_eq!(config.tokens.ttl, Duration::from_secs(86_400));
        assert_eq!(config.store.root, "v5");
        assert_eq!(config.password_min_length, 8);
        assert_eq!(config.logs.format, LogFormat::Json);
    }

    #[test]
    fn an_empty_variable_is_an_unset_one() {
        assert!(read(&[SECRET, ("PORT", ""), ("STORE", ""), ("AWS_LAMBDA_RUNTIME_API", "")]).is_ok());
        assert!(
            read(&[("JWT_SECRET", "")])
                .unwrap_err()
                .to_string()
                .starts_with("JWT_SECRET is not set")
        );
    }

    #[test]
    fn every_bad_value_is_named() {
        for (variable, value) in [
            ("JWT_SECRET_PREVIOUS", "short"),
            ("JWT_TTL_SECONDS", "0"),
            ("PORT", "65536"),
            ("HOST", "localhost"),
            ("TRUSTED_PROXIES", "-1"),
            ("TRUSTED_PROXIES", "17"),
            ("TRUSTED_PROXIES", "10.0.0.0/8"),
            ("STORE", "lmdb:"),
            ("STORE", "postgres"),
            ("STORE", "fdb:file"),
            ("CORS_ALLOWED_ORIGINS", "https://a.example.com/"),
            ("CORS_ALLOWED_ORIGINS", "https://a.example.com:443"),
            ("CORS_ALLOWED_ORIGINS", "https://a.example.com, *"),
            ("PASSWORD_MIN_LENGTH", "7"),
            ("RUST_LOG", "info,=nonsense=="),
            ("LOG_FORMAT", "xml"),
        ] {
            let error = read(&[SECRET, (variable, value)]).expect_err(value).to_string();
            assert!(error.starts_with(&format!("{variable} ")), "{error}");
        }
        let error = read(&[("JWT_SECRET", "short")]).unwrap_err().to_string();
        assert!(
            error.contains("at least 32") && error.contains("openssl rand") && !error.contains("short secret"),
            "{error}"
        );
    }

    #[test]
    #[cfg(not(feature = "fdb"))]
    fn without_the_engine_foundationdb_is_refused_with_the_way_to_build_it() {
        let error = read(&[SECRET, ("STORE", "fdb")]).unwrap_err().to_string();
        assert!(error.starts_with("STORE ") && error.contains("FEATURES=fdb"), "{error}");
    }

    #[test]
    #[cfg(feature = "fdb")]
    fn a_cluster_is_a_file_a_content_or_the_clients_default() {
        let engine = |pairs: &[_]| {
            read(&[&[SECRET, ("STORE", "fdb")], pairs].concat())
                .unwrap()
                .store
                .engine
        };
        let (file, content) = (("FDB_CLUSTER_FILE", "/etc/f"), ("FDB_CLUSTER", "a:b@h:1"));
        assert_eq!(engine(&[]), kv::Engine::Fdb(kv::Cluster::Default));
        assert_eq!(
            engine(&[content]),
            kv::Engine::Fdb(kv::Cluster::Content("a:b@h:1".into()))
        );
        assert_eq!(
            engine(&[file, content]),
            kv::Engine::Fdb(kv::Cluster::File("/etc/f".into()))
        );
    }

    #[test]
    fn origins_are_a_list() {
        let config = read(&[
            SECRET,
            ("CORS_ALLOWED_ORIGINS", "https://a.example.com , http://localhost:3000"),
        ])
        .unwrap();
        assert_eq!(
            config.origins,
            Origins::Listed(vec!["https://a.example.com".into(), "http://localhost:3000".into()])
        );
    }
}
