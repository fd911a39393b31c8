//! Tokens that must be refused, each with the reason, for the tests of whoever takes tokens in.
//!
//! They are aimed at a deployment on its way from one algorithm to the other, which has the most to confuse: it signs with
//! `EdDSA`, and what it signed before with HS256 still verifies. Each forgery is right but for what its name says, so that it is
//! refused for that and for nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::Signer as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::keys::{PrivateKey, Secret, Signer, SigningKey, VerifyingKey};
use crate::{Claims, Rejection};

/// The key of RFC 8037, appendix A.1, which everybody knows: good for tests alone.
pub const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";

/// Its public half.
pub const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
";

/// Another private key: the one of RFC 8032, section 7.1, test 2.
pub const OTHER_PRIVATE_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7";

/// The secret of the deployment's past.
pub const SECRET: &str = "a secret that these forgeries try to sign with";

/// A token that must be refused.
#[derive(Clone, Debug)]
pub struct Forgery {
    /// What is wrong with it.
    pub name: String,
    /// The token.
    pub token: String,
    /// Why it is refused.
    pub rejection: Rejection,
}

/// What the deployment signs with.
pub fn signing_key() -> SigningKey {
    SigningKey::EdDsa(PrivateKey::parse(PRIVATE_KEY).expect("it is one"))
}

/// What it signed with before.
pub fn retired_key() -> SigningKey {
    SigningKey::Hs256(Secret::new(SECRET).expect("it is long enough"))
}

/// What the deployment takes: its own tokens, and those from before.
pub fn verifying_keys() -> Vec<VerifyingKey> {
    vec![signing_key().verifying(), retired_key().verifying()]
}

/// Tokens that say `claims` and that the deployment accepts: one under each key.
pub fn genuine_tokens(claims: &Claims<'_>) -> Vec<String> {
    crate::crypto::install();
    Hand::ours().iter().map(|hand| hand.token(claims)).collect()
}

/// Tokens that the deployment must refuse at `now`. `claims` are what a genuine token says then.
pub fn forgeries(claims: &Claims<'_>, now: i64) -> Vec<Forgery> {
    crate::crypto::install();
    let mut all = Corpus(Vec::new());
    let [ed, mac] = &Hand::ours();
    for (hand, other) in [(ed, mac), (mac, ed)] {
        forms(&mut all, hand, claims);
        encodings(&mut all, hand, claims);
        headers(&mut all, hand, claims);
        algorithms(&mut all, hand, claims);
        signatures(&mut all, hand, other, claims);
        values(&mut all, hand, claims, now);
        expiries(&mut all, hand, claims, now);
        documents(&mut all, hand, claims);
    }
    public_as_secret(&mut all, ed, mac, claims);
    keys_of_their_own(&mut all, ed, claims);
    lax_signatures(&mut all, ed, claims);
    all.0
}

struct Corpus(Vec<Forgery>);

impl Corpus {
    fn add(&mut self, name: impl Into<String>, reason: &'static str, token: String) {
        self.0.push(Forgery {
            name: name.into(),
            token,
            rejection: Rejection::Invalid(reason),
        });
    }
}

/// Somebody who signs.
struct Hand {
    alg: &'static str,
    kid: String,
    key: HandKey,
}

enum HandKey {
    Mac(Vec<u8>),
    Ed(Box<ed25519_dalek::SigningKey>),
}

impl Hand {
    fn ours() -> [Self; 2] {
        let (ed, mac) = (Signer::new(&signing_key()), Signer::new(&retired_key()));
        [
            Self {
                alg: "EdDSA",
                kid: ed.id,
                key: ed_key(PRIVATE_KEY),
            },
            Self {
                alg: "HS256",
                kid: mac.id,
                key: HandKey::Mac(SECRET.into()),
            },
        ]
    }

    fn header(&self) -> Value {
        json!({ "typ": "at+jwt", "alg": self.alg, "kid": self.kid })
    }

