//! Access tokens: their keys, lifetime, issuer and audience.

use std::time::Duration;

use jwt::{PrivateKey, PublicKey, Secret, SigningKey, VerifyingKey};

use super::variables::{ConfigError, DAY_SECONDS, Variables};

const GENERATE_SECRET: &str = "Generate one with `openssl rand -base64 48`";
const GENERATE_PRIVATE_KEY: &str = "Generate one with `openssl genpkey -algorithm ed25519`";
const DERIVE_PUBLIC_KEY: &str = "Derive it from the private key with `openssl pkey -pubout`";

/// What a function does with access tokens, which decides the keys that it requires and receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenUse {
    /// Nothing: it receives no key and would reject every token.
    Ignores,
    /// Verifies them: it never receives a signing key, even if the environment has one.
    #[default]
    Verifies,
    /// Verifies and signs them.
    Signs,
}

pub(super) fn settings(vars: &Variables<'_>, token_use: TokenUse) -> Result<jwt::Settings, ConfigError> {
    let ttl = vars.number("JWT_TTL_SECONDS", 1..=365 * DAY_SECONDS)?;
    let issuer = vars.text("JWT_ISSUER")?;
    let audience = vars.text("JWT_AUDIENCE")?;
    let settings = jwt::Settings {
        signing: None,
        verifying: Vec::new(),
        ttl: Duration::from_secs(ttl.unwrap_or(DAY_SECONDS)),
        issuer: issuer.unwrap_or_else(|| "https://api.coditect.ai".to_owned()),
        audience: audience.unwrap_or_else(|| "coditect-v5".to_owned()),
    };
    if token_use == TokenUse::Ignores {
        return Ok(settings);
    }
    let (signing, current) = match vars.text("JWT_ALGORITHM")?.as_deref() {
        None | Some("HS256") => hs256(vars, token_use)?,
        Some("EdDSA") => eddsa(vars, token_use)?,
        Some(other) => {
            let problem = format!("must be `HS256` or `EdDSA`, but is `{other}`");
            return Err(ConfigError::new("JWT_ALGORITHM", problem));
        }
    };
    // Previous keys of both algorithms are read, so that a deployment can switch from either to the other.
    let previous = [
        secret(vars, "JWT_SECRET_PREVIOUS")?.map(VerifyingKey::Hs256),
        public_key(vars, "JWT_PUBLIC_KEY_PREVIOUS")?.map(VerifyingKey::EdDsa),
    ];
    Ok(jwt::Settings {
        signing,
        verifying: [Some(current)].into_iter().chain(previous).flatten().collect(),
        ..settings
    })
}

fn hs256(vars: &Variables<'_>, token_use: TokenUse) -> Result<(Option<SigningKey>, VerifyingKey), ConfigError> {
    let Some(secret) = secret(vars, "JWT_SECRET")? else {
        let problem = format!("is not set, but signs and verifies the access tokens. {GENERATE_SECRET}");
        return Err(ConfigError::new("JWT_SECRET", problem));
    };
    let signing = (token_use == TokenUse::Signs).then(|| SigningKey::Hs256(secret.clone()));
    Ok((signing, VerifyingKey::Hs256(secret)))
}

fn eddsa(vars: &Variables<'_>, token_use: TokenUse) -> Result<(Option<SigningKey>, VerifyingKey), ConfigError> {
    let public = public_key(vars, "JWT_PUBLIC_KEY")?;
    if token_use != TokenUse::Signs {
        // The private key is not read, so that a function that only verifies cannot come to depend on it.
        let Some(public) = public else {
            let problem =
                format!("is not set, but verifies the access tokens with JWT_ALGORITHM=EdDSA. {DERIVE_PUBLIC_KEY}");
            return Err(ConfigError::new("JWT_PUBLIC_KEY", problem));
        };
        return Ok((None, VerifyingKey::EdDsa(public)));
    }
    let Some(private) = private_key(vars, "JWT_PRIVATE_KEY")? else {
        let problem =
            format!("is not set, but signs the access tokens with JWT_ALGORITHM=EdDSA. {GENERATE_PRIVATE_KEY}");
        return Err(ConfigError::new("JWT_PRIVATE_KEY", problem));
    };
    let derived = private.public();
    if public.is_some_and(|public| public != derived) {
        let problem = format!("is not the public half of JWT_PRIVATE_KEY. {DERIVE_PUBLIC_KEY}");
        return Err(ConfigError::new("JWT_PUBLIC_KEY", problem));
    }
    Ok((Some(SigningKey::EdDsa(private)), VerifyingKey::EdDsa(derived)))
}

