//! Taking tokens in, by the rules of RFC 8725: one algorithm per key, and every claim checked.

use jsonwebtoken::{Algorithm, Validation};

use crate::keys::Key;
use crate::sign::TYPE;
use crate::{Claims, Tokens};

/// The longest token that is looked at, in bytes. Ours have well under 1 KiB: an address has at most 254 bytes.
const MAX_BYTES: usize = 4096;

/// How far another machine's clock may be ahead, in seconds.
const SKEW_SECONDS: i64 = 60;

/// Why a token was refused. What is in [`Invalid`](Self::Invalid) is for the log, not for the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not one of ours.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// It was one of ours, with these claims.
    #[error("the token has expired")]
    Expired(Box<Claims>),
}

impl Tokens {
    /// The claims of `token` if it is authentic and has not expired at `now` (seconds since the Unix epoch).
    pub fn verify(&self, token: &str, now: i64) -> Result<Claims, Refusal> {
        if token.len() > MAX_BYTES {
            return Err(Refusal::Invalid("longer than any of ours"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Invalid("unreadable header"))?;
        if header.alg != Algorithm::HS256 {
            return Err(Refusal::Invalid("another algorithm"));
        }
        if !header.typ.as_deref().is_some_and(is_access_token) {
            return Err(Refusal::Invalid("another type"));
        }
        if header.crit.is_some() {
            return Err(Refusal::Invalid("critical headers"));
        }
        let key = header
            .kid
            .and_then(|id| self.key(&id))
            .ok_or(Refusal::Invalid("unknown key"))?;

        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[&self.issuer]);
        rules.set_audience(&[&self.audience]);
        rules.set_required_spec_claims(&["sub", "exp", "iss", "aud"]);
        // Expiry is checked below, by the injected clock.
        rules.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.verifying, &rules)
            .map_err(|_| Refusal::Invalid("signature or claims"))?
            .claims;
        if claims.iat > now.saturating_add(SKEW_SECONDS) {
            return Err(Refusal::Invalid("made in the future"));
        }
        if claims.exp <= now {
            return Err(Refusal::Expired(Box::new(claims)));
        }
        Ok(claims)
    }

    fn key(&self, id: &str) -> Option<&Key> {
        [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|key| key.id == id)
    }
}

