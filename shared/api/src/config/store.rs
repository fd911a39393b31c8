//! The store: its engine, its location, and the root of its keys.

use std::path::PathBuf;

#[cfg(feature = "fdb")]
use super::tls;
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
    tls::check(vars)?;
    Ok(kv::Engine::Fdb(cluster))
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
}
