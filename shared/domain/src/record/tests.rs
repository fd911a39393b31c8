//! Tests of the stored form of values.

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    a: u8,
}

impl Record for Sample {
    const KIND: &'static str = "sample";
    const VERSION: u32 = 2;
}

#[test]
fn a_record_has_its_version() {
    let bytes = encode(&Sample { a: 1 }).unwrap();
    assert_eq!(bytes, br#"{"v":2,"data":{"a":1}}"#);
    assert_eq!(decode::<Sample>(&bytes).unwrap(), Sample { a: 1 });
    assert_eq!(decode::<Sample>(br#"{"data":{"a":1},"v":2}"#).unwrap(), Sample { a: 1 });
}

#[derive(Debug, PartialEq, Deserialize)]
struct Piece {
    b: u8,
}

/// Version 1 was a bare number; version 3, which a later release writes, calls `b` `c`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Large {
    a: String,
    b: u8,
}

impl Record for Large {
    const KIND: &'static str = "large";
    const VERSION: u32 = 2;

    fn from_version(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct LargeV3 {
            a: String,
            c: u8,
        }
        match version {
            1 => Some(serde_json::from_str(data).map(|b| Self { a: String::new(), b })),
            3 => Some(serde_json::from_str(data).map(|LargeV3 { a, c }| Self { a, b: c })),
            _ => None,
        }
    }
}

impl Projection for Piece {
    type Whole = Large;
}

impl From<Large> for Piece {
    fn from(large: Large) -> Self {
        Self { b: large.b }
    }
}

#[test]
fn a_projection_decodes_from_known_versions_with_all_its_members() {
    for whole in [
        r#"{"v":2,"data":{"a":"x","b":7}}"#,
        r#"{"data":{"a":"x","b":7},"v":2}"#,
        r#"{"v":1,"data":7}"#,
        r#"{"v":3,"data":{"a":"x","c":7}}"#,
    ] {
        assert_eq!(
            decode_projection::<Piece>(whole.as_bytes()).unwrap(),
            Piece { b: 7 },
            "{whole}"
        );
    }
    assert_eq!(
        decode_projection::<Piece>(br#"{"v":2,"data":{"a":[],"b":7,"c":{}}}"#).unwrap(),
        Piece { b: 7 },
        "other members are not validated"
    );
    for foreign in [
        r#"{"v":3,"data":{"a":"x","b":7}}"#,
        r#"{"data":{"a":"x","b":7},"v":3}"#,
        r#"{"v":1,"data":{"a":"x","b":7}}"#,
        r#"{"v":2,"data":7}"#,
        r#"{"v":2,"data":{"a":"x"}}"#,
        r#"{"v":2,"data":{"a":"x","b":"7"}}"#,
        r#"{"v":2,"data":{"a":"x","b":7,"b":7}}"#,
        r#"{"v":2,"data":{"a":"x","b":7},"c":1}"#,
        r#"{"v":2,"data":{"a":"x,"b":7}}"#,
        r#"{"v":2,"data":{"a":"x","b":7}"#,
        r#"{"v":2,"data":{"a":"x","b":7}} 1"#,
    ] {
        let error = decode_projection::<Piece>(foreign.as_bytes()).unwrap_err();
        assert!(
            matches!(error, Error::Corrupt { kind: "large", .. }),
            "{foreign} was decoded"
        );
    }
}

#[test]
fn a_record_of_the_next_version_is_readable_one_release_ahead() {
    let next = decode::<Large>(br#"{"v":3,"data":{"a":"x","c":7}}"#).unwrap();
    let rewritten = encode(&next).unwrap();
    assert_eq!(rewritten, br#"{"v":2,"data":{"a":"x","b":7}}"#);
}

#[test]
fn a_value_that_is_not_utf_8_is_rejected() {
    let error = decode::<Large>(b"{\"v\":2,\"data\":{\"a\":\"\xff\",\"b\":7}}").unwrap_err();
    assert!(matches!(error, Error::Corrupt { kind: "large", .. }));
}

#[test]
fn an_error_describes_the_fault_without_the_value() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Dated {
        at: crate::time::Timestamp,
        role: crate::role::Role,
    }
    impl Record for Dated {
        const KIND: &'static str = "dated";
    }
    for (data, why) in [
        (r#""secret""#, "expected struct Dated"),
        (r#"{"at":"secret"}"#, "a value does not fit its member"),
        (r#"{"at":["secret"]}"#, "expected a string"),
        (
            r#"{"role":"secret, expected"}"#,
            "expected one of `owner`, `member`, `viewer`",
        ),
        ("{}", "missing field `at`"),
    ] {
        let bytes = format!(r#"{{"v":1,"data":{data}}}"#);
        let Err(Error::Corrupt { why: message, .. }) = decode::<Dated>(bytes.as_bytes()) else {
            panic!("{data} was decoded")
        };
        assert_eq!(message.split(" at line ").next(), Some(why), "{data}");
    }
    let Err(Error::Corrupt { why, .. }) = decode::<Sample>(br#"{"v":"secret","data":{}}"#) else {
        panic!("a version is a number")
    };
    assert_eq!(why.split(" at line ").next(), Some("expected u32"));
}

#[test]
fn an_unknown_version_or_member_is_rejected() {
    for foreign in [
        r#"{"v":4,"data":{"a":1}}"#,
        r#"{"v":0,"data":{"a":1}}"#,
        r#"{"v":3,"data":{"b":1}}"#,
        r#"{"v":3,"data":{"a":"1"}}"#,
        r#"{"v":3,"data":1}"#,
        r#"{"v":3,"data":{"a":1},"b":2}"#,
        r#"{"v":2,"data":{"a":1,"b":2}}"#,
        r#"{"v":2,"data":{"a":1},"b":2}"#,
        r#"{"v":2,"data":{}}"#,
        r#"{"v":2,"v":2,"data":{"a":1}}"#,
        r#"{"v":2,"data":{"a":1},"data":{"a":1}}"#,
        r#"{"data":{"a":1},"v":2,"data":{"a":1}}"#,
        r#"{"data":{"a":1},"v":4}"#,
        r#"{"v":2}"#,
        "[2,{\"a\":1}]",
        r#"{"data":{"a":1}}"#,
        r#"{"v":2,"data":{"a":1}} "x""#,
        "",
    ] {
        let error = decode::<Sample>(foreign.as_bytes()).unwrap_err();
        assert!(
            matches!(error, Error::Corrupt { kind: "sample", .. }),
            "{foreign} was decoded"
        );
    }
}

/// A record that is rewritten, of version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rewritten {
    a: u8,
    inner: Sample,
    #[serde(skip)]
    newer: NewerMembers,
}

impl Record for Rewritten {
    const KIND: &'static str = "rewritten";

    keeps_newer_members!();
}

#[derive(Debug, PartialEq, Deserialize)]
struct OnlyA {
    a: u8,
}

impl Projection for OnlyA {
    type Whole = Rewritten;
}

impl From<Rewritten> for OnlyA {
    fn from(whole: Rewritten) -> Self {
        Self { a: whole.a }
    }
}

#[test]
fn rewriting_a_record_of_the_next_version_keeps_its_further_members_and_its_version() {
    for (stored, rewritten) in [
        (
            r#"{"v":2,"data":{"z":[1.50,"\u0061"],"inner":{"a":3},"a":1,"b":{"c":null}}}"#,
            r#"{"v":2,"data":{"a":2,"b":{"c":null},"inner":{"a":3},"z":[1.50,"\u0061"]}}"#,
        ),
        (
            r#"{"data":{"a":1,"inner":{"a":3},"newer":7},"v":2}"#,
            r#"{"v":2,"data":{"a":2,"inner":{"a":3},"newer":7}}"#,
        ),
        (
            r#"{"v":2,"data":{"a":1,"inner":{"a":3}}}"#,
            r#"{"v":2,"data":{"a":2,"inner":{"a":3}}}"#,
        ),
        (
            r#"{"v":1,"data":{"a":1,"inner":{"a":3}}}"#,
            r#"{"v":1,"data":{"a":2,"inner":{"a":3}}}"#,
        ),
    ] {
        assert_eq!(decode_projection::<OnlyA>(stored.as_bytes()).unwrap(), OnlyA { a: 1 });
        let record: Rewritten = decode(stored.as_bytes()).unwrap();
        let changed = Rewritten { a: 2, ..record };
        let bytes = encode(&changed).unwrap();
        assert_eq!(str::from_utf8(&bytes).unwrap(), rewritten);
        assert_eq!(decode::<Rewritten>(&bytes).unwrap(), changed);
    }
}

#[test]
fn only_the_record_itself_may_have_further_members_in_the_next_version() {
    for foreign in [
        r#"{"v":3,"data":{"a":1,"inner":{"a":3}}}"#,
        r#"{"v":2,"data":{"a":1,"inner":{"a":3,"b":4}}}"#,
        r#"{"v":2,"data":{"a":1,"b":1}}"#,
        r#"{"v":2,"data":{"a":"1","inner":{"a":3}}}"#,
        r#"{"v":1,"data":{"a":1,"inner":{"a":3},"b":1}}"#,
        r#"{"v":1,"data":{"a":1,"inner":{"a":3},"newer":1}}"#,
    ] {
        let error = decode::<Rewritten>(foreign.as_bytes()).unwrap_err();
        assert!(
            matches!(error, Error::Corrupt { kind: "rewritten", .. }),
            "{foreign} was decoded"
        );
    }
}

#[test]
fn newer_members_are_compared_and_never_shown() {
    let decoded = |data: &str| decode::<Rewritten>(format!(r#"{{"v":2,"data":{data}}}"#).as_bytes()).unwrap();
    let one = decoded(r#"{"a":1,"inner":{"a":3},"token":"secret"}"#);
    let other = decoded(r#"{"a":1,"inner":{"a":3},"token":"changed"}"#);
    assert_ne!(one, other);
    let shown = format!("{one:?}");
    assert!(shown.contains(r#"newer: {"token"}"#), "{shown}");
}
