//! Expiry and differing clocks.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{NOW, SECRET, keys, secret, sign_parts, subject, tokens};
use crate::{Claims, Rejection, Subject};

#[test]
fn a_token_expires_no_later_than_its_login() {
    let tokens = tokens(secret(SECRET), &[]);
    let subject = Subject {
        not_after: NOW + 10,
        ..subject()
    };
    let (token, claims) = tokens.sign(subject, NOW).unwrap();
    assert_eq!(claims.exp, NOW + 10);
    assert!(matches!(
        tokens.verify(&token, NOW + 10),
        Err(Rejection::Expired { .. })
    ));
}

#[test]
fn a_token_expires_to_the_second() {
    for key in keys() {
        let tokens = tokens(key, &[]);
        let (token, claims) = tokens.sign(subject(), NOW).unwrap();
        assert!(tokens.verify(&token, NOW + 3599).is_ok());
        let (bearer, at) = (claims.bearer(), NOW + 3600);
        assert_eq!(
            tokens.verify(&token, NOW + 3600),
            Err(Rejection::Expired { bearer, at })
        );
    }
}

#[test]
fn a_lifetime_beyond_the_configured_one_is_rejected_even_after_the_expiry() {
    for key in keys() {
        let tokens = tokens(key.clone(), &[]);
        let (_, claims) = tokens.sign(subject(), NOW).unwrap();
        let with_times = |iat, exp| {
            let claims = serde_json::to_string(&Claims {
                iat,
                exp,
                ..claims.clone()
            })
            .unwrap();
            sign_parts(&key, &tokens.verifiers[0].header, &URL_SAFE_NO_PAD.encode(claims))
        };
        let longest = with_times(NOW, NOW + 3600);
        assert_eq!(tokens.verify(&longest, NOW), Ok(claims.bearer()));
        for (iat, exp) in [
            (NOW, NOW + 3601),
            (NOW, i64::MAX),
            (i64::MIN, NOW + 1),
            (i64::MIN, i64::MAX),
        ] {
            for now in [NOW, NOW + 3602] {
                let verdict = tokens.verify(&with_times(iat, exp), now);
                assert_eq!(verdict, Err(Rejection::Invalid("lifetime too long")), "{iat} {exp}");
            }
        }
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
