//! Tests of [`Tokens::sign`] and [`Tokens::verify`], and the keys, tokens and subject that they share.

mod cache;
mod forgeries;
mod headers;
mod leniency;
mod rotation;
mod times;

use jsonwebtoken::Algorithm;
use uuid::Uuid;

use crate::keys::Signer;
use crate::{Bearer, PrivateKey, Secret, Settings, SigningKey, Subject, Tokens, VerifyingKey, forged};

const NOW: i64 = 1_700_000_000;
const SECRET: &str = "a newer secret with at least 32 bytes";
const OTHER_SECRET: &str = "an older secret of at least 32 bytes";

fn secret(text: &str) -> SigningKey {
    SigningKey::Hs256(Secret::new(text).unwrap())
}

fn private(text: &str) -> SigningKey {
    SigningKey::EdDsa(PrivateKey::parse(text).unwrap())
}

/// One key of each algorithm.
fn keys() -> [SigningKey; 2] {
    [secret(SECRET), private(forged::PRIVATE_KEY)]
}

/// Two keys of each algorithm, and [`Tokens`] that verify all four.
fn four_keys() -> ([SigningKey; 4], Tokens) {
    let [mac, ed] = keys();
    let keys = [mac, ed, secret(OTHER_SECRET), private(forged::OTHER_PRIVATE_KEY)];
    let verifying = keys.each_ref().map(SigningKey::verifying);
    (keys, tokens(None, &verifying))
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

/// A token of exactly these encoded parts, signed with `key`.
fn sign_parts(key: &SigningKey, header: &str, payload: &str) -> String {
    let (key, signed) = (Signer::new(key), format!("{header}.{payload}"));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key.key, key.algorithm).unwrap();
    format!("{signed}.{signature}")
}

#[test]
fn a_token_carries_its_subject_key_id_and_type() {
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
fn without_a_signing_key_tokens_are_only_verified() {
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