    /// As our own tokens have it, letter for letter.
    fn written_header(&self) -> String {
        format!(r#"{{"typ":"at+jwt","alg":"{}","kid":"{}"}}"#, self.alg, self.kid)
    }

    fn token(&self, claims: &Claims<'_>) -> String {
        self.seal(self.written_header(), value(claims).to_string())
    }

    /// A token of just this header and these claims.
    fn seal(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        self.seal_parts(&URL_SAFE_NO_PAD.encode(header), &URL_SAFE_NO_PAD.encode(claims))
    }

    fn seal_parts(&self, header: &str, claims: &str) -> String {
        let signed = format!("{header}.{claims}");
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl HandKey {
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Mac(secret) => {
                let mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
                mac.chain_update(message).finalize().into_bytes().to_vec()
            }
            Self::Ed(key) => key.sign(message).to_bytes().to_vec(),
        }
    }
}

fn ed_key(text: &str) -> HandKey {
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(body).expect("it is base64");
    let seed = der.last_chunk().expect("it ends with the key");
    HandKey::Ed(Box::new(ed25519_dalek::SigningKey::from_bytes(seed)))
}

fn value(claims: &Claims<'_>) -> Value {
    serde_json::to_value(claims).expect("claims are JSON")
}

/// With one member changed, or taken away.
fn with(object: &Value, member: &str, change: Option<Value>) -> String {
    let mut members: Map<String, Value> = object.as_object().cloned().unwrap_or_default();
    match change {
        Some(value) => drop(members.insert(member.to_owned(), value)),
        None => drop(members.remove(member)),
    }
    Value::Object(members).to_string()
}

/// With these members put before all others, and behind them.
fn around(object: &Value, members: &str) -> [String; 2] {
    let text = object.to_string();
    let inner = &text[1..text.len() - 1];
    [format!("{{{members},{inner}}}"), format!("{{{inner},{members}}}")]
}

fn list(values: Value) -> Vec<Value> {
    match values {
        Value::Array(values) => values,
        other => vec![other],
    }
}

/// Other than three parts, and more of them than a token has.
fn forms(all: &mut Corpus, hand: &Hand, claims: &Claims<'_>) {
    let token = hand.token(claims);
    let (signed, signature) = token.rsplit_once('.').expect("a token has three parts");
    let (header, payload) = signed.split_once('.').expect("a token has three parts");
    let json = json!({ "protected": header, "payload": payload, "signature": signature });
    for (name, text) in [
        ("nothing", String::new()),
        ("one part", header.into()),
        ("two parts", signed.into()),
        ("four parts", format!("{token}.{signature}")),
        ("an empty fourth part", format!("{token}.")),
        ("an empty part in front", format!(".{token}")),
        ("a JWE of five parts", format!("{signed}.{signed}.{signature}")),
        ("twice", format!("{token}.{token}")),
        ("twice with a comma", format!("{token},{token}")),
        ("dots escaped for a URL", token.replace('.', "%2E")),
        ("dots that are not ASCII", token.replace('.', "。")),
        ("JSON serialisation", json.to_string()),
    ] {
        all.add(format!("{}: {name}", hand.alg), "not three parts", text);
    }
    for (name, reason, text) in [
        ("dots alone", "unreadable header", "..".into()),
        ("no header", "unreadable header", format!(".{payload}.{signature}")),
        ("no claims", "wrong signature", format!("{header}..{signature}")),
        ("dots without end", "longer than any of ours", ".".repeat(5000)),
    ] {
        all.add(format!("{}: {name}", hand.alg), reason, text);
    }
    let huge = with(&value(claims), "email", Some("x".repeat(4096).into()));
    let huge = hand.seal(hand.written_header(), huge);
    all.add(format!("{}: huge", hand.alg), "longer than any of ours", huge);
}

/// Other ways to write a part than the one, all of them signed as they are.
fn encodings(all: &mut Corpus, hand: &Hand, claims: &Claims<'_>) {
    let token = hand.token(claims);
    let (signed, signature) = token.rsplit_once('.').expect("a token has three parts");
    let (header, payload) = signed.split_once('.').expect("a token has three parts");
    let plain = value(claims).to_string().replace('.', "");
    let whole = &payload[..payload.len() / 4 * 4];
    for (name, text) in [
        ("in quotes", format!("\"{token}\"")),
        ("with its scheme", format!("Bearer {token}")),
        ("a space in front", format!(" {token}")),
        ("a space behind", format!("{token} ")),
        ("a line break behind", format!("{token}\n")),
        ("a NUL behind", format!("{token}\0")),
        ("a space inside", format!("{header}. {payload}.{signature}")),
        ("a line break inside", format!("{header}.\n{payload}.{signature}")),
        ("a letter that is not ASCII", format!("{token}é")),
        ("a full-width letter", token.replacen('e', "ｅ", 1)),
        ("padded header", hand.seal_parts(&format!("{header}="), payload)),
        ("padded claims", hand.seal_parts(header, &format!("{payload}="))),
        ("padded signature", format!("{token}=")),
        (
            "the standard alphabet",
            hand.seal_parts(header, &format!("{whole}+/+/")),
        ),
        ("a length that none has", hand.seal_parts(header, &format!("{whole}A"))),
        ("claims as they are", hand.seal_parts(header, &plain)),
        (
            "loose bits in the header",
            hand.seal_parts(&loose(&hand.header()), payload),
        ),
        (
            "loose bits in the claims",
            hand.seal_parts(header, &loose(&value(claims))),
        ),
        ("loose bits in the signature", raised(&token)),
    ] {
        all.add(format!("{}: {name}", hand.alg), "not base64url", text);
    }
}

/// JSON in base64url whose last letter has a bit that stands for nothing.
fn loose(json: &Value) -> String {
    let mut text = json.to_string();
    while text.len() % 3 != 2 {
        text.push(' ');
    }
    raised(&URL_SAFE_NO_PAD.encode(text))
}

/// With the next letter of the alphabet for the last one.
fn raised(text: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = text.chars().next_back().and_then(|letter| ALPHABET.find(letter));
    let next = last.expect("it is base64url") + 1;
    format!("{}{}", &text[..text.len() - 1], &ALPHABET[next..=next])
}

/// Headers that are not ours, under our own signature.
fn headers(all: &mut Corpus, hand: &Hand, claims: &Claims<'_>) {
    const UNREADABLE: &str = "unreadable header";
    let (alg, genuine, said) = (hand.alg, hand.header(), value(claims).to_string());
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
        hand.kid.to_uppercase(),
        hand.kid[..8],
        format!("{} ", hand.kid),
        "../../../../dev/null",
        "x' UNION SELECT 'key' --",
    ]);
    for (member, reason, changes) in [
        ("typ", "another type", types),
        ("typ", UNREADABLE, json!([1, true, ["at+jwt"], { "at+jwt": 1 }])),
        ("kid", "unknown key", ids),
        ("kid", UNREADABLE, json!([1, true, [hand.kid], { "kid": hand.kid }])),
        (
            "crit",
            "critical headers",
            json!([null, [], ["exp"], ["b64"], "b64", false]),
        ),
        ("b64", "critical headers", json!([false, true, null, "false"])),
    ] {
        for change in list(changes) {
            let name = format!("{alg}: {member} is {change}");
            all.add(name, reason, hand.seal(with(&genuine, member, Some(change)), &said));
        }
    }
    for (member, reason) in [("typ", "another type"), ("kid", "unknown key")] {
        let name = format!("{alg}: no {member}");
        all.add(name, reason, hand.seal(with(&genuine, member, None), &said));
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
        for (place, header) in ["in front", "behind"].into_iter().zip(around(&genuine, members)) {
            let name = format!("{alg}: {members} {place}");
            all.add(name, UNREADABLE, hand.seal(header, &said));
        }
    }
    let [deep, _] = around(&genuine, &format!(r#""x":{}{}"#, "[".repeat(200), "]".repeat(200)));
    let genuine = genuine.to_string();
    for (name, header) in [
        ("an empty header", "{}".into()),
        ("a list as the header", json!([alg, "at+jwt", hand.kid]).to_string()),
        ("a text as the header", Value::from(genuine.clone()).to_string()),
        ("null as the header", "null".into()),
        ("something behind the header", format!("{genuine}{{}}")),
        ("a byte order mark", format!("\u{feff}{genuine}")),
        ("a comma too many", genuine.replace('}', ",}")),
        ("half a header", genuine.replace('}', "")),
        ("a deep header", deep),
    ] {
        all.add(format!("{alg}: {name}"), UNREADABLE, hand.seal(header, &said));
    }
    let broken = [&genuine.as_bytes()[..genuine.len() - 1], b",\"x\":\"\xff\"}"].concat();
    let name = format!("{alg}: a header that is not UTF-8");
    all.add(name, UNREADABLE, hand.seal(broken, &said));
}

/// Algorithms that are not the key's, under our own signature and without any.
fn algorithms(all: &mut Corpus, hand: &Hand, claims: &Claims<'_>) {
    let said = value(claims).to_string();
    let changes = json!([
        "none", "None", "NONE", "nOnE", "none ", "", " ", "null", "hs256", "Hs256", "HS256 ", "HS1", "HS384", "HS512", "eddsa",
        "EDDSA", "Ed25519", "Ed448", "ES256", "ES256K", "ES384", "RS256", "RS512", "PS256", "A128KW", "dir",
        null, 0, true, [hand.alg], { "alg": hand.alg },
    ]);
    let changes = list(changes).into_iter().map(Some).chain([None]);
    for change in changes {
        let known = change.clone().map(serde_json::from_value::<Algorithm>);
        let reason = match known {
            Some(Ok(_)) => "another algorithm",
            _ => "unreadable header",
        };
        let name = change.as_ref().map_or("missing".to_owned(), Value::to_string);
        let token = hand.seal(with(&hand.header(), "alg", change), &said);
        let (signed, _) = token.rsplit_once('.').expect("a token has three parts");
        let unsigned = format!("{signed}.");
        all.add(format!("{}: alg is {name}", hand.alg), reason, token);
        all.add(format!("{}: alg is {name}, not signed", hand.alg), reason, unsigned);
    }
}

/// Signatures that are not ours, and ours for something else.
fn signatures(all: &mut Corpus, hand: &Hand, other: &Hand, claims: &Claims<'_>) {
    let token = hand.token(claims);
    let (signed, encoded) = token.rsplit_once('.').expect("a token has three parts");
    let (header, payload) = signed.split_once('.').expect("a token has three parts");
    let signature = URL_SAFE_NO_PAD.decode(encoded).expect("it is base64url");
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
        ("all but one byte of it", signature[..last].to_vec()),
        ("one byte more", [&signature[..], &[0]].concat()),
        ("the signature twice", signature.repeat(2)),
        ("the first bit turned", flipped(0, 0x80)),
        ("a middle bit turned", flipped(last / 2, 4)),
        ("the last bit turned", flipped(last, 1)),
        ("a signature of zeros", vec![0; signature.len()]),
        ("a signature of ones", vec![0xff; signature.len()]),
        ("the signature backwards", signature.iter().rev().copied().collect()),
        ("the signature as text", encoded.into()),
        ("a signature for nothing", hand.key.sign(b"")),
        ("a signature for the claims", hand.key.sign(payload.as_bytes())),
    ] {
        let name = format!("{}: {name}", hand.alg);
        all.add(
            name,
            "wrong signature",
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes)),
        );
    }

    let root = with(
        &value(claims),
        "sub",
        Some(json!("00000000-0000-4000-8000-000000000000")),
    );
    let spaced = format!("{} ", value(claims));
    for (name, header, payload) in [
        ("another user", header, URL_SAFE_NO_PAD.encode(root)),
        ("claims with a space more", header, URL_SAFE_NO_PAD.encode(spaced)),
        (
            "a header with a space more",
            &URL_SAFE_NO_PAD.encode(format!("{} ", hand.header())),
            payload.to_owned(),
        ),
        (
            "the header of a token under the other key",
            &URL_SAFE_NO_PAD.encode(other.written_header()),
            payload.to_owned(),
        ),
    ] {
        let name = format!("{}: {name}", hand.alg);
        all.add(name, "wrong signature", format!("{header}.{payload}.{encoded}"));
    }

    // Under the other key's id, as the other algorithm, and both.
    let said = value(claims).to_string();
    for (name, reason, header) in [
        (
            "the other key's id",
            "another algorithm",
            with(&hand.header(), "kid", Some(other.kid.clone().into())),
        ),
        (
            "the other algorithm",
            "another algorithm",
            with(&hand.header(), "alg", Some(other.alg.into())),
        ),
        ("the other key's header", "wrong signature", other.written_header()),
    ] {
        all.add(format!("{}: {name}", hand.alg), reason, hand.seal(header, &said));
    }
}

