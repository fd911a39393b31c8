//! The variables that FoundationDB's client itself reads for TLS, as PEM.
//!
//! They are checked here, because with an unusable one the client ends the process with a memory fault when it
//! connects, or never connects and does not say why. The check finds text that is no PEM, lost lines, and content
//! without the structure of a certificate or key. It does not verify keys, signatures and dates.

use der::asn1::AnyRef;
use der::{Decode as _, Reader as _, SliceReader, Tag, Tagged};
use rustls_pki_types::pem::{PemObject as _, SectionKind};

use super::variables::{ConfigError, Variables};

const CERTIFICATE: &str = "FDB_NETWORK_OPTION_TLS_CERT_BYTES";
const KEY: &str = "FDB_NETWORK_OPTION_TLS_KEY_BYTES";
const AUTHORITY: &str = "FDB_NETWORK_OPTION_TLS_CA_BYTES";
/// Either has the password of the key.
const PASSWORDS: [&str; 2] = ["FDB_TLS_PASSWORD", "FDB_NETWORK_OPTION_TLS_PASSWORD"];
const PEERS: &str = "FDB_TLS_VERIFY_PEERS";

pub(super) fn check(vars: &Variables<'_>) -> Result<(), ConfigError> {
    for variable in [CERTIFICATE, AUTHORITY] {
        if vars.text(variable)?.is_some_and(|text| !has_certificates(&text)) {
            let problem =
                "must be one or more complete certificates in PEM, with the label `CERTIFICATE` and on several lines";
            return Err(ConfigError::new(variable, problem));
        }
    }
    if let Some(key) = vars.text(KEY)? {
        check_key(vars, &key)?;
    }
    for (variable, other) in [(KEY, CERTIFICATE), (CERTIFICATE, KEY)] {
        if vars.text(variable)?.is_none() && vars.text(other)?.is_some() {
            return Err(ConfigError::new(
                variable,
                format!("must be set, because {other} is set"),
            ));
        }
    }
    if vars.text(PEERS)?.is_some_and(|text| !text.contains('=')) {
        let problem = "must be constraints like `Check.Valid=1,S.CN=fdb.example.com`";
        return Err(ConfigError::new(PEERS, problem));
    }
    Ok(())
}

/// Whether the PEM has a certificate, and nothing under that label that is none.
fn has_certificates(pem: &str) -> bool {
    has_section(pem, |kind, der| {
        (kind == SectionKind::Certificate).then(|| is_certificate(der))
    })
}

/// An encrypted key is not checked further. Without its password, the client would end the process, too.
fn check_key(vars: &Variables<'_>, pem: &str) -> Result<(), ConfigError> {
    if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        for variable in PASSWORDS {
            if vars.text(variable)?.is_some() {
                return Ok(());
            }
        }
        let problem = format!("has a password, so {} must be set", PASSWORDS[0]);
        return Err(ConfigError::new(KEY, problem));
    }
    if has_key(pem) {
        return Ok(());
    }
    let problem = "must be a complete private key in PEM, with a label like `PRIVATE KEY` and on several lines";
    Err(ConfigError::new(KEY, problem))
}

/// Whether the PEM has a private key, and nothing under such a label that is none.
fn has_key(pem: &str) -> bool {
    has_section(pem, |kind, der| {
        let is_key = matches!(
            kind,
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey
        );
        is_key.then(|| is_key_structure(der))
    })
}

/// Whether `is_valid` accepts a section and rejects none; it returns `None` for sections that do not matter.
fn has_section(pem: &str, is_valid: impl Fn(SectionKind, &[u8]) -> Option<bool>) -> bool {
    let mut is_found = false;
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()) {
        let Ok((kind, der)) = section else { return false };
        match is_valid(kind, &der) {
            Some(true) => is_found = true,
            Some(false) => return false,
            None => {}
        }
    }
    is_found
}

/// Whether this is the structure of a certificate (RFC 5280, section 4.1): its content, the signature's algorithm, and
/// the signature.
fn is_certificate(der: &[u8]) -> bool {
    let Some(parts) = members(der) else { return false };
    let tags: Vec<_> = parts.iter().map(Tagged::tag).collect();
    tags == [Tag::Sequence, Tag::Sequence, Tag::BitString] && parts.iter().all(is_complete)
}

/// Whether this is a sequence that begins with a version, as in PKCS #1, PKCS #8 and SEC 1.
fn is_key_structure(der: &[u8]) -> bool {
    members(der)
        .is_some_and(|parts| parts.len() >= 2 && parts[0].tag() == Tag::Integer && parts.iter().all(is_complete))
}

/// The members of a sequence that is all of `der`.
fn members(der: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let sequence = AnyRef::from_der(der).ok().filter(|any| any.tag() == Tag::Sequence)?;
    elements(sequence.value())
}

/// Whether the elements of a constructed element fill it exactly, and theirs too.
fn is_complete(element: &AnyRef<'_>) -> bool {
    !element.tag().is_constructed()
        || elements(element.value()).is_some_and(|elements| elements.iter().all(is_complete))
}

