//! Taking tokens in, by the rules of RFC 8725: one algorithm per key, and every claim checked.

use crate::claims::Term;
use crate::jws::{Header, Jws};
use crate::keys::Verifier;
use crate::sign::TYPE;
use crate::{Bearer, Claims, Tokens, json};

/// The longest token that is looked at, in bytes. Ours have well under 1 KiB: an address has at most 254 bytes.
const MAX_BYTES: usize = 4096;

/// How far another machine's clock may be ahead, in seconds.
const SKEW_SECONDS: i64 = 60;

/// Why a token was refused. What is in [`Invalid`](Self::Invalid) is for the log, not for the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It is not one of ours.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// It was one of ours, and this is whose.
    #[error("the token has expired")]
    Expired(Bearer),
}

impl Tokens {
    /// Whose `token` is, if it is authentic and has not expired at `now` (seconds since the Unix epoch).
    pub fn verify(&self, token: &str, now: i64) -> Result<Bearer, Rejection> {
        if token.len() > MAX_BYTES {
            return Err(Rejection::Invalid("longer than any of ours"));
        }
        if let Some(term) = self.cache.get(token) {
            return term.at(now);
        }
        let term = self.authentic(token)?;
        let bearer = term.at(now)?;
        self.cache.keep(token, term);
        Ok(bearer)
    }

    /// What `token` says, if we have made it and made it for us.
    fn authentic(&self, token: &str) -> Result<Term, Rejection> {
        let jws = Jws::parse(token)?;
        let payload = jws.verified_by(self.key(jws.header)?)?;

        let claims: Claims<'_> = json::object(&payload).ok_or(Rejection::Invalid("unreadable claims"))?;
        if claims.iss != self.issuer {
            return Err(Rejection::Invalid("another issuer"));
        }
        // One name, as we write it: a list could name another service too, which then could use the token here.
        if claims.aud != self.audience {
            return Err(Rejection::Invalid("another audience"));
        }
        Ok(claims.term())
    }

    /// The key for a token with this header, as it stands in the token.
    fn key(&self, header: &str) -> Result<&Verifier, Rejection> {
        // As we write it ourselves there is nothing in it to find out: the key's own algorithm, the type and the key's id. Every other
        // spelling is read.
        let known = self.verifiers.iter().find(|key| key.header == header);
        known.map_or_else(|| self.key_read(header), Ok)
    }

    fn key_read(&self, header: &str) -> Result<&Verifier, Rejection> {
        let header = Header::parse(header)?;
        if !header.typ.as_deref().is_some_and(is_access_token) {
            return Err(Rejection::Invalid("another type"));
        }
        let id = header.kid.as_deref();
        let key = self.verifiers.iter().find(|key| Some(key.id.as_str()) == id);
        let key = key.ok_or(Rejection::Invalid("unknown key"))?;
        header.fits(key)?;
        Ok(key)
    }
}

