//! Tokens in an unusual form that must be accepted.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};

use super::{NOW, SECRET, secret, sign_parts, subject, tokens};

/// A token whose header and claims `change` has edited before signing.
fn sign_edited(change: impl FnOnce(&mut Header, &mut serde_json::Value)) -> String {
    let tokens = tokens(secret(SECRET), &[]);
    let (token, claims) = tokens.sign(subject(), NOW).unwrap();
    let mut header = jsonwebtoken::decode_header(&token).unwrap();
    let mut claims = serde_json::to_value(claims).unwrap();
    change(&mut header, &mut claims);
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

#[test]
fn unknown_header_members_and_claims_are_ignored() {
    let tokens = tokens(secret(SECRET), &[]);
    let token = sign_edited(|header, claims| {
        header.typ = Some("Application/AT+JWT".into());
        header.jku = Some("https://forger.test/jwks.json".into());
        header.x5u = Some("https://forger.test/cert.pem".into());
        header.extras.insert("jwk", serde_json::json!({ "kty": "unknown" }));
        header.extras.insert("x", serde_json::json!([1]));
        claims["scope"] = "everything".into();
        claims["nbf"] = (NOW + 60).into();
    });
    assert!(tokens.verify(&token, NOW).is_ok());
}

#[test]
fn the_json_spelling_of_claims_does_not_matter() {
    let tokens = tokens(secret(SECRET), &[]);
    let (_, claims) = tokens.sign(subject(), NOW).unwrap();
    let plain = serde_json::to_string(&claims).unwrap();
    let escaped = plain
        .replace("https://issuer.test", r"https:\/\/issuer\u002etest")
        .replace(r#""tests""#, r#""\u0074ests""#)
        .replace("test@example", r"test\u0040\ud83d\ude00example")
        .replace(r#""sub""#, r#""\u0073ub""#);
    let spaced = escaped.replace(',', " ,\r\n\t").replace("\":", "\" : ");
    let longer = escaped.replacen('{', r#"{"scope":{"all":["é"]},"nbf":null,"#, 1);
    for json in [plain, escaped, spaced, longer] {
        let token = sign_parts(
            &secret(SECRET),
            &tokens.verifiers[0].header,
            &URL_SAFE_NO_PAD.encode(&json),
        );
        assert_eq!(tokens.verify(&token, NOW), Ok(claims.bearer()), "{json}");
    }
}