/// Media types are compared without regard to case, and `application/` may be left out or not (RFC 7515, section 4.1.9).
fn is_access_token(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    kind.strip_prefix("application/").unwrap_or(&kind) == TYPE
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header};
    use uuid::Uuid;

    use super::*;
    use crate::{Secret, Settings, Subject};

    const NOW: i64 = 1_700_000_000;
    const OLD: &str = "an older secret of at least 32 bytes";
    const NEW: &str = "a newer secret with at least 32 bytes";

    fn tokens(secret: &str, previous: Option<&str>) -> Tokens {
        Tokens::new(Settings {
            secret: Secret::new(secret).unwrap(),
            previous: previous.map(|secret| Secret::new(secret).unwrap()),
            ttl: std::time::Duration::from_secs(3600),
            issuer: "https://issuer.test".into(),
            audience: "tests".into(),
        })
    }

    fn subject() -> Subject {
        Subject {
            user: Uuid::from_u128(1),
            tenant: Uuid::from_u128(2),
            login: Uuid::from_u128(3),
            email: "test@example.com".into(),
            token: Uuid::from_u128(4),
            not_after: i64::MAX,
        }
    }

    /// A token that is right but for what `change` does to its header and claims.
    fn forged(change: impl FnOnce(&mut Header, &mut serde_json::Value)) -> String {
        let tokens = tokens(NEW, None);
        let (token, claims) = tokens.sign(subject(), NOW).unwrap();
        let mut header = jsonwebtoken::decode_header(&token).unwrap();
        let mut claims = serde_json::to_value(claims).unwrap();
        change(&mut header, &mut claims);
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(NEW.as_bytes())).unwrap()
    }

    #[test]
    fn a_token_says_what_it_was_made_for() {
        let tokens = tokens(NEW, None);
        let (token, claims) = tokens.sign(subject(), NOW).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        assert!(header.kid.is_some());
        assert_eq!(tokens.verify(&token, NOW).unwrap(), claims);
        assert_eq!(
            (claims.sub, claims.tenant_id, claims.login_id),
            (subject().user, subject().tenant, subject().login)
        );
        assert_eq!((claims.iat, claims.exp), (NOW, NOW + 3600));
    }

    #[test]
    fn a_token_does_not_outlive_its_login() {
        let tokens = tokens(NEW, None);
        let subject = Subject {
            not_after: NOW + 10,
            ..subject()
        };
        let (token, claims) = tokens.sign(subject, NOW).unwrap();
        assert_eq!(claims.exp, NOW + 10);
        assert!(matches!(tokens.verify(&token, NOW + 10), Err(Refusal::Expired(_))));
    }

    #[test]
    fn a_token_expires_to_the_second() {
        let tokens = tokens(NEW, None);
        let (token, claims) = tokens.sign(subject(), NOW).unwrap();
        assert!(tokens.verify(&token, NOW + 3599).is_ok());
        assert_eq!(
            tokens.verify(&token, NOW + 3600),
            Err(Refusal::Expired(Box::new(claims)))
        );
    }

    #[test]
    fn the_previous_secret_verifies_and_never_signs() {
        let (old, _) = tokens(OLD, None).sign(subject(), NOW).unwrap();
        let rotated = tokens(NEW, Some(OLD));
        assert!(rotated.verify(&old, NOW).is_ok());
        let (new, _) = rotated.sign(subject(), NOW).unwrap();
        assert!(tokens(OLD, None).verify(&new, NOW).is_err());
        assert!(tokens(NEW, None).verify(&old, NOW).is_err());
    }

    #[test]
    fn a_token_that_is_not_quite_ours_is_refused() {
        assert!(tokens(NEW, None).verify(&forged(|_, _| {}), NOW).is_ok());
        let cases = [
            ("no type", forged(|header, _| header.typ = None)),
            ("another type", forged(|header, _| header.typ = Some("JWT".into()))),
            ("no key id", forged(|header, _| header.kid = None)),
            ("another key id", forged(|header, _| header.kid = Some("other".into()))),
            (
                "critical headers",
                forged(|header, _| header.crit = Some(vec!["b64".into()])),
            ),
            (
                "another issuer",
                forged(|_, claims| claims["iss"] = "https://other.test".into()),
            ),
            ("another audience", forged(|_, claims| claims["aud"] = "others".into())),
            (
                "no audience",
                forged(|_, claims| drop(claims.as_object_mut().unwrap().remove("aud"))),
            ),
            (
                "no expiry",
                forged(|_, claims| drop(claims.as_object_mut().unwrap().remove("exp"))),
            ),
            ("expiry as text", forged(|_, claims| claims["exp"] = "tomorrow".into())),
            (
                "made in the future",
                forged(|_, claims| claims["iat"] = (NOW + 61).into()),
            ),
            ("user that is no id", forged(|_, claims| claims["sub"] = "root".into())),
            ("huge", forged(|_, claims| claims["email"] = "x".repeat(4096).into())),
        ];
        for (case, token) in cases {
            assert!(
                matches!(tokens(NEW, None).verify(&token, NOW), Err(Refusal::Invalid(_))),
                "{case} was accepted"
            );
        }
    }

    #[test]
    fn a_token_that_was_touched_is_refused() {
        let tokens = tokens(NEW, None);
        let (token, _) = tokens.sign(subject(), NOW).unwrap();
        let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            panic!("three parts")
        };
        let unsigned = URL_SAFE_NO_PAD.encode(
            String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap())
                .unwrap()
                .replace("HS256", "none"),
        );
        for touched in [
            format!("{unsigned}.{claims}."),
            format!("{unsigned}.{claims}.{signature}"),
            format!("{header}.{claims}."),
            format!("{header}.{claims}"),
            format!("{header}.{claims}.{}", &signature[..20]),
            format!("{header}.{claims}.{signature}A"),
            format!("{header}.{claims}x.{signature}"),
            format!("{token}.{signature}"),
            format!("{token}="),
            format!(" {token}"),
            "..".into(),
            String::new(),
        ] {
            assert!(
                matches!(tokens.verify(&touched, NOW), Err(Refusal::Invalid(_))),
                "{touched} was accepted"
            );
        }
    }

    #[test]
    fn a_short_secret_is_refused_and_none_prints_itself() {
        assert_eq!(
            Secret::new("x".repeat(31)).unwrap_err().to_string(),
            "it has 31 bytes and needs at least 32"
        );
        assert_eq!(format!("{:?}", Secret::new(NEW).unwrap()), "Secret(…)");
    }
}
