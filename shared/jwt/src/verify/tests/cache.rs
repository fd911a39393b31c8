//! The token cache: its content, and that a cached token gets the same verdict.

use super::{NOW, keys, subject, tokens};
use crate::Rejection;

#[test]
fn only_accepted_tokens_are_cached_and_their_times_are_checked_again() {
    for key in keys() {
        let signing = tokens(key.clone(), &[]);
        let (token, claims) = signing.sign(subject(), NOW).unwrap();
        let verifying = tokens(None, &[key.verifying()]);
        let is_cached = |token: &str| verifying.cache.get(token).is_some();

        let early = verifying.verify(&token, NOW - 61);
        assert_eq!(early, Err(Rejection::Invalid("issued in the future")));
        let late = verifying.verify(&token, claims.exp);
        assert_eq!(
            late,
            Err(Rejection::Expired {
                bearer: claims.bearer(),
                at: claims.exp
            })
        );
        assert!(!is_cached(&token));

        assert_eq!(verifying.verify(&token, NOW), Ok(claims.bearer()));
        assert!(is_cached(&token));
        assert_eq!(verifying.verify(&token, NOW - 61), early);
        assert_eq!(verifying.verify(&token, NOW), Ok(claims.bearer()));
        assert_eq!(verifying.verify(&token, claims.exp), late);

        for index in 0..token.len() {
            let mut other = token.clone();
            let letter = if &token[index..=index] == "x" { "y" } else { "x" };
            other.replace_range(index..=index, letter);
            assert!(verifying.verify(&other, NOW).is_err(), "{index}");
            assert!(!is_cached(&other));
        }
        assert!(!is_cached(&token[..token.len() - 1]));
        assert!(!is_cached(&format!("{token} ")));
    }
}