impl Term {
    /// Whose the token is at `now`.
    fn at(&self, now: i64) -> Result<Bearer, Rejection> {
        let soon = now.saturating_add(SKEW_SECONDS);
        if self.made > soon {
            return Err(Rejection::Invalid("made in the future"));
        }
        if self.begins.is_some_and(|begins| begins > soon) {
            return Err(Rejection::Invalid("not valid yet"));
        }
        if self.ends <= now {
            return Err(Rejection::Expired(self.bearer));
        }
        Ok(self.bearer)
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
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use proptest::prelude::*;
    use proptest::sample::Index;
    use uuid::Uuid;

    use super::*;
    use crate::keys::Signer;
    use crate::{PrivateKey, Secret, Settings, SigningKey, Subject, VerifyingKey, forged};

    const NOW: i64 = 1_700_000_000;
    const SECRET: &str = "a newer secret with at least 32 bytes";

    fn secret(text: &str) -> SigningKey {
        SigningKey::Hs256(Secret::new(text).unwrap())
    }

    fn private(text: &str) -> SigningKey {
        SigningKey::EdDsa(PrivateKey::parse(text).unwrap())
    }

    fn tokens(signing: impl Into<Option<SigningKey>>, verifying: &[VerifyingKey]) -> Tokens {
        Tokens::new(Settings {
            signing: signing.into(),
            verifying: verifying.to_vec(),
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

    /// One of each algorithm.
    fn keys() -> [SigningKey; 2] {
        [secret(SECRET), private(forged::PRIVATE_KEY)]
    }

    /// Under the secret, with what `change` does to the header and the claims.
    fn signed(change: impl FnOnce(&mut Header, &mut serde_json::Value)) -> String {
        let tokens = tokens(secret(SECRET), &[]);
        let (token, claims) = tokens.sign(subject(), NOW).unwrap();
        let mut header = jsonwebtoken::decode_header(&token).unwrap();
        let mut claims = serde_json::to_value(claims).unwrap();
        change(&mut header, &mut claims);
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    }

    /// A token of just these parts, as they are.
    fn sealed(key: &SigningKey, header: &str, payload: &str) -> String {
        let (key, signed) = (Signer::new(key), format!("{header}.{payload}"));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key.key, key.algorithm).unwrap();
        format!("{signed}.{signature}")
    }

    #[test]
    fn a_token_says_what_it_was_made_for() {
        for (key, algorithm) in keys().into_iter().zip([Algorithm::HS256, Algorithm::EdDSA]) {
            let tokens = tokens(key, &[]);
            let (token, claims) = tokens.sign(subject(), NOW).unwrap();
            let header = jsonwebtoken::decode_header(&token).unwrap();
            assert_eq!((header.alg, header.typ.as_deref()), (algorithm, Some("at+jwt")));
            assert!(header.kid.is_some());
            let Subject {
                user, tenant, login, ..
            } = subject();
            assert_eq!((claims.sub, claims.tenant_id, claims.login_id), (user, tenant, login));
            assert_eq!(tokens.verify(&token, NOW), Ok(Bearer { user, tenant, login }));
            assert_eq!((claims.iat, claims.exp), (NOW, NOW + 3600));
        }
    }

    #[test]
    fn a_token_does_not_outlive_its_login() {
        let tokens = tokens(secret(SECRET), &[]);
        let subject = Subject {
            not_after: NOW + 10,
            ..subject()
        };
        let (token, claims) = tokens.sign(subject, NOW).unwrap();
        assert_eq!(claims.exp, NOW + 10);
        assert!(matches!(tokens.verify(&token, NOW + 10), Err(Rejection::Expired(_))));
    }

    #[test]
    fn a_token_expires_to_the_second() {
        for key in keys() {
            let tokens = tokens(key, &[]);
            let (token, claims) = tokens.sign(subject(), NOW).unwrap();
            assert!(tokens.verify(&token, NOW + 3599).is_ok());
            assert_eq!(
                tokens.verify(&token, NOW + 3600),
                Err(Rejection::Expired(claims.bearer()))
            );
        }
    }

    #[test]
    fn a_token_may_come_from_a_clock_that_is_a_minute_ahead() {
        for key in keys() {
            let tokens = tokens(key, &[]);
            let (token, _) = tokens.sign(subject(), NOW).unwrap();
            assert!(tokens.verify(&token, NOW - 60).is_ok());
            assert_eq!(
                tokens.verify(&token, NOW - 61),
                Err(Rejection::Invalid("made in the future"))
            );
        }
    }

    #[test]
    fn any_key_can_follow_any_other_without_a_token_being_refused() {
        let keys = [
            secret(SECRET),
            secret("an older secret of at least 32 bytes"),
            private(forged::PRIVATE_KEY),
            private(forged::OTHER_PRIVATE_KEY),
        ];
        for (old, new) in keys.iter().flat_map(|old| keys.iter().map(move |new| (old, new))) {
            let before = tokens(old.clone(), &[new.verifying()]);
            let after = tokens(new.clone(), &[old.verifying()]);
            let (early, _) = before.sign(subject(), NOW).unwrap();
            let (late, _) = after.sign(subject(), NOW).unwrap();
            for token in [early, late] {
                assert!(before.verify(&token, NOW).is_ok(), "{old:?} before {new:?}");
                assert!(after.verify(&token, NOW).is_ok(), "{old:?} after {new:?}");
            }
        }
    }

    #[test]
    fn a_key_beside_the_signing_one_never_signs() {
        for (old, new) in [(0, 1), (1, 0)] {
            let (old, new) = (keys()[old].clone(), keys()[new].clone());
            let (token, _) = tokens(new.clone(), &[old.verifying()]).sign(subject(), NOW).unwrap();
            assert!(tokens(new, &[]).verify(&token, NOW).is_ok());
            assert_eq!(
                tokens(old, &[]).verify(&token, NOW),
                Err(Rejection::Invalid("unknown key"))
            );
        }
    }

    #[test]
    fn without_a_signing_key_tokens_are_verified_and_not_made() {
        for key in keys() {
            let signing = tokens(key.clone(), &[]);
            let (token, claims) = signing.sign(subject(), NOW).unwrap();
            let verifying = tokens(None, &[key.verifying()]);
            assert_eq!(verifying.verify(&token, NOW), Ok(claims.bearer()));
            let error = verifying.sign(subject(), NOW).unwrap_err();
            assert_eq!(
                error.to_string(),
                "there is no key to sign tokens with: this function only verifies them"
            );
        }
    }

    /// Both algorithms twice, with what each signs.
    fn four_keys() -> ([SigningKey; 4], Tokens) {
        let [mac, ed] = keys();
        let keys = [
            mac,
            ed,
            secret("an older secret of at least 32 bytes"),
            private(forged::OTHER_PRIVATE_KEY),
        ];
        let verifying = keys.each_ref().map(SigningKey::verifying);
        (keys, tokens(None, &verifying))
    }

    #[test]
    fn a_header_that_we_write_is_known_without_being_read() {
        let (keys, all) = four_keys();
        for (key, verifier) in keys.into_iter().zip(&all.verifiers) {
            let (token, _) = tokens(key, &[]).sign(subject(), NOW).unwrap();
            assert_eq!(Jws::parse(&token).unwrap().header, verifier.header);
        }
    }

    #[test]
    fn the_header_of_one_key_with_the_signature_of_another_is_refused() {
        let (keys, all) = four_keys();
        let signing = tokens(keys[0].clone(), &[]);
        let (token, claims) = signing.sign(subject(), NOW).unwrap();
        let payload = token.split('.').nth(1).unwrap();
        for key in &keys {
            for other in &all.verifiers {
                let expected = if Signer::new(key).id == other.id {
                    Ok(claims.bearer())
                } else {
                    Err(Rejection::Invalid("wrong signature"))
                };
                assert_eq!(all.verify(&sealed(key, &other.header, payload), NOW), expected);
            }
        }
    }

    /// What stands in a token's header, or nearly.
    fn headers() -> impl Strategy<Value = String> {
        let (_, all) = four_keys();
        let ours: Vec<String> = all.verifiers.into_iter().map(|key| key.header).collect();
        let place = || (proptest::sample::select(ours.clone()), any::<Index>());
        prop_oneof![
            place().prop_map(|(header, _)| header),
            "\\PC*",
            (place(), "[A-Za-z0-9_=+-]?").prop_map(|((mut header, index), text)| {
                let index = index.index(header.len());
                header.replace_range(index..=index, &text);
                header
            }),
            place().prop_map(|(mut header, index)| {
                let index = index.index(header.len());
                let (_, rest) = header.split_at_mut(index);
                if rest[..1].chars().all(char::is_lowercase) {
                    rest[..1].make_ascii_uppercase();
                } else {
                    rest[..1].make_ascii_lowercase();
                }
                header
            }),
            (place(), any::<u8>()).prop_map(|((header, index), byte)| {
                let mut json = URL_SAFE_NO_PAD.decode(header).unwrap();
                let index = index.index(json.len());
                json[index] = byte;
                URL_SAFE_NO_PAD.encode(json)
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_header_names_the_same_key_whether_it_is_known_or_read(header in headers()) {
            let (_, tokens) = four_keys();
            let [known, read] = [tokens.key(&header), tokens.key_read(&header)];
            prop_assert_eq!(known.map(|key| &key.id), read.map(|key| &key.id));
        }
    }

    #[test]
    fn a_good_token_is_known_from_then_on_and_nothing_else_is() {
        for key in keys() {
            let signing = tokens(key.clone(), &[]);
            let (token, claims) = signing.sign(subject(), NOW).unwrap();
            let verifying = tokens(None, &[key.verifying()]);
            let is_known = |token: &str| verifying.cache.get(token).is_some();

            let early = verifying.verify(&token, NOW - 61);
            assert_eq!(early, Err(Rejection::Invalid("made in the future")));
            let late = verifying.verify(&token, claims.exp);
            assert_eq!(late, Err(Rejection::Expired(claims.bearer())));
            assert!(!is_known(&token));

            assert_eq!(verifying.verify(&token, NOW), Ok(claims.bearer()));
            assert!(is_known(&token));
            // As before, of what is known.
            assert_eq!(verifying.verify(&token, NOW - 61), early);
            assert_eq!(verifying.verify(&token, NOW), Ok(claims.bearer()));
            assert_eq!(verifying.verify(&token, claims.exp), late);

            for index in 0..token.len() {
                let mut other = token.clone();
                let letter = if &token[index..=index] == "x" { "y" } else { "x" };
                other.replace_range(index..=index, letter);
                assert!(verifying.verify(&other, NOW).is_err(), "{index}");
                assert!(!is_known(&other));
            }
            assert!(!is_known(&token[..token.len() - 1]));
            assert!(!is_known(&format!("{token} ")));
        }
    }

    #[test]
    fn every_forgery_is_refused_for_what_is_wrong_with_it() {
        let signing = tokens(keys()[0].clone(), &[]);
        let (_, claims) = signing.sign(subject(), NOW).unwrap();
        let tokens = tokens(None, &forged::verifying_keys());
        for token in forged::genuine_tokens(&claims) {
            assert_eq!(tokens.verify(&token, NOW), Ok(claims.bearer()));
        }
        let forgeries = forged::forgeries(&claims, NOW);
        assert!(forgeries.len() > 500, "{}", forgeries.len());
        let wrong: Vec<_> = forgeries
            .iter()
            .map(|forgery| (forgery, tokens.verify(&forgery.token, NOW)))
            .filter(|(forgery, verdict)| verdict.as_ref() != Err(&forgery.rejection))
            .map(|(forgery, verdict)| format!("{}: {verdict:?} and not {:?}", forgery.name, forgery.rejection))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn each_forgery_is_another_token_of_another_name() {
        let signing = tokens(keys()[0].clone(), &[]);
        let (_, claims) = signing.sign(subject(), NOW).unwrap();
        let genuine = forged::genuine_tokens(&claims);
        let forgeries = forged::forgeries(&claims, NOW);
        let names: std::collections::BTreeSet<_> = forgeries.iter().map(|forgery| &forgery.name).collect();
        assert_eq!(names.len(), forgeries.len());
        assert!(forgeries.iter().all(|forgery| !genuine.contains(&forgery.token)));
    }

    #[test]
    fn what_is_not_ours_to_understand_is_ignored() {
        let tokens = tokens(secret(SECRET), &[]);
        let token = signed(|header, claims| {
            header.typ = Some("Application/AT+JWT".into());
            header.jku = Some("https://forger.test/jwks.json".into());
            header.x5u = Some("https://forger.test/cert.pem".into());
            header
                .extras
                .insert("jwk", serde_json::json!({ "kty": "none of ours" }));
            header.extras.insert("x", serde_json::json!([1]));
            claims["scope"] = "everything".into();
            claims["nbf"] = (NOW + 60).into();
        });
        assert!(tokens.verify(&token, NOW).is_ok());
    }

    #[test]
    fn a_claim_is_the_same_however_it_is_spelt() {
        let tokens = tokens(secret(SECRET), &[]);
        let (_, claims) = tokens.sign(subject(), NOW).unwrap();
        let plain = serde_json::to_string(&claims).unwrap();
        let spelt = plain
            .replace("https://issuer.test", r"https:\/\/issuer\u002etest")
            .replace(r#""tests""#, r#""\u0074ests""#)
            .replace("test@example", r"test\u0040\ud83d\ude00example")
            .replace(r#""sub""#, r#""\u0073ub""#);
        let spaced = spelt.replace(',', " ,\r\n\t").replace("\":", "\" : ");
        let longer = spelt.replacen('{', r#"{"scope":{"all":["é"]},"nbf":null,"#, 1);
        for json in [plain, spelt, spaced, longer] {
            let token = sealed(
                &secret(SECRET),
                &tokens.verifiers[0].header,
                &URL_SAFE_NO_PAD.encode(&json),
            );
            assert_eq!(tokens.verify(&token, NOW), Ok(claims.bearer()), "{json}");
        }
    }
}