/// A secret that anybody can read: `infra/fdb/compose.yaml` contained it.
const PUBLISHED_SECRET: &str = "for development on this machine alone, and nowhere else";

fn secret(vars: &Variables<'_>, variable: &'static str) -> Result<Option<Secret>, ConfigError> {
    let Some(value) = vars.text(variable)? else {
        return Ok(None);
    };
    if value == PUBLISHED_SECRET {
        let problem = format!("is published in this program's sources. {GENERATE_SECRET}");
        return Err(ConfigError::new(variable, problem));
    }
    let mut chars = value.chars();
    let first = chars.next();
    if chars.all(|c| Some(c) == first) {
        let problem = format!("repeats one character. {GENERATE_SECRET}");
        return Err(ConfigError::new(variable, problem));
    }
    Secret::new(value).map(Some).map_err(|error| {
        let problem = format!("is too short: {error}. {GENERATE_SECRET}");
        ConfigError::new(variable, problem)
    })
}

fn private_key(vars: &Variables<'_>, variable: &'static str) -> Result<Option<PrivateKey>, ConfigError> {
    let text = vars.text(variable)?;
    let key = text.map(|text| PrivateKey::parse(&text)).transpose();
    key.map_err(|error| ConfigError::new(variable, format!("{error}. {GENERATE_PRIVATE_KEY}")))
}

fn public_key(vars: &Variables<'_>, variable: &'static str) -> Result<Option<PublicKey>, ConfigError> {
    let text = vars.text(variable)?;
    let key = text.map(|text| PublicKey::parse(&text)).transpose();
    key.map_err(|error| ConfigError::new(variable, format!("{error}. {DERIVE_PUBLIC_KEY}")))
}

#[cfg(test)]
mod tests {
    use super::TokenUse::{Ignores, Signs, Verifies};
    use super::*;

    const SECRET: (&str, &str) = ("JWT_SECRET", "a secret that is long enough for HS256");
    const EDDSA: (&str, &str) = ("JWT_ALGORITHM", "EdDSA");
    const PRIVATE: (&str, &str) = ("JWT_PRIVATE_KEY", jwt::forged::PRIVATE_KEY);
    const PUBLIC: (&str, &str) = ("JWT_PUBLIC_KEY", jwt::forged::PUBLIC_KEY);

    /// The algorithm of the signing key, if there is one, and the number of keys that verify.
    fn keys(token_use: TokenUse, pairs: &[(&str, &str)]) -> (Option<&'static str>, usize) {
        let tokens = settings(&Variables::of(pairs), token_use).unwrap();
        let signing = tokens.signing.map(|key| match key {
            SigningKey::Hs256(_) => "HS256",
            SigningKey::EdDsa(_) => "EdDSA",
        });
        (signing, tokens.verifying.len())
    }

    fn error(token_use: TokenUse, pairs: &[(&str, &str)]) -> String {
        settings(&Variables::of(pairs), token_use).unwrap_err().to_string()
    }

