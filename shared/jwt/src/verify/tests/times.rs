//! Expiry and differing clocks.

use super::{NOW, SECRET, keys, secret, subject, tokens};
use crate::{Rejection, Subject};

#[test]
fn a_token_expires_no_later_than_its_login() {
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
fn the_signing_clock_may_be_up_to_a_minute_ahead() {
    for key in keys() {
        let tokens = tokens(key, &[]);
        let (token, _) = tokens.sign(subject(), NOW).unwrap();
        assert!(tokens.verify(&token, NOW - 60).is_ok());
        assert_eq!(
            tokens.verify(&token, NOW - 61),
            Err(Rejection::Invalid("issued in the future"))
        );
    }
}
