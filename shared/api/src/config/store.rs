//! The store: its engine, its location, and the root of its keys.

use std::path::PathBuf;

use super::variables::{ConfigError, Variables};

/// `STORE_ROOT` is part of every key, and LMDB's keys have at most 511 bytes.
const ROOT_MAX_BYTES: usize = 64;

pub(super) fn settings(vars: &Variables<'_>) -> Result<kv::Settings, ConfigError> {
    let store = vars.text("STORE")?.unwrap_or_else(|| "lmdb:.data/store".to_owned());
    let engine = match store.split_once(':') {
        Some(("lmdb", folder)) if !folder.is_empty() => kv::Engine::Lmdb(PathBuf::from(folder)),
        None if store == "fdb" => foundationdb(vars)?,
        _ => {
            let problem = format!("must be `fdb`, or `lmdb:` followed by a folder, but is `{store}`");
            return Err(ConfigError::new("STORE", problem));
        }
    };
    let root = vars.text("STORE_ROOT")?.unwrap_or_else(|| "v5".to_owned());
    if root.len() > ROOT_MAX_BYTES {
        let problem = format!("must have at most {ROOT_MAX_BYTES} bytes, because it is part of every key");
        return Err(ConfigError::new("STORE_ROOT", problem));
    }
    Ok(kv::Settings {
        root,
        ..kv::Settings::new(engine)
    })
}

#[cfg(feature = "fdb")]
fn foundationdb(vars: &Variables<'_>) -> Result<kv::Engine, ConfigError> {
    let cluster = match (vars.text("FDB_CLUSTER_FILE")?, vars.text("FDB_CLUSTER")?) {
        (Some(file), _) => kv::Cluster::File(PathBuf::from(file)),
        (None, Some(content)) => kv::Cluster::Content(content),
        (None, None) => kv::Cluster::Default,
    };
    check_tls(vars)?;
    Ok(kv::Engine::Fdb(cluster))
}

/// Checks the variables that the client itself reads for TLS. The client would report an unusable one without its name,
/// or not at all.
#[cfg(feature = "fdb")]
fn check_tls(vars: &Variables<'_>) -> Result<(), ConfigError> {
    const CERTIFICATE: &str = "FDB_NETWORK_OPTION_TLS_CERT_BYTES";
    const KEY: &str = "FDB_NETWORK_OPTION_TLS_KEY_BYTES";
    for (variable, label) in [
        (CERTIFICATE, "CERTIFICATE"),
        (KEY, "PRIVATE KEY"),
        ("FDB_NETWORK_OPTION_TLS_CA_BYTES", "CERTIFICATE"),
    ] {
        if vars.text(variable)?.is_some_and(|text| !is_pem(&text, label)) {
            let problem = format!("must be PEM with the label `{label}`, on several lines");
            return Err(ConfigError::new(variable, problem));
        }
    }
    for (variable, other) in [(KEY, CERTIFICATE), (CERTIFICATE, KEY)] {
        if vars.text(variable)?.is_none() && vars.text(other)?.is_some() {
            return Err(ConfigError::new(
                variable,
                format!("must be set, because {other} is set"),
            ));
        }
    }
    let peers = "FDB_TLS_VERIFY_PEERS";
    if vars.text(peers)?.is_some_and(|text| !text.contains('=')) {
        let problem = "must be constraints like `Check.Valid=1,S.CN=fdb.example.com`";
        return Err(ConfigError::new(peers, problem));
    }
    Ok(())
}

/// Whether the text is PEM with a label that ends like this: keys have labels like `EC PRIVATE KEY`, too.
#[cfg(feature = "fdb")]
fn is_pem(text: &str, label: &str) -> bool {
    let has = |begin: &str| {
        text.lines()
            .any(|line| line.starts_with(begin) && line.trim_end().ends_with(&format!("{label}-----")))
    };
    has("-----BEGIN ") && has("-----END ")
}

#[cfg(not(feature = "fdb"))]
fn foundationdb(_: &Variables<'_>) -> Result<kv::Engine, ConfigError> {
    let problem = "is `fdb`, but this program was built without that engine: build it with `make build FEATURES=fdb`";
    Err(ConfigError::new("STORE", problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(feature = "fdb"))]
    fn without_the_engine_foundationdb_is_rejected_with_the_command_that_builds_it() {
        let error = settings(&Variables::of(&[("STORE", "fdb")])).unwrap_err().to_string();
        assert!(error.starts_with("STORE ") && error.contains("FEATURES=fdb"), "{error}");
    }

    #[test]
    #[cfg(feature = "fdb")]
    fn a_cluster_is_a_file_a_content_or_the_clients_default() {
        let engine = |pairs: &[_]| {
            let vars = Variables::of(&[&[("STORE", "fdb")], pairs].concat());
            settings(&vars).unwrap().engine
        };
        let (file, content) = (("FDB_CLUSTER_FILE", "/etc/f"), ("FDB_CLUSTER", "a:b@h:1"));
        assert_eq!(engine(&[]), kv::Engine::Fdb(kv::Cluster::Default));
        assert_eq!(
            engine(&[content]),
            kv::Engine::Fdb(kv::Cluster::Content("a:b@h:1".into()))
        );
        assert_eq!(
            engine(&[file, content]),
            kv::Engine::Fdb(kv::Cluster::File("/etc/f".into()))
        );
    }

    #[test]
    #[cfg(feature = "fdb")]
    fn unusable_tls_variables_are_rejected_by_name_and_never_printed() {
        let (certificate, key) = ("FDB_NETWORK_OPTION_TLS_CERT_BYTES", "FDB_NETWORK_OPTION_TLS_KEY_BYTES");
        let good = [
            (
                certificate,
                "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
            ),
            (
                key,
                "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----",
            ),
            (
                "FDB_NETWORK_OPTION_TLS_CA_BYTES",
                "a comment\n-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----",
            ),
            ("FDB_TLS_VERIFY_PEERS", "Check.Valid=1"),
        ];
        let check = |pairs: &[(&str, &str)]| check_tls(&Variables::of(pairs)).map_err(|error| error.to_string());
        assert_eq!(check(&good), Ok(()));
        assert_eq!(check(&[]), Ok(()));
        for (at, value) in [
            (0, "c2VjcmV0"),
            (0, good[1].1),
            (1, "-----BEGIN PRIVATE KEY-----\\nc2VjcmV0\\n-----END PRIVATE KEY-----"),
            (2, good[1].1),
            (3, "c2VjcmV0"),
        ] {
            let mut pairs = good;
            pairs[at].1 = value;
            let error = check(&pairs).unwrap_err();
            assert!(error.starts_with(good[at].0) && !error.contains("c2VjcmV0"), "{error}");
        }
        for (set, missing) in [(0, key), (1, certificate)] {
            assert!(check(&good[set..=set]).unwrap_err().starts_with(missing));
        }
    }
}
