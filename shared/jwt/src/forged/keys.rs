//! The keys of the attacked deployment.

use crate::keys::{PrivateKey, Secret, SigningKey, VerifyingKey};

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
