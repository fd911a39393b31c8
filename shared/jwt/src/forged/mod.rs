//! Forged tokens, each with the reason why it must be rejected, for the tests of crates that accept tokens.
//!
//! They target a deployment in the middle of a change from HS256 to `EdDSA`, which is the easiest to confuse: it signs
//! with `EdDSA` and still verifies tokens that it signed with HS256. Each forgery has one fault, the one in its name.

mod claims;
mod corpus;
mod encoding;
mod forger;
mod headers;
mod keys;
mod signatures;

pub use self::corpus::Forgery;
pub use self::keys::{OTHER_PRIVATE_KEY, PRIVATE_KEY, PUBLIC_KEY, SECRET, retired_key, signing_key, verifying_keys};

use self::corpus::Corpus;
use self::forger::Forger;
use crate::Claims;

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
    let mut corpus = Corpus::default();
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
    corpus.into_forgeries()
}
