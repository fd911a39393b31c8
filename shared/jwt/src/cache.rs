//! Tokens that were found authentic before: a client sends the same one with each of its requests, and what was found of it once stays true
//! for as long as the keys, the issuer and the audience are the same, which is as long as the process runs.
//!
//! Only what does not depend on the time is kept, and only of tokens that are good: others can not push them out. Whether the login still
//! stands is another question, which is asked with each request.

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, UnitWeighter};

use crate::claims::Term;

/// How many are kept; those that are asked for least make room. Each takes some 600 bytes, so all of them some 2.5 MiB.
const PLACES: usize = 4096;

/// Parts of it that are locked for themselves. By default there would be four for each core, and counting the cores takes a function's start a while.
const SHARDS: usize = 8;

pub(crate) struct TokenCache(Cache<Box<str>, Term>);

impl TokenCache {
    pub(crate) fn new() -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(PLACES)
            .weight_capacity(PLACES as u64)
            .shards(SHARDS)
            .build();
        let options = options.expect("what has no default is set");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self(Cache::with_options(options, UnitWeighter, hasher, lifecycle))
    }

    /// What was found of this token, letter for letter.
    pub(crate) fn get(&self, token: &str) -> Option<Term> {
        self.0.get(token)
    }

    pub(crate) fn keep(&self, token: &str, term: Term) {
        self.0.insert(token.into(), term);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::Bearer;

    #[test]
    fn only_so_many_are_kept_and_each_is_known_by_its_own_letters() {
        let term = |ends| Term {
            bearer: Bearer {
                user: Uuid::from_u128(1),
                tenant: Uuid::from_u128(2),
                login: Uuid::from_u128(3),
            },
            made: 0,
            begins: None,
            ends,
        };
        let known = TokenCache::new();
        for ends in 0..10_000 {
            let token = format!("token {ends}");
            known.keep(&token, term(ends));
            assert_eq!(known.get(&token), Some(term(ends)));
        }
        assert!(known.0.len() <= PLACES, "{}", known.0.len());
        let kept = (0..10_000).filter_map(|ends| Some((ends, known.get(&format!("token {ends}"))?)));
        let kept: Vec<_> = kept.collect();
        assert_eq!(kept.len(), known.0.len());
        assert!(kept.iter().all(|&(ends, found)| found == term(ends)));
        assert_eq!(known.get("token"), None);
    }
}
