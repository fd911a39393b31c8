//! Wrong signatures: damaged, of other content, made with public data, or accepted by lax verifiers.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::corpus::Corpus;
use super::forger::{Forger, ForgerKey, pem_body, split, to_json, with_member};
use super::keys::PUBLIC_KEY;
use crate::Claims;

/// Damaged signatures, genuine signatures of other content, and one key's header under the other's signature.
pub(super) fn add_wrong_signatures(corpus: &mut Corpus, forger: &Forger, other: &Forger, claims: &Claims<'_>) {
    add_damaged_signatures(corpus, forger, claims);
    add_changed_content(corpus, forger, other, claims);
    let claims = to_json(claims).to_string();
    for (name, reason, header) in [
        (
            "the other key's id",
            "wrong algorithm",
            with_member(&forger.header(), "kid", Some(other.kid.clone().into())),
        ),
        (
            "the other algorithm",
            "wrong algorithm",
            with_member(&forger.header(), "alg", Some(other.alg.into())),
        ),
        ("the other key's header", "wrong signature", other.genuine_header()),
    ] {
        corpus.add(format!("{}: {name}", forger.alg), reason, forger.sign(header, &claims));
    }
}

fn add_damaged_signatures(corpus: &mut Corpus, forger: &Forger, claims: &Claims<'_>) {
    let token = forger.token(claims);
    let [header, payload, encoded] = split(&token);
    let signature = URL_SAFE_NO_PAD.decode(encoded).expect("the signature is base64url");
    let last = signature.len() - 1;
    let flipped = |index: usize, bit: u8| {
        let mut bytes = signature.clone();
        bytes[index] ^= bit;
        bytes
    };
    for (name, bytes) in [
        ("no signature", Vec::new()),
        ("one byte of the signature", signature[..1].to_vec()),
        ("half the signature", signature[..=last / 2].to_vec()),
        ("the signature without its last byte", signature[..last].to_vec()),
        ("the signature with one more byte", [&signature[..], &[0]].concat()),
        ("the signature twice", signature.repeat(2)),
        ("the first bit flipped", flipped(0, 0x80)),
        ("a middle bit flipped", flipped(last / 2, 4)),
        ("the last bit flipped", flipped(last, 1)),
        ("a signature of zeros", vec![0; signature.len()]),
        ("a signature of ones", vec![0xff; signature.len()]),
        ("the signature reversed", signature.iter().rev().copied().collect()),
        ("the signature as text", encoded.into()),
        ("a signature of nothing", forger.key.sign(b"")),
        ("a signature of the claims", forger.key.sign(payload.as_bytes())),
    ] {
        let token = format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(bytes));
        corpus.add(format!("{}: {name}", forger.alg), "wrong signature", token);
    }
}

/// A genuine signature below changed content.
fn add_changed_content(corpus: &mut Corpus, forger: &Forger, other: &Forger, claims: &Claims<'_>) {
    let token = forger.token(claims);
    let [header, payload, signature] = split(&token);
    let another_user = json!("00000000-0000-4000-8000-000000000000");
    let another_user = with_member(&to_json(claims), "sub", Some(another_user));
    let spaced_claims = format!("{} ", to_json(claims));
    let spaced_header = URL_SAFE_NO_PAD.encode(format!("{} ", forger.header()));
    let other_header = URL_SAFE_NO_PAD.encode(other.genuine_header());
    for (name, header, payload) in [
        ("another user", header, URL_SAFE_NO_PAD.encode(another_user)),
        (
            "claims with one more space",
            header,
            URL_SAFE_NO_PAD.encode(spaced_claims),
        ),
        ("a header with one more space", &spaced_header, payload.to_owned()),
        ("the header of the other key's token", &other_header, payload.to_owned()),
    ] {
        let token = format!("{header}.{payload}.{signature}");
        corpus.add(format!("{}: {name}", forger.alg), "wrong signature", token);
    }
}

/// HMACs whose secret is public: a form of the Ed25519 public key, nothing, or a word.
pub(super) fn add_public_key_as_secret(corpus: &mut Corpus, ed: &Forger, mac: &Forger, claims: &Claims<'_>) {
    let base64 = pem_body(PUBLIC_KEY);
    let der = STANDARD.decode(&base64).expect("the constant is base64");
    let raw = der[der.len() - 32..].to_vec();
    let x = URL_SAFE_NO_PAD.encode(&raw);
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x }).to_string();
    for (name, secret) in [
        ("nothing", Vec::new()),
        ("a word", b"secret".to_vec()),
        ("the public key's bytes", raw),
        ("the public key's DER", der),
        ("the public key's PEM", PUBLIC_KEY.into()),
        (
            "the public key's PEM without its last line break",
            PUBLIC_KEY.trim_end().into(),
        ),
        ("the public key's base64", base64.into()),
        ("the public key's base64url", x.into()),
        ("the public key's JWK", jwk.into()),
        ("the public key's id", ed.kid.clone().into()),
    ] {
        for (alg, kid, reason) in [
            ("HS256", &ed.kid, "wrong algorithm"),
            ("EdDSA", &ed.kid, "wrong signature"),
            ("HS256", &mac.kid, "wrong signature"),
        ] {
            let forger = Forger {
                alg,
                kid: kid.clone(),
                key: ForgerKey::Mac(secret.clone()),
            };
            let name = format!("HMAC with {name}, as {alg} under {kid}");
            corpus.add(name, reason, forger.token(claims));
        }
    }
}

/// Ed25519 signatures that some verifiers accept.
pub(super) fn add_malleable_signatures(corpus: &mut Corpus, ed: &Forger, claims: &Claims<'_>) {
    /// The order of the group, least significant byte first (RFC 8032, section 5.1).
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let token = ed.token(claims);
    let [header, payload, encoded] = split(&token);
    // The same signature with `s` plus the group's order (RFC 8032, section 8.4).
    let mut larger = URL_SAFE_NO_PAD.decode(encoded).expect("the signature is base64url");
    let mut carry = 0;
    for (byte, order) in larger[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    // `R` is the neutral element and `s` is zero: valid for every message under a key of small order.
    let neutral = [[1].as_slice(), &[0; 63]].concat();
    for (name, signature) in [("a larger s", larger), ("a neutral signature", neutral)] {
        let token = format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(signature));
        corpus.add(name, "wrong signature", token);
    }
}
