//! Wrong headers under genuine signatures, and keys that a header brings along.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::corpus::Corpus;
use super::forger::{Forger, ForgerKey, elements, split, to_json, with_extra_members, with_member};
use super::keys::OTHER_PRIVATE_KEY;
use crate::Claims;

const UNREADABLE: &str = "unreadable header";

/// Wrong, missing, repeated and unsupported members, and headers that are not objects.
pub(super) fn add_members(corpus: &mut Corpus, forger: &Forger, claims: &Claims<'_>) {
    let (alg, header, claims) = (forger.alg, forger.header(), to_json(claims).to_string());
    add_wrong_values(corpus, forger, &claims);
    for (member, reason) in [("typ", "wrong type"), ("kid", "unknown key")] {
        let name = format!("{alg}: no {member}");
        corpus.add(name, reason, forger.sign(with_member(&header, member, None), &claims));
    }
    for members in [
        r#""alg":"none""#,
        r#""\u0061lg":"none""#,
        r#""kid":"other""#,
        r#""typ":"JWT""#,
        r#""x":1,"x":1"#,
        r#""x":{"y":1,"y":1}"#,
        &format!(r#""alg":"{alg}""#),
    ] {
        let headers = with_extra_members(&header, members);
        for (position, header) in ["before", "after"].into_iter().zip(headers) {
            let name = format!("{alg}: {members} {position} the header's members");
            corpus.add(name, UNREADABLE, forger.sign(header, &claims));
        }
    }
    let [deep, _] = with_extra_members(&header, &format!(r#""x":{}{}"#, "[".repeat(200), "]".repeat(200)));
    let header = header.to_string();
    for (name, header) in [
        ("an empty header", "{}".into()),
        ("an array as the header", json!([alg, "at+jwt", forger.kid]).to_string()),
        ("a string as the header", Value::from(header.clone()).to_string()),
        ("null as the header", "null".into()),
        ("an object after the header", format!("{header}{{}}")),
        ("a byte order mark", format!("\u{feff}{header}")),
        ("a trailing comma", header.replace('}', ",}")),
        ("half a header", header.replace('}', "")),
        ("a deeply nested header", deep),
    ] {
        corpus.add(format!("{alg}: {name}"), UNREADABLE, forger.sign(header, &claims));
    }
    let not_utf8 = [&header.as_bytes()[..header.len() - 1], b",\"x\":\"\xff\"}"].concat();
    let name = format!("{alg}: a header that is not UTF-8");
    corpus.add(name, UNREADABLE, forger.sign(not_utf8, &claims));
}

fn add_wrong_values(corpus: &mut Corpus, forger: &Forger, claims: &str) {
    let (header, kid) = (forger.header(), &forger.kid);
    let types = json!([
        null,
        "",
        "JWT",
        "jwt",
        "logout+jwt",
        "at+jwt2",
        "at+jwt ",
        " at+jwt",
        "text/at+jwt",
        "at"
    ]);
    let ids = json!([
        null,
        "",
        "other",
        kid.to_uppercase(),
        kid[..8],
        format!("{kid} "),
        "../../../../dev/null",
        "x' UNION SELECT 'key' --",
    ]);
    let crit = json!([null, [], ["exp"], ["b64"], "b64", false]);
    for (member, reason, values) in [
        ("typ", "wrong type", types),
        ("typ", UNREADABLE, json!([1, true, ["at+jwt"], { "at+jwt": 1 }])),
        ("kid", "unknown key", ids),
        ("kid", UNREADABLE, json!([1, true, [kid], { "kid": kid }])),
        ("crit", "crit or b64 in the header", crit),
        ("b64", "crit or b64 in the header", json!([false, true, null, "false"])),
    ] {
        for value in elements(values) {
            let name = format!("{}: {member} is {value}", forger.alg);
            let header = with_member(&header, member, Some(value));
            corpus.add(name, reason, forger.sign(header, claims));
        }
    }
}

/// Algorithms other than the key's, with the key's signature and without a signature.
pub(super) fn add_algorithms(corpus: &mut Corpus, forger: &Forger, claims: &Claims<'_>) {
    let claims = to_json(claims).to_string();
    let values = json!([
        "none", "None", "NONE", "nOnE", "none ", "", " ", "null",
        "hs256", "Hs256", "HS256 ", "HS1", "HS384", "HS512",
        "eddsa", "EDDSA", "Ed25519", "Ed448", "ES256", "ES256K", "ES384", "RS256", "RS512", "PS256", "A128KW", "dir",
        null, 0, true, [forger.alg], { "alg": forger.alg },
    ]);
    for value in elements(values).into_iter().map(Some).chain([None]) {
        let reason = match value.clone().map(serde_json::from_value::<Algorithm>) {
            Some(Ok(_)) => "wrong algorithm",
            _ => UNREADABLE,
        };
        let name = value.as_ref().map_or("missing".to_owned(), Value::to_string);
        let token = forger.sign(with_member(&forger.header(), "alg", value), &claims);
        let [header, payload, _] = split(&token);
        let unsigned = format!("{header}.{payload}.");
        corpus.add(format!("{}: alg is {name}", forger.alg), reason, token);
        corpus.add(format!("{}: alg is {name}, not signed", forger.alg), reason, unsigned);
    }
}

/// Tokens of an unknown key, which the header contains or refers to.
pub(super) fn add_foreign_keys(corpus: &mut Corpus, ed: &Forger, claims: &Claims<'_>) {
    let key = ForgerKey::ed25519(OTHER_PRIVATE_KEY);
    let x = match &key {
        ForgerKey::Ed(key) => URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()),
        ForgerKey::Mac(_) => unreachable!("the key was made for Ed25519"),
    };
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": ed.kid, "alg": "EdDSA", "use": "sig" });
    let mut attacker = Forger {
        alg: "EdDSA",
        kid: String::new(),
        key,
    };
    for (kid, reason) in [(&ed.kid, "wrong signature"), (&x, "unknown key")] {
        attacker.kid.clone_from(kid);
        corpus.add(format!("another key under {kid}"), reason, attacker.token(claims));
        for (member, content) in [
            ("jwk", jwk.clone()),
            ("jku", json!("https://forger.test/jwks.json")),
            ("x5c", json!(["MIIB"])),
            ("x5u", json!("https://forger.test/cert.pem")),
        ] {
            let header = with_member(&attacker.header(), member, Some(content));
            let name = format!("another key under {kid}, with {member}");
            corpus.add(name, reason, attacker.sign(header, to_json(claims).to_string()));
        }
    }
}