/// Claims that are not ours, under our own signature: as if the key had leaked into another service.
fn values(all: &mut Corpus, hand: &Hand, claims: &Claims<'_>, now: i64) {
    const UNREADABLE: &str = "unreadable claims";
    let (alg, header, genuine) = (hand.alg, hand.written_header(), value(claims));
    for (member, right) in genuine.as_object().into_iter().flatten() {
        let wrong = if right.is_number() { json!("1") } else { json!(1) };
        for change in list(json!([null, true, wrong, [right], { "": right }])) {
            let name = format!("{alg}: {member} is {change}");
            all.add(
                name,
                UNREADABLE,
                hand.seal(&header, with(&genuine, member, Some(change))),
            );
        }
        let name = format!("{alg}: no {member}");
        all.add(name, UNREADABLE, hand.seal(&header, with(&genuine, member, None)));
    }
    let issuers = json!([
        "",
        "https://other.test",
        format!("{}/", claims.iss),
        claims.iss.to_uppercase()
    ]);
    for (member, reason, changes) in [
        (
            "sub",
            UNREADABLE,
            json!(["", "root", "*", "00000000-0000-4000-8000-00000000000"]),
        ),
        ("tenant_id", UNREADABLE, json!(["", "*"])),
        ("login_id", UNREADABLE, json!(["", "*"])),
        (
            "exp",
            UNREADABLE,
            json!([
                "",
                "2999-01-01T00:00:00Z",
                "9999999999",
                1e10,
                9_999_999_999.5,
                u64::MAX
            ]),
        ),
        ("nbf", UNREADABLE, json!(["now", 1.5, true])),
        ("nbf", "not valid yet", json!([now + 61, i64::MAX])),
        ("iat", "made in the future", json!([now + 61, i64::MAX])),
        ("iss", "another issuer", issuers),
        (
            "aud",
            "another audience",
            json!(["", "others", format!("{} ", claims.aud), claims.aud.to_uppercase()]),
        ),
    ] {
        for change in list(changes) {
            let name = format!("{alg}: {member} is {change}");
            all.add(name, reason, hand.seal(&header, with(&genuine, member, Some(change))));
        }
    }
}

