//! Wrong claims under genuine signatures, as if the key had leaked to another service.

use serde_json::{Value, json};

use super::corpus::{Corpus, Forgery};
use super::forger::{Forger, elements, split, to_json, with_extra_members, with_member};
use crate::{Claims, Rejection};

const UNREADABLE: &str = "unreadable claims";

/// Claims of a wrong type, missing claims, and wrong values.
pub(super) fn add_values(corpus: &mut Corpus, forger: &Forger, claims: &Claims<'_>, now: i64) {
    let (alg, header, genuine) = (forger.alg, forger.genuine_header(), to_json(claims));
    for (member, right) in genuine.as_object().into_iter().flatten() {
        let wrong = if right.is_number() { json!("1") } else { json!(1) };
        for value in elements(json!([null, true, wrong, [right], { "": right }])) {
            let name = format!("{alg}: {member} is {value}");
            let claims = with_member(&genuine, member, Some(value));
            corpus.add(name, UNREADABLE, forger.sign(&header, claims));
        }
        let name = format!("{alg}: no {member}");
        corpus.add(
            name,
            UNREADABLE,
            forger.sign(&header, with_member(&genuine, member, None)),
        );
    }
    let users = json!(["", "root", "*", "00000000-0000-4000-8000-00000000000"]);
    let expiries = json!([
        "",
        "2999-01-01T00:00:00Z",
        "9999999999",
        1e10,
        9_999_999_999.5,
        u64::MAX
    ]);
    let issuers = json!([
        "",
        "https://other.test",
        format!("{}/", claims.iss),
        claims.iss.to_uppercase()
    ]);
    let audiences = json!(["", "others", format!("{} ", claims.aud), claims.aud.to_uppercase()]);
    for (member, reason, values) in [
        ("sub", UNREADABLE, users),
        ("tenant_id", UNREADABLE, json!(["", "*"])),
        ("login_id", UNREADABLE, json!(["", "*"])),
        ("exp", UNREADABLE, expiries),
        ("nbf", UNREADABLE, json!(["now", 1.5, true])),
        ("nbf", "not valid yet", json!([now + 61, i64::MAX])),
        ("iat", "issued in the future", json!([now + 61, i64::MAX])),
        ("iss", "wrong issuer", issuers),
        ("aud", "wrong audience", audiences),
        ("exp", "lifetime too long", json!([i64::MAX])),
        ("iat", "lifetime too long", json!([i64::MIN, 0, claims.iat - 1])),
    ] {
        for value in elements(values) {
            let name = format!("{alg}: {member} is {value}");
            let claims = with_member(&genuine, member, Some(value));
            corpus.add(name, reason, forger.sign(&header, claims));
        }
    }
}

/// Invalid numbers as the expiry, and expired tokens. An expired token with another fault is invalid, not expired.
pub(super) fn add_expiries(corpus: &mut Corpus, forger: &Forger, claims: &Claims<'_>, now: i64) {
    let (alg, header) = (forger.alg, forger.genuine_header());
    let (text, genuine) = (to_json(claims).to_string(), format!(r#""exp":{}"#, claims.exp));
    assert!(text.contains(&genuine), "{text} contains the expiry");
    for exp in [
        "9223372036854775808",
        "1e999",
        "1e10",
        "0x7fffffff",
        "NaN",
        "Infinity",
        "+1",
        "09999999999",
        "",
    ] {
        let claims = text.replace(&genuine, &format!(r#""exp":{exp}"#));
        let name = format!("{alg}: the expiry is written {exp}");
        corpus.add(name, UNREADABLE, forger.sign(&header, claims));
    }
    for (name, exp) in [("now", now), ("in 1970", 0), ("at the earliest time", i64::MIN)] {
        let name = format!("{alg}: expired {name}");
        let expired = Claims { exp, ..claims.clone() };
        let token = forger.token(&expired);
        let [header, payload, _] = split(&token);
        let unsigned = format!("{header}.{payload}.");
        corpus.add(format!("{name}, not signed"), "wrong signature", unsigned);
        let other_audience = Claims {
            aud: "others".into(),
            ..expired.clone()
        };
        let other_audience = forger.token(&other_audience);
        corpus.add(
            format!("{name}, for another audience"),
            "wrong audience",
            other_audience,
        );
        corpus.push(Forgery {
            name,
            token,
            rejection: Rejection::Expired {
                bearer: expired.bearer(),
                at: exp,
            },
        });
    }
}

/// Documents that are not claims, and claims that parsers interpret differently.
pub(super) fn add_documents(corpus: &mut Corpus, forger: &Forger, claims: &Claims<'_>) {
    let (alg, header, genuine) = (forger.alg, forger.genuine_header(), to_json(claims));
    for members in [
        r#""exp":9999999999"#,
        r#""\u0065xp":9999999999"#,
        r#""sub":"00000000-0000-4000-8000-000000000000""#,
        r#""aud":"others""#,
        r#""x":1,"x":2"#,
        r#""x":[{"y":1,"y":2}]"#,
    ] {
        let documents = with_extra_members(&genuine, members);
        for (position, claims) in ["before", "after"].into_iter().zip(documents) {
            let name = format!("{alg}: {members} {position} the claims");
            corpus.add(name, UNREADABLE, forger.sign(&header, claims));
        }
    }
    // The order of the struct's fields: serde would accept such an array as the struct.
    let order = [
        "sub",
        "tenant_id",
        "email",
        "iat",
        "exp",
        "iss",
        "aud",
        "jti",
        "login_id",
    ];
    let array = Value::from(order.map(|name| genuine[name].clone()).to_vec()).to_string();
    let text = genuine.to_string();
    for (name, document) in [
        ("an array as the claims", array),
        ("a string as the claims", Value::from(text.clone()).to_string()),
        ("null as the claims", "null".into()),
        ("no claim", "{}".into()),
        ("empty claims", String::new()),
        ("an object after the claims", format!("{text}{text}")),
        ("a token as the claims", forger.token(claims)),
        ("a line break in a string", text.replace(&*claims.email, "a\n@b")),
    ] {
        corpus.add(format!("{alg}: {name}"), UNREADABLE, forger.sign(&header, document));
    }
    let not_utf8 = [b"{\"x\":\"\xff\",", &text.as_bytes()[1..]].concat();
    let name = format!("{alg}: claims that are not UTF-8");
    corpus.add(name, UNREADABLE, forger.sign(&header, not_utf8));
}
