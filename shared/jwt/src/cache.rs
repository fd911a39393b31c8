//! Cache of verified tokens.
//!
//! A client sends the same token with every request. Its signature, issuer and audience stay valid for the life of the
//! process, because the keys and settings never change while it runs. The cache holds only claims that do not depend on
//! the time, and only accepted tokens, so that invalid tokens cannot evict valid ones. Every request still checks the
//! token's times here and its login in the store.

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, UnitWeighter};

use crate::claims::VerifiedClaims;

/// Maximum number of tokens; the least used are evicted. At about 600 bytes each, a full cache takes about 2.5 MiB.
const CAPACITY: usize = 4096;

/// Number of independently locked parts. The default is four per core, and counting the cores slows down every start.
const SHARDS: usize = 8;

pub(crate) struct TokenCache(Cache<Box<str>, VerifiedClaims>);

impl TokenCache {
    pub(crate) fn new() -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(CAPACITY)
            .weight_capacity(CAPACITY as u64)
            .shards(SHARDS)
            .build();
        let options = options.expect("every option without a default is set");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self(Cache::with_options(options, UnitWeighter, hasher, lifecycle))
    }

    /// The claims of exactly this token, byte for byte.
    pub(crate) fn get(&self, token: &str) -> Option<VerifiedClaims> {
        self.0.get(token)
    }

    pub(crate) fn insert(&self, token: &str, claims: VerifiedClaims) {
        self.0.insert(token.into(), claims);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::Bearer;

    #[test]
    fn the_cache_is_bounded_and_returns_each_token_its_own_claims() {
        let claims = |expires_at| VerifiedClaims {
            bearer: Bearer {
                user: Uuid::from_u128(1),
                tenant: Uuid::from_u128(2),
                login: Uuid::from_u128(3),
            },
            issued_at: 0,
            not_before: None,
            expires_at,
        };
        let cache = TokenCache::new();
        for number in 0..10_000 {
            let token = format!("token {number}");
            cache.insert(&token, claims(number));
            assert_eq!(cache.get(&token), Some(claims(number)));
        }
        assert!(cache.0.len() <= CAPACITY, "{}", cache.0.len());
        let cached = (0..10_000).filter_map(|number| Some((number, cache.get(&format!("token {number}"))?)));
        let cached: Vec<_> = cached.collect();
        assert_eq!(cached.len(), cache.0.len());
        assert!(cached.iter().all(|&(number, found)| found == claims(number)));
        assert_eq!(cache.get("token"), None);
    }
}
