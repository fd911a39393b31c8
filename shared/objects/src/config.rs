//! `OBJECTS`: where objects are.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use url::{Url, form_urlencoded};

/// Where the settings besides `OBJECTS` come from: the value of a variable. Production reads the process's environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The current time, for signatures and for the age of unfinished uploads.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A variable with an unusable value, or a required one that is not set. It shows no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {problem}")]
pub struct ConfigError {
    variable: &'static str,
    problem: String,
}

impl ConfigError {
    fn new(variable: &'static str, problem: impl Into<String>) -> Self {
        Self {
            variable,
            problem: problem.into(),
        }
    }

    fn objects(problem: impl Into<String>) -> Self {
        Self::new("OBJECTS", problem)
    }

    pub(crate) fn endpoint_and_bucket() -> Self {
        Self::objects("has an endpoint and a bucket that make no host name together; add `style=path`")
    }

    pub(crate) fn tls(why: impl fmt::Display) -> Self {
        Self::objects(format!("needs TLS, which cannot start here: {why}"))
    }

    pub(crate) fn folder(why: impl fmt::Display) -> Self {
        Self::objects(format!("names a folder that cannot be used: {why}"))
    }

    /// The variable to change.
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// The rest of the sentence that begins with the variable.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

#[derive(Debug)]
pub(crate) enum Settings {
    Folder(PathBuf),
    S3(BucketSettings),
}

/// A bucket, and the credentials for it.
pub(crate) struct BucketSettings {
    pub endpoint: Url,
    pub bucket: String,
    pub region: String,
    pub is_path_style: bool,
    pub credentials: Credentials,
}

pub(crate) struct Credentials {
    pub key_id: String,
    pub secret: String,
    pub session_token: Option<String>,
}

impl fmt::Debug for BucketSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketSettings")
            .field("endpoint", &self.endpoint.as_str())
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .field("is_path_style", &self.is_path_style)
            .finish_non_exhaustive()
    }
}

const FORM: &str = "must be `file:` followed by a folder, or like \
    `s3://BUCKET?region=eu-central-1` with `&endpoint=https://HOST` for another server than Amazon's";

/// Parses `OBJECTS`, and for a bucket reads the credentials.
pub(crate) fn settings(objects: &str, environment: Environment<'_>) -> Result<Settings, ConfigError> {
    if let Some(folder) = objects.strip_prefix("file:").filter(|folder| !folder.is_empty()) {
        return Ok(Settings::Folder(PathBuf::from(folder)));
    }
    // A value that is not understood is not shown: it may contain a secret in the place of a bucket.
    let Some(bucket) = objects.strip_prefix("s3://") else {
        return Err(ConfigError::objects(FORM));
    };
    bucket_settings(bucket, environment).map(Settings::S3)
}

fn bucket_settings(text: &str, environment: Environment<'_>) -> Result<BucketSettings, ConfigError> {
    let (bucket, query) = text.split_once('?').unwrap_or((text, ""));
    let bucket = bucket.strip_suffix('/').unwrap_or(bucket);
    if !is_bucket(bucket) {
        return Err(ConfigError::objects(format!(
            "names no bucket (3 to 63 of a-z, 0-9, `.` and `-`), or a folder in it; it {FORM}"
        )));
    }
    let [mut endpoint, mut region, mut style] = [None, None, None];
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let place = match &*name {
            "endpoint" => &mut endpoint,
            "region" => &mut region,
            "style" => &mut style,
            _ => {
                return Err(ConfigError::objects(
                    "has an unknown parameter; use `endpoint`, `region` and `style`",
                ));
            }
        };
        if place.replace(value.into_owned()).is_some() {
            return Err(ConfigError::objects(format!("has the parameter `{name}` twice")));
        }
    }

    // An empty value counts as unset, because many tools cannot unset a variable.
    let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
    let region = region
        .or_else(|| variable("AWS_REGION"))
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .ok_or_else(|| ConfigError::objects("needs `?region=…`, such as `s3://BUCKET?region=eu-central-1`"))?;
    if !is_region(&region) {
        return Err(ConfigError::objects("has a region that is not like `eu-central-1`"));
    }
    let has_endpoint = endpoint.is_some();
    let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.{}", domain_of(&region)));
    let endpoint = endpoint_url(&endpoint)?;
    // The certificate of a virtual host covers one label before the endpoint.
    let has_dot = bucket.contains('.') && endpoint.scheme() == "https";
    let is_path_style = match style.as_deref() {
        Some("path") => true,
        Some("host") if has_dot => {
            return Err(ConfigError::objects(
                "needs `style=path`, because the bucket's name has a dot",
            ));
        }
        Some("host") => false,
        Some(_) => return Err(ConfigError::objects("has a `style` that is neither `path` nor `host`")),
        None => has_endpoint || has_dot,
    };
    if !is_path_style && endpoint.domain().is_none() {
        return Err(ConfigError::objects(
            "needs `style=path`, because the endpoint is an IP address",
        ));
    }
    Ok(BucketSettings {
        endpoint,
        bucket: bucket.to_owned(),
        region,
        is_path_style,
        credentials: Credentials {
            key_id: credential("AWS_ACCESS_KEY_ID", &variable)?,
            secret: credential("AWS_SECRET_ACCESS_KEY", &variable)?,
            session_token: match variable("AWS_SESSION_TOKEN") {
                Some(_) => Some(credential("AWS_SESSION_TOKEN", &variable)?),
                None => None,
            },
        },
    })
}

