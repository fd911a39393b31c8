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
use domain::password::{self, Policy};
use domain::throttle::{Rule, Rules};
use jwt::{PrivateKey, PublicKey, Secret, SigningKey, VerifyingKey};
use tracing_subscriber::filter::Targets;

const MAKE_PRIVATE: &str = "Make one with `openssl genpkey -algorithm ed25519`";
const MAKE_PUBLIC: &str = "Make it from the private key with `openssl pkey -pubout`";

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
    /// `LOGIN_IDLE_SECONDS`, `LOGIN_TTL_SECONDS`
    pub login: Lifetime,
    /// `THROTTLE`, `THROTTLE_…`; `None` if nothing is throttled.
    pub throttle: Option<Rules>,
    /// `PASSWORD_POLICY`, `PASSWORD_MIN_LENGTH`
    pub passwords: Policy,
    /// `SWEEP_SECONDS`: how often a server does what is done on a schedule, if it does.
    pub sweep_interval: Option<Duration>,
    /// `METRICS_PORT`: where a server tells its metrics, if it does; port 0 is a free one.
    pub metrics: Option<SocketAddr>,
    /// `RUST_LOG`, `LOG_FORMAT`, `AWS_LAMBDA_FUNCTION_NAME`
    pub logs: Logs,
}

/// What a function does with access tokens, which decides the keys that it has to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenUse {
    /// Nothing. It is given no key at all, and takes every token for a bad one.
    Ignores,
    /// It takes them in. It is never given a key to sign with, even where the environment has one.
    #[default]
    Verifies,
    /// It makes them, too.
    Signs,
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
    /// What is.
    pub filter: Targets,
    /// The form of a line.
    pub format: LogFormat,
    /// Where to.
    pub stream: Stream,
    /// The function whose metrics CloudWatch takes from the lines of its requests, which are JSON then and are always written; `None` if
    /// nobody takes any.
    pub function: Option<String>,
}

