//! The origins whose pages may call the API, and those whose pages may also use its cookies.

use axum::http::Uri;

use super::variables::{ConfigError, Variables};

const VARIABLE: &str = "CORS_ALLOWED_ORIGINS";

/// The origins that a browser may call from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every origin.
    Any,
    /// The origins of these entries: an origin, an origin whose first label is `*`, or a scheme with its colon.
    Listed(Vec<String>),
}

impl Origins {
    /// Whether pages of this origin, as a browser sends it, may call the API.
    pub(crate) fn allow(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(entries) => entries.iter().any(|entry| includes(entry, origin)),
        }
    }

    /// Whether the list names exactly this origin, so that its pages may send and receive cookies.
    pub(crate) fn names(&self, origin: &str) -> bool {
        match self {
            Self::Any => false,
            Self::Listed(entries) => entries
                .iter()
                .any(|entry| entry == origin && !entry.contains('*') && !entry.ends_with(':')),
        }
    }
}

/// The origins whose pages may use cookies: the one of `PUBLIC_URL`, and those that `CORS_ALLOWED_ORIGINS` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieOrigins {
    own: Option<String>,
    listed: Origins,
}

impl CookieOrigins {
    /// The origins of a deployment with this public URL and these allowed origins.
    pub fn new(public_url: Option<&str>, listed: &Origins) -> Self {
        Self {
            own: public_url.and_then(origin_of),
            listed: listed.clone(),
        }
    }

    /// Whether pages of this origin, as a browser sends it, may use cookies.
    pub(crate) fn allow(&self, origin: &str) -> bool {
        self.own.as_deref() == Some(origin) || self.listed.names(origin)
    }
}

/// The origin of a URL of the web, as browsers send it (RFC 6454, section 6.2).
pub(super) fn origin_of(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    let default_port = match url.scheme_str()? {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let (scheme, authority) = (url.scheme_str()?, url.authority()?.as_str().to_ascii_lowercase());
    if authority.contains('*') {
        return None;
    }
    let host = authority
        .strip_suffix(&format!(":{default_port}"))
        .unwrap_or(&authority);
    let origin = format!("{scheme}://{host}");
    check(&origin).ok().map(|()| origin)
}

/// Whether an entry of the list includes this origin.
fn includes(entry: &str, origin: &str) -> bool {
    if let Some((scheme, domain)) = entry.split_once("://*") {
        let label = origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
        return label.and_then(|label| label.strip_suffix(domain)).is_some_and(is_label);
    }
    match entry.strip_suffix(':') {
        Some(scheme) => {
            let rest = origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
            rest.is_some_and(|rest| !rest.is_empty())
        }
        None => entry == origin,
    }
}

pub(super) fn origins(vars: &Variables<'_>) -> Result<Origins, ConfigError> {
    let Some(value) = vars.text(VARIABLE)? else {
        return Ok(Origins::Any);
    };
    if value.trim() == "*" {
        return Ok(Origins::Any);
    }
    let entries = value.split(',').map(|entry| {
        let entry = entry.trim();
        match check(entry) {
            Ok(()) => Ok(entry.to_owned()),
            Err(reason) => Err(ConfigError::new(
                VARIABLE,
                format!(
                    "must be `*`, or origins like `https://app.example.com`, `https://*.example.com` or \
                     `tauri://localhost` separated by commas, but contains `{entry}`, which {reason}"
                ),
            )),
        }
    });
    entries.collect::<Result<_, _>>().map(Origins::Listed)
}

/// Checks that the entry can equal an origin as browsers send it (RFC 6454, section 6.2): scheme, host and the port
/// unless it is the scheme's default. Any other spelling would match no request.
fn check(entry: &str) -> Result<(), &'static str> {
    if let Some(scheme) = entry.strip_suffix(':').filter(|scheme| !scheme.contains(':')) {
        return match scheme {
            "http" | "https" => Err("would allow every site; name the hosts"),
            _ => check_scheme(scheme),
        };
    }
    let (scheme, authority) = entry.split_once("://").ok_or("has no scheme")?;
    check_scheme(scheme)?;
    let is_web = matches!(scheme, "http" | "https");
    if authority.contains(['/', '?', '#']) {
        return Err("has more than a scheme, a host and a port");
    }
    if authority.contains('@') {
        return Err("has user information");
    }
    let port_at = match authority.rfind(']') {
        Some(end) => end + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(port_at);
    check_host(host, is_web)?;
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some("80") if scheme == "http" => Err("has the default port, which browsers omit"),
        Some("443") if scheme == "https" => Err("has the default port, which browsers omit"),
        Some(port) if port.parse::<u16>().is_ok_and(|number| number.to_string() == port) => Ok(()),
        _ => Err("has a port that is not a number from 0 to 65535"),
    }
}

