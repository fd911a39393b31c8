//! Changing the signing key.

use super::{NOW, OTHER_SECRET, SECRET, keys, private, secret, subject, tokens};
use crate::{Rejection, forged};

#[test]
fn every_key_can_follow_every_other_without_rejecting_a_token() {
    let keys = [
        secret(SECRET),
        secret(OTHER_SECRET),
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
fn verifying_keys_never_sign() {
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
