//! The origins whose pages may call the API.

use axum::http::Uri;

use super::variables::{ConfigError, Variables};

const VARIABLE: &str = "CORS_ALLOWED_ORIGINS";

/// The origins that a browser may call from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every origin.
    Any,
    /// These origins.
    Listed(Vec<String>),
}

pub(super) fn origins(vars: &Variables<'_>) -> Result<Origins, ConfigError> {
    let Some(value) = vars.text(VARIABLE)? else {
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
            let problem = format!(
                "must be `*`, or origins like `https://app.example.com` separated by commas, but contains `{origin}`"
            );
            Err(ConfigError::new(VARIABLE, problem))
        }
    });
    origins.collect::<Result<_, _>>().map(Origins::Listed)
}

/// Whether the text is an origin exactly as browsers send it (RFC 6454): scheme and authority only, in lower case,
/// without the scheme's default port. Any other spelling would never equal a request's `Origin`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_separated_by_commas() {
        let vars = Variables::of(&[(VARIABLE, "https://a.example.com , http://localhost:3000")]);
        assert_eq!(
            origins(&vars).unwrap(),
            Origins::Listed(vec!["https://a.example.com".into(), "http://localhost:3000".into()])
        );
    }
}