fn credential(name: &'static str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, ConfigError> {
    let Some(value) = variable(name) else {
        return Err(ConfigError::new(name, "must be set, because OBJECTS names a bucket"));
    };
    if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ConfigError::new(
            name,
            "must not contain spaces, line breaks or other alphabets",
        ));
    }
    Ok(value)
}

/// Without a path, a user and a query, and with TLS unless the server is on this machine.
fn endpoint_url(text: &str) -> Result<Url, ConfigError> {
    const PROBLEM: &str = "has an `endpoint` that is not like `https://HOST` or `https://HOST:PORT`";
    let url = Url::parse(text).map_err(|_| ConfigError::objects(PROBLEM))?;
    let is_plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let has_user = !url.username().is_empty() || url.password().is_some();
    let host = url.host_str().filter(|host| !host.is_empty());
    let (true, false, Some(host)) = (is_plain, has_user, host) else {
        return Err(ConfigError::objects(PROBLEM));
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if matches!(host, "localhost" | "127.0.0.1" | "[::1]") || host.ends_with(".localhost") => Ok(url),
        "http" => Err(ConfigError::objects(
            "may have an `endpoint` with `http:` only on this machine: files and signatures would be readable",
        )),
        _ => Err(ConfigError::objects(PROBLEM)),
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn is_bucket(name: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'))
        && is_end(bytes.first())
        && is_end(bytes.last())
        && !name.contains("..")
}

fn is_region(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn domain_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI";

    fn with(objects: &str, changes: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let variable = |name: &str| {
            if let Some((_, value)) = changes.iter().find(|(changed, _)| *changed == name) {
                return Some((*value).to_owned());
            }
            match name {
                "AWS_ACCESS_KEY_ID" => Some("AKIAIOSFODNN7".to_owned()),
                "AWS_SECRET_ACCESS_KEY" => Some(SECRET.to_owned()),
                _ => None,
            }
        };
        settings(objects, &variable)
    }

    fn bucket(objects: &str, changes: &[(&str, &str)]) -> BucketSettings {
        match with(objects, changes) {
            Ok(Settings::S3(settings)) => settings,
            other => panic!("{objects} is no bucket: {other:?}"),
        }
    }

    #[test]
    fn a_folder_needs_no_credentials() {
        let none = |_: &str| None;
        let Ok(Settings::Folder(folder)) = settings("file:.data/objects", &none) else {
            panic!("it is a folder");
        };
        assert_eq!(folder, PathBuf::from(".data/objects"));
    }

    #[test]
    fn a_bucket_has_amazons_endpoint_and_the_host_style_unless_they_are_set() {
        let plain = bucket("s3://my-bucket?region=eu-west-1", &[]);
        assert_eq!(plain.endpoint.as_str(), "https://s3.eu-west-1.amazonaws.com/");
        assert!(!plain.is_path_style);
        let china = bucket("s3://my-bucket?region=cn-north-1", &[]);
        assert_eq!(china.endpoint.as_str(), "https://s3.cn-north-1.amazonaws.com.cn/");
        assert!(bucket("s3://my.bucket?region=eu-west-1", &[]).is_path_style);
        assert!(bucket("s3://my-bucket?region=a&endpoint=https://minio.example.com:9000", &[]).is_path_style);
        assert!(
            !bucket(
                "s3://my-bucket?region=a&style=host&endpoint=https%3A%2F%2Fr2.example.com",
                &[]
            )
            .is_path_style
        );
        assert!(bucket("s3://my-bucket?region=a&style=path", &[]).is_path_style);
    }

    #[test]
    fn the_region_of_the_function_is_the_default() {
        assert_eq!(
            bucket("s3://my-bucket", &[("AWS_REGION", "eu-north-1")]).region,
            "eu-north-1"
        );
        assert_eq!(
            bucket("s3://my-bucket", &[("AWS_DEFAULT_REGION", "sa-east-1")]).region,
            "sa-east-1"
        );
        let set = bucket("s3://my-bucket?region=us-east-2", &[("AWS_REGION", "eu-north-1")]);
        assert_eq!(set.region, "us-east-2");
    }

    #[test]
    fn an_unusable_value_is_rejected_with_what_to_write_and_without_the_value() {
        for (objects, part) in [
            ("", "`file:`"),
            ("file:", "`file:`"),
            (SECRET, "`s3://BUCKET"),
            ("S3://my-bucket?region=a", "`s3://BUCKET"),
            ("s3://?region=a", "names no bucket"),
            ("s3://My-Bucket?region=a", "names no bucket"),
            ("s3://user:wJalrXUtnFEMI@my-bucket?region=a", "names no bucket"),
            ("s3://my-bucket/folder?region=a", "a folder in it"),
            ("s3://my-bucket", "needs `?region="),
            ("s3://my-bucket?region=EU", "a region"),
            ("s3://my-bucket?region=a&region=b", "`region` twice"),
            ("s3://my-bucket?region=a&secret=wJalrXUtnFEMI", "unknown parameter"),
            ("s3://my-bucket?region=a&style=both", "`style`"),
            ("s3://my.bucket?region=a&style=host", "has a dot"),
            (
                "s3://my-bucket?region=a&style=host&endpoint=http://127.0.0.1:1",
                "IP address",
            ),
            (
                "s3://my-bucket?region=a&endpoint=http://minio.example.com",
                "only on this machine",
            ),
            (
                "s3://my-bucket?region=a&endpoint=https://u:wJalrXUtnFEMI@h",
                "`endpoint`",
            ),
            ("s3://my-bucket?region=a&endpoint=https://h/p", "`endpoint`"),
            ("s3://my-bucket?region=a&endpoint=ftp://h", "`endpoint`"),
            ("s3://my-bucket?region=a&endpoint=h", "`endpoint`"),
        ] {
            let error = with(objects, &[]).unwrap_err();
            let text = error.to_string();
            assert_eq!(error.variable(), "OBJECTS");
            assert!(text.starts_with("OBJECTS ") && text.contains(part), "{objects}: {text}");
            assert!(!text.contains(SECRET), "{text}");
        }
    }

    #[test]
    fn a_missing_or_broken_credential_is_named_and_not_shown() {
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            let text = with("s3://my-bucket?region=a", &[(name, "")]).unwrap_err().to_string();
            assert!(text.starts_with(name) && text.contains("must be set"), "{text}");
        }
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            let error = with("s3://my-bucket?region=a", &[(name, "hidden\n")]).unwrap_err();
            assert!(
                error.to_string().starts_with(name) && !format!("{error:?}").contains("hidden"),
                "{error}"
            );
        }
    }

    #[test]
    fn debug_shows_no_credential() {
        let settings = bucket("s3://my-bucket?region=a", &[("AWS_SESSION_TOKEN", "t0k3n")]);
        let shown = format!("{settings:?}");
        for hidden in [SECRET, "AKIAIOSFODNN7", "t0k3n"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}
