//! Headers: the fast path and the parser must agree on the key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{NOW, four_keys, sign_parts, subject, tokens};
use crate::Rejection;
use crate::jws::Jws;
use crate::keys::Signer;

#[test]
fn headers_of_signed_tokens_take_the_fast_path() {
    let (keys, all) = four_keys();
    for (key, verifier) in keys.into_iter().zip(&all.verifiers) {
        let (token, _) = tokens(key, &[]).sign(subject(), NOW).unwrap();
        assert_eq!(Jws::parse(&token).unwrap().header, verifier.header);
    }
}

#[test]
fn a_header_of_one_key_with_the_signature_of_another_is_rejected() {
    let (keys, all) = four_keys();
    let signing = tokens(keys[0].clone(), &[]);
    let (token, claims) = signing.sign(subject(), NOW).unwrap();
    let payload = token.split('.').nth(1).unwrap();
    for key in &keys {
        for other in &all.verifiers {
            let expected = if Signer::new(key).id == other.id {
                Ok(claims.bearer())
            } else {
                Err(Rejection::Invalid("wrong signature"))
            };
            assert_eq!(all.verify(&sign_parts(key, &other.header, payload), NOW), expected);
        }
    }
}

/// Valid headers, headers with one change in the encoding or in the JSON, and arbitrary texts.
fn headers() -> impl Strategy<Value = String> {
    let (_, all) = four_keys();
    let valid: Vec<String> = all.verifiers.into_iter().map(|key| key.header).collect();
    let position = || (proptest::sample::select(valid.clone()), any::<Index>());
    prop_oneof![
        position().prop_map(|(header, _)| header),
        "\\PC*",
        (position(), "[A-Za-z0-9_=+-]?").prop_map(|((mut header, index), text)| {
            let index = index.index(header.len());
            header.replace_range(index..=index, &text);
            header
        }),
        position().prop_map(|(mut header, index)| {
            let index = index.index(header.len());
            let (_, rest) = header.split_at_mut(index);
            if rest[..1].chars().all(char::is_lowercase) {
                rest[..1].make_ascii_uppercase();
            } else {
                rest[..1].make_ascii_lowercase();
            }
            header
        }),
        (position(), any::<u8>()).prop_map(|((header, index), byte)| {
            let mut json = URL_SAFE_NO_PAD.decode(header).unwrap();
            let index = index.index(json.len());
            json[index] = byte;
            URL_SAFE_NO_PAD.encode(json)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_path_and_the_parser_find_the_same_key(header in headers()) {
        let (_, tokens) = four_keys();
        let [fast, parsed] = [tokens.find_key(&header), tokens.parse_header(&header)];
        prop_assert_eq!(fast.map(|key| &key.id), parsed.map(|key| &key.id));
    }
}