fn check_scheme(scheme: &str) -> Result<(), &'static str> {
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    if is_scheme {
        Ok(())
    } else {
        Err("has a scheme that is not in lower case or has other characters than letters, digits, `+`, `-` and `.`")
    }
}

fn check_host(host: &str, is_web: bool) -> Result<(), &'static str> {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let address: Option<std::net::Ipv6Addr> = address.parse().ok();
        // Browsers send the shortest form.
        return if address.is_some_and(|address| host == format!("[{address}]")) {
            Ok(())
        } else {
            Err("has an IPv6 address that is not in its shortest form")
        };
    }
    let name = match host.strip_prefix("*.") {
        Some(domain) if domain.contains('.') || domain == "localhost" => domain,
        Some(_) => return Err("has a `*` for a whole domain; it stands for one label, as in `https://*.example.com`"),
        None => host,
    };
    if name.contains('*') {
        return Err("has a `*` that is not the whole first label");
    }
    // Browsers convert the hosts of the web to lower case, and leave those of other schemes as they are.
    if is_web && name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("is not in lower case");
    }
    if name.split('.').all(is_label) {
        Ok(())
    } else {
        Err("has a host that is no name or address; an international name is written as `xn--…`")
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Origins, String> {
        origins(&Variables::of(&[(VARIABLE, value)])).map_err(|error| error.to_string())
    }

    #[test]
    fn origins_are_separated_by_commas() {
        assert_eq!(
            read("https://a.example.com , http://localhost:3000").unwrap(),
            Origins::Listed(vec!["https://a.example.com".into(), "http://localhost:3000".into()])
        );
        assert_eq!(read(" * ").unwrap(), Origins::Any);
    }

    #[test]
    fn an_origin_has_any_scheme() {
        for origin in [
            "tauri://localhost",
            "capacitor://localhost",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "safari-web-extension://0A1B2C3D-0000-4000-8000-00000000000F",
            "http://[::1]:3000",
            "https://xn--bcher-kva.example",
        ] {
            assert!(read(origin).unwrap().allow(origin), "{origin}");
            assert!(!read(origin).unwrap().allow(&format!("{origin}x")), "{origin}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_exactly_one_label() {
        let origins = read("https://*.example.com,https://*.dev.example.org:8443").unwrap();
        for allowed in [
            "https://a.example.com",
            "https://a-1.example.com",
            "https://x.dev.example.org:8443",
        ] {
            assert!(origins.allow(allowed), "{allowed}");
        }
        for other in [
            "https://example.com",
            "https://.example.com",
            "https://a.b.example.com",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://a.example.com.evil.com",
            "https://evil.com/.example.com",
            "https://evil.com:.example.com",
            "https://a@b.example.com",
            "https://aexample.com",
            "https://x.dev.example.org",
            "https://*.example.com:1",
            "null",
            "",
        ] {
            assert!(!origins.allow(other), "{other}");
        }
    }

    #[test]
    fn a_scheme_allows_its_hosts() {
        let origins = read("vscode-webview:").unwrap();
        assert!(origins.allow("vscode-webview://0k3q8v2f7c1d"));
        for other in [
            "vscode-webview:",
            "vscode-webview://",
            "vscode-webviewx://a",
            "https://vscode-webview://a",
        ] {
            assert!(!origins.allow(other), "{other}");
        }
    }

    #[test]
    fn cookies_are_for_the_own_origin_and_for_those_that_are_named_exactly() {
        let listed = read("https://app.example.com,https://*.example.org,vscode-webview:,tauri://localhost").unwrap();
        let origins = CookieOrigins::new(Some("https://api.example.com/base"), &listed);
        for allowed in [
            "https://api.example.com",
            "https://app.example.com",
            "tauri://localhost",
        ] {
            assert!(origins.allow(allowed), "{allowed}");
        }
        for other in [
            "https://a.example.org",
            "https://*.example.org",
            "vscode-webview://a",
            "vscode-webview:",
            "http://api.example.com",
            "https://api.example.com:8443",
            "https://api.example.com/base",
            "https://api.example.com.evil.com",
            "null",
            "*",
            "",
        ] {
            assert!(!origins.allow(other), "{other}");
        }
        let any = CookieOrigins::new(Some("http://localhost:8080"), &Origins::Any);
        assert!(any.allow("http://localhost:8080"));
        for other in ["http://localhost:5173", "https://evil.example.com", "null", "*", ""] {
            assert!(!any.allow(other), "{other}");
        }
        assert!(!CookieOrigins::new(None, &Origins::Any).allow("http://localhost:8080"));
    }

    #[test]
    fn the_origin_of_a_url_is_the_one_that_browsers_send() {
        for (url, origin) in [
            ("https://App.Example.com/a?b#c", Some("https://app.example.com")),
            ("https://app.example.com:443", Some("https://app.example.com")),
            ("http://app.example.com:80/", Some("http://app.example.com")),
            ("http://localhost:8080", Some("http://localhost:8080")),
            ("http://[::1]:8080/", Some("http://[::1]:8080")),
            ("https://user@app.example.com", None),
            ("https://app.example.com:99999", None),
            ("https://app.example.com:", None),
            ("https://*.example.com", None),
            ("https://", None),
            ("https:app.example.com", None),
            ("https://b\u{fc}cher.example", None),
            ("ftp://app.example.com", None),
            ("app.example.com", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(origin_of(url).as_deref(), origin, "{url}");
        }
    }

    #[test]
    fn an_entry_that_matches_no_origin_is_rejected_with_the_reason() {
        for (entry, reason) in [
            ("https://a.example.com,", "no scheme"),
            ("null", "no scheme"),
            ("app.example.com", "no scheme"),
            ("https:", "every site"),
            ("http:", "every site"),
            ("HTTPS://a.example.com", "scheme"),
            ("1a:", "scheme"),
            ("https://", "no name"),
            ("https://a..b", "no name"),
            ("https://b\u{fc}cher.example", "xn--"),
            ("https://a.example.com/", "more than"),
            ("https://a.example.com?b", "more than"),
            ("https://user@a.example.com", "user information"),
            ("https://A.example.com", "lower case"),
            ("https://a.example.com:443", "default port"),
            ("http://a.example.com:80", "default port"),
            ("https://a.example.com:", "port"),
            ("https://a.example.com:08", "port"),
            ("https://a.example.com:65536", "port"),
            ("https://[::1", "no name"),
            ("https://[0::1]", "shortest form"),
            ("https://*", "whole first label"),
            ("https://*.com", "one label"),
            ("https://a*.example.com", "whole first label"),
            ("https://*.*.example.com", "whole first label"),
            ("https://a.*.example.com", "whole first label"),
            ("https://a.example.com,*", "no scheme"),
        ] {
            let error = read(entry).expect_err(entry);
            assert!(
                error.starts_with("CORS_ALLOWED_ORIGINS ") && error.contains(reason),
                "{error}"
            );
        }
    }
}
