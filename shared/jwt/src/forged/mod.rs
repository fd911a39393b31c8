//! Forged tokens, each with the reason why it must be rejected, for the tests of crates that accept tokens.
//!
//! They target a deployment in the middle of a change from HS256 to `EdDSA`, which is the easiest to confuse: it signs
//! with `EdDSA` and still verifies tokens that it signed with HS256. Each forgery has one fault, the one in its name.

mod claims;
mod encoding;
mod forger;
mod headers;
mod signatures;

use self::forger::Forger;
use crate::keys::{PrivateKey, Secret, SigningKey, VerifyingKey};
use crate::{Claims, Rejection};

/// The published private key of RFC 8037, appendix A.1. For tests only.
pub const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";

/// The public key of [`PRIVATE_KEY`].
pub const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
";

/// Another published private key: RFC 8032, section 7.1, test 2.
pub const OTHER_PRIVATE_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7";

/// The HS256 secret that the deployment used before.
pub const SECRET: &str = "a secret that these forgeries try to sign with";

/// A token that must be rejected.
#[derive(Clone, Debug)]
pub struct Forgery {
    /// The fault.
    pub name: String,
    /// The token.
    pub token: String,
    /// The expected rejection.
    pub rejection: Rejection,
}

/// The key that the deployment signs with.
pub fn signing_key() -> SigningKey {
    SigningKey::EdDsa(PrivateKey::parse(PRIVATE_KEY).expect("the constant is a private key"))
}

/// The key that the deployment signed with before.
pub fn retired_key() -> SigningKey {
    SigningKey::Hs256(Secret::new(SECRET).expect("the constant is long enough"))
}

/// The keys that the deployment accepts: the current and the retired one.
pub fn verifying_keys() -> Vec<VerifyingKey> {
    vec![signing_key().verifying(), retired_key().verifying()]
}

/// Tokens with these claims that the deployment must accept: one per key.
pub fn genuine_tokens(claims: &Claims<'_>) -> Vec<String> {
    crate::crypto::install();
    Forger::with_genuine_keys()
        .iter()
        .map(|forger| forger.token(claims))
        .collect()
}

/// Tokens that the deployment must reject at `now`. `claims` are the claims of a genuine token at that time.
pub fn forgeries(claims: &Claims<'_>, now: i64) -> Vec<Forgery> {
    crate::crypto::install();
    let mut corpus = Corpus(Vec::new());
    let [ed, mac] = &Forger::with_genuine_keys();
    for (forger, other) in [(ed, mac), (mac, ed)] {
        encoding::add_parts(&mut corpus, forger, claims);
        encoding::add_spellings(&mut corpus, forger, claims);
        headers::add_members(&mut corpus, forger, claims);
        headers::add_algorithms(&mut corpus, forger, claims);
        signatures::add_wrong_signatures(&mut corpus, forger, other, claims);
        claims::add_values(&mut corpus, forger, claims, now);
        claims::add_expiries(&mut corpus, forger, claims, now);
        claims::add_documents(&mut corpus, forger, claims);
    }
    signatures::add_public_key_as_secret(&mut corpus, ed, mac, claims);
    headers::add_foreign_keys(&mut corpus, ed, claims);
    signatures::add_malleable_signatures(&mut corpus, ed, claims);
    corpus.0
}

struct Corpus(Vec<Forgery>);

impl Corpus {
    fn add(&mut self, name: impl Into<String>, reason: &'static str, token: String) {
        self.0.push(Forgery {
            name: name.into(),
            token,
            rejection: Rejection::Invalid(reason),
        });
    }
}