fn elements(der: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(der).ok()?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(AnyRef::decode(&mut reader).ok()?);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate for `CN=test`, signed with its own key, which exists no more.
    const CERT: &str = "-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUVwf+8geweD/wY+v7Q61Lqxa3n/4wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjcwMzI3NTVaGA8yMTI2MTEwMzAzMjc1
NVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHeS
034fLLwdBDiAzsiRRkqaLEXPqU396bYKnptEngtdprn1Xhfd9K+CDJKQlk9WqcXb
XItS6Cthcen3J1WBooqjUzBRMB0GA1UdDgQWBBTKRjdEbT1J8+sIOZYL04KTFVOL
FzAfBgNVHSMEGDAWgBTKRjdEbT1J8+sIOZYL04KTFVOLFzAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQCuqN64Md4JXBH9Tuoj1G9QKX263Fmp1rV3
7lzKBMxiwAIhAJcrbxxIcfUJuFS8LvIEUbngd95Qp556U8AE2tyaQkt8
-----END CERTIFICATE-----
";

    /// The structure of a SEC 1 key, after the section that `openssl ecparam -genkey` writes before it.
    const EC_KEY: &str = "-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
-----BEGIN EC PRIVATE KEY-----
MAcCAQEEAgAA
-----END EC PRIVATE KEY-----
";

    fn check_pairs(pairs: &[(&str, &str)]) -> Result<(), String> {
        check(&Variables::of(pairs)).map_err(|error| error.to_string())
    }

    #[test]
    fn certificates_and_keys_in_pem_are_accepted() {
        let chain = ["a comment\n", CERT, "another\n", CERT].concat();
        let windows = CERT.replace('\n', "\r\n");
        let pkcs8 = jwt::forged::PRIVATE_KEY;
        assert!(pkcs8.starts_with("-----BEGIN PRIVATE KEY-----"), "{pkcs8}");
        assert_eq!(check_pairs(&[]), Ok(()));
        for certificate in [CERT, &chain, &windows] {
            for key in [EC_KEY, pkcs8] {
                let pairs = [
                    (CERTIFICATE, certificate),
                    (KEY, key),
                    (AUTHORITY, certificate),
                    (PEERS, "Check.Valid=1"),
                ];
                assert_eq!(check_pairs(&pairs), Ok(()), "{pairs:?}");
            }
        }
    }

    #[test]
    fn an_encrypted_key_needs_a_password_and_the_form_that_the_client_decrypts() {
        let label = "ENCRYPTED PRIVATE KEY";
        let key = format!("-----BEGIN {label}-----\nc2VjcmV0\n-----END {label}-----\n");
        let with = |pair| check_pairs(&[(CERTIFICATE, CERT), (KEY, &key), pair]);
        for variable in PASSWORDS {
            assert_eq!(with((variable, "a password")), Ok(()));
        }
        let error = with((PASSWORDS[0], "")).unwrap_err();
        assert_eq!(error, format!("{KEY} has a password, so FDB_TLS_PASSWORD must be set"));
        let traditional = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n\
                           c2VjcmV0\n-----END EC PRIVATE KEY-----\n";
        let pairs = [(CERTIFICATE, CERT), (KEY, traditional), (PASSWORDS[0], "a password")];
        assert!(check_pairs(&pairs).unwrap_err().starts_with(&format!("{KEY} must be ")));
    }

    #[test]
    fn unusable_variables_are_rejected_by_name_and_never_printed() {
        let good = [
            (CERTIFICATE, CERT),
            (KEY, EC_KEY),
            (AUTHORITY, CERT),
            (PEERS, "Check.Valid=1"),
        ];
        let body = "034fLLwdBDiAzsiRRkqaLEXPqU396bYKnptEngtdprn1Xhfd9K+CDJKQlk9WqcXb\n";
        let random = "-----BEGIN CERTIFICATE-----\nc2VjcmV0c2VjcmV0\n-----END CERTIFICATE-----\n";
        let one_line = CERT.replace('\n', " ");
        let escaped = CERT.replace('\n', "\\n");
        let shortened = CERT.replace(body, "");
        let overwritten = CERT.replace("HSMEGDAWgBTK", "HSAAAAAAAATK");
        let not_base64 = CERT.replace(body, "c2VjcmV0!\n");
        let unfinished = CERT.replace("-----END CERTIFICATE-----\n", "");
        let with_bad_second = [CERT, random].concat();
        let key_as_certificate = EC_KEY.replace("EC PRIVATE KEY", "CERTIFICATE");
        let certificate_as_key = CERT.replace("CERTIFICATE", "PRIVATE KEY");
        let random_key = random.replace("CERTIFICATE", "PRIVATE KEY");
        let mut cases: Vec<(usize, &str)> = vec![
            (1, "c2VjcmV0"),
            (1, CERT),
            (1, &certificate_as_key),
            (1, &random_key),
            (3, "c2VjcmV0"),
        ];
        for certificate in [
            "c2VjcmV0",
            EC_KEY,
            random,
            &one_line,
            &escaped,
            &shortened,
            &overwritten,
            &not_base64,
            &unfinished,
            &with_bad_second,
            &key_as_certificate,
        ] {
            cases.extend([(0, certificate), (2, certificate)]);
        }
        for (at, value) in cases {
            let mut pairs = good;
            pairs[at].1 = value;
            let error = check_pairs(&pairs).expect_err(value);
            assert!(error.starts_with(&format!("{} must be ", good[at].0)), "{error}");
            assert!(!error.contains("c2Vjc") && !error.contains("MII"), "{error}");
        }
        for (set, missing) in [(0, KEY), (1, CERTIFICATE)] {
            let error = check_pairs(&good[set..=set]).unwrap_err();
            assert!(error.starts_with(&format!("{missing} must be set")), "{error}");
        }
    }
}
