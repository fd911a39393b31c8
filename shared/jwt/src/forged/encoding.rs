//! Wrong forms of the whole token: the number of its parts, and their base64url.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::corpus::Corpus;
use super::forger::{Forger, split, to_json, with_member};
use crate::Claims;

/// Tokens that do not have three parts, lack one, or are too long.
pub(super) fn add_parts(corpus: &mut Corpus, forger: &Forger, claims: &Claims<'_>) {
    let token = forger.token(claims);
    let [header, payload, signature] = split(&token);
    let signed = format!("{header}.{payload}");
    let json = json!({ "protected": header, "payload": payload, "signature": signature });
    for (name, text) in [
        ("nothing", String::new()),
        ("one part", header.into()),
        ("two parts", signed.clone()),
        ("four parts", format!("{token}.{signature}")),
        ("an empty fourth part", format!("{token}.")),
        ("an empty first part", format!(".{token}")),
        ("a JWE of five parts", format!("{signed}.{signed}.{signature}")),
        ("twice", format!("{token}.{token}")),
        ("twice with a comma", format!("{token},{token}")),
        ("dots escaped for a URL", token.replace('.', "%2E")),
        ("dots that are not ASCII", token.replace('.', "。")),
        ("JSON serialisation", json.to_string()),
    ] {
        corpus.add(format!("{}: {name}", forger.alg), "not three parts", text);
    }
    for (name, reason, text) in [
        ("two dots and nothing else", "unreadable header", "..".into()),
        ("no header", "unreadable header", format!(".{payload}.{signature}")),
        ("no claims", "wrong signature", format!("{header}..{signature}")),
        ("5000 dots", "too long", ".".repeat(5000)),
    ] {
        corpus.add(format!("{}: {name}", forger.alg), reason, text);
    }
    let huge = with_member(&to_json(claims), "email", Some("x".repeat(4096).into()));
    let huge = forger.sign(forger.genuine_header(), huge);
    corpus.add(format!("{}: huge", forger.alg), "too long", huge);
}

/// Other spellings of the parts, each signed as it is written.
pub(super) fn add_spellings(corpus: &mut Corpus, forger: &Forger, claims: &Claims<'_>) {
    let token = forger.token(claims);
    let [header, payload, signature] = split(&token);
    let plain = to_json(claims).to_string().replace('.', "");
    let whole = &payload[..payload.len() / 4 * 4];
    for (name, text) in [
        ("in quotes", format!("\"{token}\"")),
        ("with its scheme", format!("Bearer {token}")),
        ("a leading space", format!(" {token}")),
        ("a trailing space", format!("{token} ")),
        ("a trailing line break", format!("{token}\n")),
        ("a trailing NUL", format!("{token}\0")),
        ("a space inside", format!("{header}. {payload}.{signature}")),
        ("a line break inside", format!("{header}.\n{payload}.{signature}")),
        ("a letter that is not ASCII", format!("{token}é")),
        ("a full-width letter", token.replacen('e', "ｅ", 1)),
        ("padded header", forger.sign_parts(&format!("{header}="), payload)),
        ("padded claims", forger.sign_parts(header, &format!("{payload}="))),
        ("padded signature", format!("{token}=")),
        (
            "the standard alphabet",
            forger.sign_parts(header, &format!("{whole}+/+/")),
        ),
        ("an impossible length", forger.sign_parts(header, &format!("{whole}A"))),
        ("claims without encoding", forger.sign_parts(header, &plain)),
        (
            "unused bits in the header",
            forger.sign_parts(&with_unused_bit(&forger.header()), payload),
        ),
        (
            "unused bits in the claims",
            forger.sign_parts(header, &with_unused_bit(&to_json(claims))),
        ),
        ("unused bits in the signature", set_last_bit(&token)),
    ] {
        corpus.add(format!("{}: {name}", forger.alg), "not base64url", text);
    }
}

/// JSON in base64url whose last letter has an unused bit set.
fn with_unused_bit(json: &Value) -> String {
    let mut text = json.to_string();
    while text.len() % 3 != 2 {
        text.push(' ');
    }
    set_last_bit(&URL_SAFE_NO_PAD.encode(text))
}

/// Replaces the last letter by the next one of the base64url alphabet.
fn set_last_bit(text: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = text.chars().next_back().and_then(|letter| ALPHABET.find(letter));
    let next = last.expect("the text is base64url") + 1;
    format!("{}{}", &text[..text.len() - 1], &ALPHABET[next..=next])
}