    #[test]
    fn a_signing_function_needs_the_private_key_and_a_verifying_one_the_public_key() {
        assert_eq!(keys(Signs, &[EDDSA, PRIVATE]), (Some("EdDSA"), 1));
        assert_eq!(keys(Signs, &[EDDSA, PRIVATE, PUBLIC]), (Some("EdDSA"), 1));
        assert_eq!(keys(Verifies, &[EDDSA, PUBLIC]), (None, 1));
        for (token_use, pairs, start) in [
            (Signs, [EDDSA].as_slice(), "JWT_PRIVATE_KEY is not set"),
            (Signs, &[EDDSA, PUBLIC], "JWT_PRIVATE_KEY is not set"),
            (Signs, &[EDDSA, SECRET], "JWT_PRIVATE_KEY is not set"),
            (Verifies, &[EDDSA], "JWT_PUBLIC_KEY is not set"),
            (Verifies, &[EDDSA, SECRET], "JWT_PUBLIC_KEY is not set"),
            (Verifies, &[EDDSA, PRIVATE], "JWT_PUBLIC_KEY is not set"),
            (Verifies, &[PUBLIC], "JWT_SECRET is not set"),
        ] {
            let error = error(token_use, pairs);
            assert!(error.starts_with(start) && error.contains("`openssl "), "{error}");
        }
    }

    #[test]
    fn a_function_that_ignores_tokens_needs_and_receives_no_key() {
        assert_eq!(keys(Ignores, &[]), (None, 0));
        assert_eq!(keys(Ignores, &[SECRET, PRIVATE, PUBLIC]), (None, 0));
    }

    #[test]
    fn a_function_that_does_not_sign_receives_no_signing_key() {
        assert_eq!(keys(Signs, &[SECRET]), (Some("HS256"), 1));
        assert_eq!(keys(Verifies, &[SECRET]), (None, 1));
        assert_eq!(keys(Verifies, &[EDDSA, PRIVATE, PUBLIC]), (None, 1));
        let unread = ("JWT_PRIVATE_KEY", "none");
        assert_eq!(keys(Verifies, &[EDDSA, unread, PUBLIC]), (None, 1));
    }

    #[test]
    fn a_previous_key_of_either_algorithm_verifies_beside_the_current_one() {
        let secret = ("JWT_SECRET_PREVIOUS", "an older secret that is long enough");
        let public = ("JWT_PUBLIC_KEY_PREVIOUS", jwt::forged::PUBLIC_KEY);
        for current in [[SECRET].as_slice(), &[EDDSA, PRIVATE, PUBLIC]] {
            for (previous, count) in [([secret].as_slice(), 2), (&[public], 2), (&[secret, public], 3)] {
                let pairs = [current, previous].concat();
                assert_eq!(keys(Signs, &pairs).1, count);
                assert_eq!(keys(Verifies, &pairs).1, count);
            }
        }
    }

    #[test]
    fn the_current_key_of_the_other_algorithm_is_not_read() {
        let pairs = [EDDSA, PRIVATE, ("JWT_SECRET", "short")];
        assert_eq!(keys(Signs, &pairs), (Some("EdDSA"), 1));
        let pairs = [SECRET, ("JWT_PRIVATE_KEY", "none"), ("JWT_PUBLIC_KEY", "none")];
        assert_eq!(keys(Signs, &pairs), (Some("HS256"), 1));
    }

    #[test]
    fn an_error_names_the_bad_key_and_does_not_show_it() {
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
            let error = error(Signs, &[EDDSA, pairs[0], pairs[1]]);
            assert!(error.starts_with(start) && error.contains("`openssl "), "{error}");
            assert!(!error.contains("marked") && !error.contains("MC"), "{error}");
        }
        let other = "x".repeat(64);
        for (secret, problem) in [
            (PUBLISHED_SECRET, "is published in this program's sources"),
            (&other, "repeats one character"),
        ] {
            for token_use in [Signs, Verifies] {
                let text = error(token_use, &[("JWT_SECRET", secret)]);
                assert!(text.starts_with(&format!("JWT_SECRET {problem}")), "{text}");
                assert!(text.contains("openssl rand") && !text.contains(secret), "{text}");
            }
            let previous = [SECRET, ("JWT_SECRET_PREVIOUS", secret)];
            assert!(error(Signs, &previous).starts_with("JWT_SECRET_PREVIOUS "));
        }
        let error = error(Signs, &[("JWT_SECRET", "short")]);
        assert!(
            error.contains("at least 32") && error.contains("openssl rand") && !error.contains("short secret"),
            "{error}"
        );
    }
}