/// One of the process's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: Lambda's log, where it looks for metrics.
    Output,
    /// Standard error, where standard output is for what was asked for.
    Error,
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
    /// The configuration in the process's environment, for a function that does this with tokens.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env(token_use: TokenUse) -> Result<Self, ConfigError> {
        Self::read(
            |name| std::env::var_os(name),
            token_use,
            std::io::stderr().is_terminal(),
        )
    }

    /// Where a server with this environment listens, whatever else is in it.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn address_from_env() -> Result<SocketAddr, ConfigError> {
        let lookup = |name: &str| std::env::var_os(name);
        Variables { lookup }.address()
    }

    pub(crate) fn read(
        lookup: impl Fn(&str) -> Option<OsString>,
        token_use: TokenUse,
        on_terminal: bool,
    ) -> Result<Self, ConfigError> {
        let vars = Variables { lookup };
        let (mode, metrics) = if vars.text("AWS_LAMBDA_RUNTIME_API")?.is_some() {
            (Mode::Lambda, None)
        } else {
            let server = vars.address()?;
            let metrics: Option<u16> = vars.parsed("METRICS_PORT", "a port number")?;
            let metrics = metrics.map(|port| SocketAddr::new(server.ip(), port));
            (Mode::Server(server), metrics)
        };
        Ok(Self {
            store: vars.store()?,
            tokens: vars.tokens(token_use)?,
            mode,
            trusted_proxies: vars.number("TRUSTED_PROXIES", 0..=16)?.unwrap_or(0),
            origins: vars.origins()?,
            login: vars.login()?,
            throttle: vars.throttle(mode)?,
            passwords: vars.passwords()?,
            sweep_interval: vars.sweep_interval()?,
            metrics,
            logs: vars.logs(mode, on_terminal)?,
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

    fn address(&self) -> Result<SocketAddr, ConfigError> {
        let host: Option<IpAddr> = self.parsed("HOST", "an IP address")?;
        let port = self.parsed("PORT", "a port number")?.unwrap_or(8080);
        Ok((host.unwrap_or(IpAddr::from([127, 0, 0, 1])), port).into())
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

    fn tokens(&self, token_use: TokenUse) -> Result<jwt::Settings, ConfigError> {
        let settings = jwt::Settings {
            signing: None,
            verifying: Vec::new(),
            ttl: Duration::from_secs(self.number("JWT_TTL_SECONDS", 1..=365 * 86_400)?.unwrap_or(86_400)),
            issuer: self
                .text("JWT_ISSUER")?
                .unwrap_or_else(|| "https://api.coditect.ai".to_owned()),
            audience: self.text("JWT_AUDIENCE")?.unwrap_or_else(|| "coditect-v5".to_owned()),
        };
        if token_use == TokenUse::Ignores {
            return Ok(settings);
        }
        let (signing, current) = match self.text("JWT_ALGORITHM")?.as_deref() {
            None | Some("HS256") => self.hs256(token_use)?,
            Some("EdDSA") => self.eddsa(token_use)?,
            Some(other) => {
                let why = format!("must be `HS256` or `EdDSA`, and is `{other}`");
                return Err(refused("JWT_ALGORITHM", why));
            }
        };
        // Of both algorithms, so that a deployment can go from one to the other and back.
        let others = [
            self.secret("JWT_SECRET_PREVIOUS")?.map(VerifyingKey::Hs256),
            self.public_key("JWT_PUBLIC_KEY_PREVIOUS")?.map(VerifyingKey::EdDsa),
        ];
        Ok(jwt::Settings {
            signing,
            verifying: [Some(current)].into_iter().chain(others).flatten().collect(),
            ..settings
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

    fn throttle(&self, mode: Mode) -> Result<Option<Rules>, ConfigError> {
        const VARIABLE: &str = "THROTTLE";
        let rules = Rules::default();
        let rules = Rules {
            pair: self.rule("THROTTLE_PAIR", rules.pair)?,
            account: self.rule("THROTTLE_ACCOUNT", rules.account)?,
            address: self.rule("THROTTLE_ADDRESS", rules.address)?,
            registration: self.rule("THROTTLE_REGISTRATION", rules.registration)?,
        };
        match (self.text(VARIABLE)?.as_deref(), mode) {
            (None | Some("on"), _) => Ok(Some(rules)),
            (Some("off"), Mode::Server(_)) => Ok(None),
            (Some("off"), Mode::Lambda) => Err(refused(
                VARIABLE,
                "can not be `off` under Lambda: passwords could be guessed",
            )),
            (Some(other), _) => Err(refused(VARIABLE, format!("must be `on` or `off`, and is `{other}`"))),
        }
    }

    /// Three numbers: how many attempts are free, in how many seconds one is forgotten, and how many seconds one waits at most.
    fn rule(&self, variable: &'static str, default: Rule) -> Result<Rule, ConfigError> {
        let Some(value) = self.text(variable)? else {
            return Ok(default);
        };
        let numbers: Option<Vec<u32>> = value.split('/').map(|number| number.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[free @ 1..=100_000, regain @ 1..=86_400, max_wait @ 1..=86_400]) => Ok(Rule {
                free,
                regain: Duration::from_secs(regain.into()),
                max_wait: Duration::from_secs(max_wait.into()),
            }),
            _ => Err(refused(
                variable,
                format!(
                    "must be three numbers like `10/900/900` (free attempts, seconds until one is forgotten, the longest wait in seconds), and is `{value}`"
                ),
            )),
        }
    }

    fn hs256(&self, token_use: TokenUse) -> Result<(Option<SigningKey>, VerifyingKey), ConfigError> {
        let Some(secret) = self.secret("JWT_SECRET")? else {
            let how = "is not set; it signs the access tokens. Make one with `openssl rand -base64 48`";
            return Err(refused("JWT_SECRET", how));
        };
        let signing = (token_use == TokenUse::Signs).then(|| SigningKey::Hs256(secret.clone()));
        Ok((signing, VerifyingKey::Hs256(secret)))
    }

    fn eddsa(&self, token_use: TokenUse) -> Result<(Option<SigningKey>, VerifyingKey), ConfigError> {
        let public = self.public_key("JWT_PUBLIC_KEY")?;
        if token_use != TokenUse::Signs {
            // The private key is not looked at: what only verifies must not come to depend on having it.
            let Some(public) = public else {
                let how = format!("is not set; with JWT_ALGORITHM=EdDSA it verifies the access tokens. {MAKE_PUBLIC}");
                return Err(refused("JWT_PUBLIC_KEY", how));
            };
            return Ok((None, VerifyingKey::EdDsa(public)));
        }
        let Some(private) = self.private_key("JWT_PRIVATE_KEY")? else {
            let how = format!("is not set; with JWT_ALGORITHM=EdDSA it signs the access tokens. {MAKE_PRIVATE}");
            return Err(refused("JWT_PRIVATE_KEY", how));
        };
        let half = private.public();
        if public.is_some_and(|public| public != half) {
            let why = format!("is not the public half of JWT_PRIVATE_KEY. {MAKE_PUBLIC}");
            return Err(refused("JWT_PUBLIC_KEY", why));
        }
        Ok((Some(SigningKey::EdDsa(private)), VerifyingKey::EdDsa(half)))
    }

    fn private_key(&self, variable: &'static str) -> Result<Option<PrivateKey>, ConfigError> {
        let text = self.text(variable)?;
        let key = text.map(|text| PrivateKey::parse(&text)).transpose();
        key.map_err(|error| refused(variable, format!("{error}. {MAKE_PRIVATE}")))
    }

    fn public_key(&self, variable: &'static str) -> Result<Option<PublicKey>, ConfigError> {
        let text = self.text(variable)?;
        let key = text.map(|text| PublicKey::parse(&text)).transpose();
        key.map_err(|error| refused(variable, format!("{error}. {MAKE_PUBLIC}")))
    }

    fn sweep_interval(&self) -> Result<Option<Duration>, ConfigError> {
        let seconds = self.number("SWEEP_SECONDS", 0..=DAY_SECONDS)?.unwrap_or(60);
        Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
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

    fn passwords(&self) -> Result<Policy, ConfigError> {
        let policy = match self.text("PASSWORD_POLICY")?.as_deref() {
            None | Some("basic") => Policy::BASIC,
            Some("strict") => Policy::STRICT,
            Some(other) => {
                let why = format!("must be `basic` or `strict`, and is `{other}`");
                return Err(refused("PASSWORD_POLICY", why));
            }
        };
        let lengths = password::MIN_LENGTH..=password::MIN_LENGTH_MAX;
        let min_length = self.number("PASSWORD_MIN_LENGTH", lengths)?;
        Ok(min_length.map_or(policy, |min_length| policy.with_min_length(min_length)))
    }

    fn logs(&self, mode: Mode, on_terminal: bool) -> Result<Logs, ConfigError> {
        let filter = self.text("RUST_LOG")?.unwrap_or_else(|| "info".to_owned());
        // With a bracket begins what is asked of spans, which are on no line of ours: `Targets` would take it for a name.
        let Some(filter) = filter.parse::<Targets>().ok().filter(|_| !filter.contains('[')) else {
            let why =
                format!("must be a level like `info`, or levels of parts like `warn,domain=debug`, and is `{filter}`");
            return Err(refused("RUST_LOG", why));
        };
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
        let (stream, function) = match mode {
            Mode::Server(_) => (Stream::Error, None),
            // Somebody runs the function on their own machine, and reads what it says.
            Mode::Lambda if on_terminal => (Stream::Output, None),
            Mode::Lambda => {
                let name = self.text("AWS_LAMBDA_FUNCTION_NAME")?;
                (Stream::Output, Some(name.unwrap_or_else(|| "unknown".to_owned())))
            }
        };
        Ok(Logs {
            filter,
            format,
            stream,
            function,
        })
    }
}

/// A scheme and an authority and nothing else, as browsers send it (RFC 6454).
fn is_origin(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        uri.scheme_str()
            .is_some_and(|scheme| matches!(scheme, "http" | "https"))
            && uri
                .authority()
                .is_some_and(|authority| !authority.as_str().contains(['@', '*']))
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

    const EDDSA: (&str, &str) = ("JWT_ALGORITHM", "EdDSA");
    const PRIVATE: (&str, &str) = ("JWT_PRIVATE_KEY", jwt::forged::PRIVATE_KEY);
    const PUBLIC: (&str, &str) = ("JWT_PUBLIC_KEY", jwt::forged::PUBLIC_KEY);

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        read_for(TokenUse::Signs, pairs)
    }

    fn read_for(token_use: TokenUse, pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(
            |name| {
                pairs
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.into())
            },
            token_use,
            false,
        )
    }

    /// What can be done with tokens: how they are signed, and how many keys verify.
    fn keys(token_use: TokenUse, pairs: &[(&str, &str)]) -> (Option<&'static str>, usize) {
        let tokens = read_for(token_use, pairs).unwrap().tokens;
        let signing = tokens.signing.map(|key| match key {
            SigningKey::Hs256(_) => "HS256",
            SigningKey::EdDsa(_) => "EdDSA",
        });
        (signing, tokens.verifying.len())
    }

    #[test]
    fn a_secret_is_all_that_it_needs() {
        let config = read(&[SECRET]).unwrap();
        assert_eq!(config.mode, Mode::Server(([127, 0, 0, 1], 8080).into()));
        assert_eq!(config.trusted_proxies, 0);
        assert_eq!(config.origins, Origins::Any);
        assert_eq!(config.tokens.ttl, Duration::from_secs(86_400));
        assert_eq!(config.store.root, "v5");
        assert_eq!(config.passwords, Policy::BASIC);
        assert_eq!(config.logs.format, LogFormat::Json);
    }

    #[test]
    fn a_throttle_is_three_numbers_and_can_be_off_only_where_no_gateway_is() {
        let throttle = |pairs: &[(&str, &str)]| read(&[&[SECRET], pairs].concat()).map(|config| config.throttle);
        assert_eq!(throttle(&[]), Ok(Some(Rules::default())));
        assert_eq!(throttle(&[("THROTTLE", "off")]), Ok(None));
        let rule = throttle(&[("THROTTLE_PAIR", "3/60/7")]).unwrap().unwrap().pair;
        assert_eq!((rule.free, rule.regain.as_secs(), rule.max_wait.as_secs()), (3, 60, 7));
        for pairs in [
            &[("THROTTLE", "no")][..],
            &[("THROTTLE_PAIR", "3/60")],
            &[("THROTTLE_ACCOUNT", "0/60/60")],
            &[("THROTTLE_ADDRESS", "3/60/60/60")],
            &[("THROTTLE_REGISTRATION", "three/60/60")],
            &[("THROTTLE", "off"), ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")],
        ] {
            let error = throttle(pairs).unwrap_err().to_string();
            assert!(error.starts_with(pairs[0].0), "{error}");
        }
    }

    #[test]
    fn a_login_lives_for_thirty_days_unused_and_ninety_in_all() {
        let days = |lifetime: Lifetime| {
            (
                lifetime.idle.as_secs() / DAY_SECONDS,
                lifetime.absolute.as_secs() / DAY_SECONDS,
            )
        };
        assert_eq!(days(read(&[SECRET]).unwrap().login), (30, 90));
        let set = [SECRET, ("LOGIN_IDLE_SECONDS", "86400"), ("LOGIN_TTL_SECONDS", "172800")];
        assert_eq!(days(read(&set).unwrap().login), (1, 2));
        let error = read(&[SECRET, ("LOGIN_TTL_SECONDS", "5")]).unwrap_err().to_string();
        assert!(
            error.starts_with("LOGIN_TTL_SECONDS must be a whole number from 60"),
            "{error}"
        );
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
            ("JWT_ALGORITHM", "none"),
            ("JWT_ALGORITHM", "eddsa"),
            ("JWT_SECRET_PREVIOUS", "short"),
            ("JWT_PUBLIC_KEY_PREVIOUS", "short"),
            ("JWT_PUBLIC_KEY_PREVIOUS", jwt::forged::PRIVATE_KEY),
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
            ("CORS_ALLOWED_ORIGINS", "https://*.example.com"),
            ("PASSWORD_MIN_LENGTH", "7"),
            ("PASSWORD_MIN_LENGTH", "65"),
            ("PASSWORD_POLICY", "Strict"),
            ("SWEEP_SECONDS", "-1"),
            ("SWEEP_SECONDS", "86401"),
            ("RUST_LOG", "info,=nonsense=="),
            ("RUST_LOG", "info,[a span]=trace"),
            ("METRICS_PORT", "65536"),
            ("METRICS_PORT", "on"),
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
    fn a_length_overrides_the_password_policys_own() {
        let passwords = |pairs: &[_]| read(&[&[SECRET], pairs].concat()).unwrap().passwords;
        let strict = ("PASSWORD_POLICY", "strict");
        assert_eq!(passwords(&[("PASSWORD_POLICY", "basic")]), Policy::BASIC);
        assert_eq!(passwords(&[strict]), Policy::STRICT);
        assert_eq!(
            passwords(&[("PASSWORD_MIN_LENGTH", "64")]),
            Policy::BASIC.with_min_length(64)
        );
        assert_eq!(
            passwords(&[strict, ("PASSWORD_MIN_LENGTH", "8")]),
            Policy::STRICT.with_min_length(8)
        );
    }

    #[test]
    fn who_signs_needs_the_private_key_and_who_verifies_the_public_one() {
        use TokenUse::{Signs, Verifies};
        assert_eq!(keys(Signs, &[EDDSA, PRIVATE]), (Some("EdDSA"), 1));
        assert_eq!(keys(Signs, &[EDDSA, PRIVATE, PUBLIC]), (Some("EdDSA"), 1));
        assert_eq!(keys(Verifies, &[EDDSA, PUBLIC]), (None, 1));
        for (token_use, pairs, variable) in [
            (Signs, [EDDSA].as_slice(), "JWT_PRIVATE_KEY is not set"),
            (Signs, &[EDDSA, PUBLIC], "JWT_PRIVATE_KEY is not set"),
            (Signs, &[EDDSA, SECRET], "JWT_PRIVATE_KEY is not set"),
            (Verifies, &[EDDSA], "JWT_PUBLIC_KEY is not set"),
            (Verifies, &[EDDSA, SECRET], "JWT_PUBLIC_KEY is not set"),
            (Verifies, &[EDDSA, PRIVATE], "JWT_PUBLIC_KEY is not set"),
            (Verifies, &[PUBLIC], "JWT_SECRET is not set"),
        ] {
            let error = read_for(token_use, pairs).unwrap_err().to_string();
            assert!(error.starts_with(variable) && error.contains("`openssl "), "{error}");
        }
    }

    #[test]
    fn a_function_that_ignores_tokens_needs_no_key_and_is_given_none() {
        assert_eq!(keys(TokenUse::Ignores, &[]), (None, 0));
        assert_eq!(keys(TokenUse::Ignores, &[SECRET, PRIVATE, PUBLIC]), (None, 0));
    }

    #[test]
    fn a_function_that_does_not_sign_is_given_no_key_for_it() {
        assert_eq!(keys(TokenUse::Signs, &[SECRET]), (Some("HS256"), 1));
        assert_eq!(keys(TokenUse::Verifies, &[SECRET]), (None, 1));
        assert_eq!(keys(TokenUse::Verifies, &[EDDSA, PRIVATE, PUBLIC]), (None, 1));
        let unread = ("JWT_PRIVATE_KEY", "none");
        assert_eq!(keys(TokenUse::Verifies, &[EDDSA, unread, PUBLIC]), (None, 1));
    }

    #[test]
    fn a_previous_key_of_either_algorithm_verifies_beside_the_current_one() {
        let secret = ("JWT_SECRET_PREVIOUS", "an older secret that is long enough");
        let public = ("JWT_PUBLIC_KEY_PREVIOUS", jwt::forged::PUBLIC_KEY);
        for current in [[SECRET].as_slice(), &[EDDSA, PRIVATE, PUBLIC]] {
            for (previous, count) in [([secret].as_slice(), 2), (&[public], 2), (&[secret, public], 3)] {
                let pairs = [current, previous].concat();
                assert_eq!(keys(TokenUse::Signs, &pairs).1, count);
                assert_eq!(keys(TokenUse::Verifies, &pairs).1, count);
            }
        }
    }

    #[test]
    fn a_current_key_of_the_other_algorithm_is_not_looked_at() {
        let pairs = [EDDSA, PRIVATE, ("JWT_SECRET", "short")];
        assert_eq!(keys(TokenUse::Signs, &pairs), (Some("EdDSA"), 1));
        let pairs = [SECRET, ("JWT_PRIVATE_KEY", "none"), ("JWT_PUBLIC_KEY", "none")];
        assert_eq!(keys(TokenUse::Signs, &pairs), (Some("HS256"), 1));
    }

    #[test]
    fn a_bad_key_is_named_and_not_shown() {
        let other = jwt::forged::OTHER_PRIVATE_KEY;
        for (pairs, start) in [
            (
                [PRIVATE, ("JWT_PUBLIC_KEY", "marked")],
                "JWT_PUBLIC_KEY is not an Ed25519 public key",
            ),
            (
                [PRIVATE, ("JWT_PUBLIC_KEY", PRIVATE.1)],
                "JWT_PUBLIC_KEY is not an Ed25519 public key",
            ),
            (
                [("JWT_PRIVATE_KEY", "marked"), PUBLIC],
                "JWT_PRIVATE_KEY is not an Ed25519 private key",
            ),
            (
                [("JWT_PRIVATE_KEY", PUBLIC.1), PUBLIC],
                "JWT_PRIVATE_KEY is not an Ed25519 private key",
            ),
            (
                [("JWT_PRIVATE_KEY", other), PUBLIC],
                "JWT_PUBLIC_KEY is not the public half of JWT_PRIVATE_KEY",
            ),
        ] {
            let error = read(&[EDDSA, pairs[0], pairs[1]]).unwrap_err().to_string();
            assert!(error.starts_with(start) && error.contains("`openssl "), "{error}");
            assert!(!error.contains("marked") && !error.contains("MC"), "{error}");
        }
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
    fn a_server_sweeps_every_minute_if_nothing_else_is_said() {
        let interval = |pairs: &[_]| read(&[&[SECRET], pairs].concat()).unwrap().sweep_interval;
        assert_eq!(interval(&[]), Some(Duration::from_secs(60)));
        assert_eq!(interval(&[("SWEEP_SECONDS", "3")]), Some(Duration::from_secs(3)));
        assert_eq!(interval(&[("SWEEP_SECONDS", "0")]), None);
    }

    #[test]
    fn metrics_are_told_on_the_servers_host_if_they_have_a_port() {
        let metrics = |pairs: &[_]| read(&[&[SECRET], pairs].concat()).unwrap().metrics;
        assert_eq!(metrics(&[]), None);
        assert_eq!(metrics(&[("METRICS_PORT", "")]), None);
        let port = ("METRICS_PORT", "9090");
        assert_eq!(metrics(&[port]), Some(([127, 0, 0, 1], 9090).into()));
        assert_eq!(metrics(&[port, ("HOST", "0.0.0.0")]), Some(([0, 0, 0, 0], 9090).into()));
        let lambda = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1");
        assert_eq!(metrics(&[port, lambda]), None, "Lambda has no ports");
    }

    #[test]
    fn under_lambda_a_functions_lines_have_metrics_whatever_is_asked_of_the_log() {
        let logs = |pairs: &[_], on_terminal| {
            let pairs = [&[SECRET], pairs].concat();
            let read = Config::read(
                |name| {
                    pairs
                        .iter()
                        .find(|(key, _)| *key == name)
                        .map(|(_, value)| (*value).into())
                },
                TokenUse::Signs,
                on_terminal,
            );
            let logs = read.unwrap().logs;
            (logs.stream, logs.function, logs.format)
        };
        let (lambda, name) = (
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"),
            ("AWS_LAMBDA_FUNCTION_NAME", "auth"),
        );
        let auth = || Some("auth".to_owned());
        assert_eq!(logs(&[lambda, name], false), (Stream::Output, auth(), LogFormat::Json));
        let text = ("LOG_FORMAT", "text");
        assert_eq!(
            logs(&[lambda, name, text], false),
            (Stream::Output, auth(), LogFormat::Text)
        );
        assert_eq!(logs(&[lambda, name], true), (Stream::Output, None, LogFormat::Text));
        assert_eq!(logs(&[lambda], false).1, Some("unknown".to_owned()));
        assert_eq!(logs(&[name], false), (Stream::Error, None, LogFormat::Json));
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