/// When a token ends: numbers that are none, and ends that have come. What is also wrong otherwise has not expired; it never was.
fn expiries(all: &mut Corpus, hand: &Hand, claims: &Claims<'_>, now: i64) {
    let (alg, header) = (hand.alg, hand.written_header());
    let (text, genuine) = (value(claims).to_string(), format!(r#""exp":{}"#, claims.exp));
    assert!(text.contains(&genuine), "the expiry stands in {text}");
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
        let said = text.replace(&genuine, &format!(r#""exp":{exp}"#));
        let name = format!("{alg}: the expiry is written {exp}");
        all.add(name, "unreadable claims", hand.seal(&header, said));
    }
    for (name, exp) in [("now", now), ("long ago", 0), ("before time", i64::MIN)] {
        let expired = Claims { exp, ..claims.clone() };
        let token = hand.token(&expired);
        let (signed, _) = token.rsplit_once('.').expect("a token has three parts");
        let unsigned = format!("{signed}.");
        all.add(
            format!("{alg}: expired {name}, not signed"),
            "wrong signature",
            unsigned,
        );
        let abroad = Claims {
            aud: "others".into(),
            ..expired.clone()
        };
        let name = format!("{alg}: expired {name}");
        all.add(format!("{name}, for others"), "another audience", hand.token(&abroad));
        all.0.push(Forgery {
            name,
            token,
            rejection: Rejection::Expired(expired.bearer()),
        });
    }
}

/// What can not be read as claims, or could be read as two kinds of them.
fn documents(all: &mut Corpus, hand: &Hand, claims: &Claims<'_>) {
    const UNREADABLE: &str = "unreadable claims";
    let (alg, header, genuine) = (hand.alg, hand.written_header(), value(claims));
    for members in [
        r#""exp":9999999999"#,
        r#""\u0065xp":9999999999"#,
        r#""sub":"00000000-0000-4000-8000-000000000000""#,
        r#""aud":"others""#,
        r#""x":1,"x":2"#,
        r#""x":[{"y":1,"y":2}]"#,
    ] {
        for (place, said) in ["in front", "behind"].into_iter().zip(around(&genuine, members)) {
            let name = format!("{alg}: {members} {place}");
            all.add(name, UNREADABLE, hand.seal(&header, said));
        }
    }
    // In the order in which the struct has them: serde would take the list for the struct.
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
    let text = genuine.to_string();
    for (name, said) in [
        (
            "a list as the claims",
            Value::from(order.map(|name| genuine[name].clone()).to_vec()).to_string(),
        ),
        ("a text as the claims", Value::from(text.clone()).to_string()),
        ("null as the claims", "null".into()),
        ("no claim", "{}".into()),
        ("empty claims", String::new()),
        ("something behind the claims", format!("{text}{text}")),
        ("a token as the claims", hand.token(claims)),
        ("a line break in a text", text.replace(&*claims.email, "a\n@b")),
    ] {
        all.add(format!("{alg}: {name}"), UNREADABLE, hand.seal(&header, said));
    }
    let broken = [b"{\"x\":\"\xff\",", &text.as_bytes()[1..]].concat();
    let name = format!("{alg}: claims that are not UTF-8");
    all.add(name, UNREADABLE, hand.seal(&header, broken));
}

/// What everybody knows of the public key, as the secret of a MAC.
fn public_as_secret(all: &mut Corpus, ed: &Hand, mac: &Hand, claims: &Claims<'_>) {
    let body: String = PUBLIC_KEY.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(&body).expect("it is base64");
    let raw = der[der.len() - 32..].to_vec();
    let x = URL_SAFE_NO_PAD.encode(&raw);
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x }).to_string();
    for (name, secret) in [
        ("nothing", Vec::new()),
        ("a word", b"secret".to_vec()),
        ("the public key's bytes", raw),
        ("the public key's DER", der),
        ("the public key's PEM", PUBLIC_KEY.into()),
        ("the public key's PEM without its end", PUBLIC_KEY.trim_end().into()),
        ("the public key's base64", body.into()),
        ("the public key's base64url", x.into()),
        ("the public key's JWK", jwk.into()),
        ("the public key's id", ed.kid.clone().into()),
    ] {
        for (alg, kid, reason) in [
            ("HS256", &ed.kid, "another algorithm"),
            ("EdDSA", &ed.kid, "wrong signature"),
            ("HS256", &mac.kid, "wrong signature"),
        ] {
            let key = HandKey::Mac(secret.clone());
            let token = Hand {
                alg,
                kid: kid.clone(),
                key,
            }
            .token(claims);
            all.add(format!("a MAC with {name}, as {alg} under {kid}"), reason, token);
        }
    }
}

/// Another key than ours, which the header brings along or tells where to get.
fn keys_of_their_own(all: &mut Corpus, ed: &Hand, claims: &Claims<'_>) {
    let key = ed_key(OTHER_PRIVATE_KEY);
    let x = match &key {
        HandKey::Ed(key) => URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()),
        HandKey::Mac(_) => unreachable!("it was made for Ed25519"),
    };
    let said = value(claims).to_string();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": ed.kid, "alg": "EdDSA", "use": "sig" });
    let mut theirs = Hand {
        alg: "EdDSA",
        kid: String::new(),
        key,
    };
    for (kid, reason) in [(&ed.kid, "wrong signature"), (&x, "unknown key")] {
        theirs.kid.clone_from(kid);
        all.add(format!("another key under {kid}"), reason, theirs.token(claims));
        for (member, content) in [
            ("jwk", jwk.clone()),
            ("jku", json!("https://forger.test/jwks.json")),
            ("x5c", json!(["MIIB"])),
            ("x5u", json!("https://forger.test/cert.pem")),
        ] {
            let header = with(&theirs.header(), member, Some(content));
            let name = format!("another key under {kid}, with {member}");
            all.add(name, reason, theirs.seal(header, &said));
        }
    }
}

/// Signatures that some verifiers take.
fn lax_signatures(all: &mut Corpus, ed: &Hand, claims: &Claims<'_>) {
    /// The order of the group, its lowest byte first (RFC 8032, section 5.1).
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let token = ed.token(claims);
    let (signed, encoded) = token.rsplit_once('.').expect("a token has three parts");
    // The same signature with another s (RFC 8032, section 8.4).
    let mut larger = URL_SAFE_NO_PAD.decode(encoded).expect("it is base64url");
    let mut carry = 0;
    for (byte, order) in larger[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    // R the neutral element and s zero: right for every message, under a key of small order.
    let neutral = [[1].as_slice(), &[0; 63]].concat();
    for (name, signature) in [("a larger s", larger), ("a neutral signature", neutral)] {
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        all.add(name, "wrong signature", token);
    }
}
