//! The cluster file: its location, its check, and a copy of its content where no file exists.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The client's default cluster file.
const DEFAULT_CLUSTER_FILE: &str = if cfg!(target_os = "macos") {
    "/usr/local/etc/foundationdb/fdb.cluster"
} else {
    "/etc/foundationdb/fdb.cluster"
};

/// Selects a cluster.
#[derive(Clone, PartialEq, Eq)]
pub enum Cluster {
    /// The cluster in the client's default cluster file.
    Default,
    /// The cluster in this cluster file. The client rewrites the file when the coordinators move.
    File(PathBuf),
    /// The cluster in a cluster file with this content. The content is written to a private folder below the system's
    /// temporary folder. An existing copy is kept: the client may have updated it since.
    Content(String),
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("Default"),
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            // A secret: it is all that a client needs to connect.
            Self::Content(_) => f.write_str("Content(…)"),
        }
    }
}

/// The path of the cluster file, after the checks that need no cluster.
pub(super) fn locate(cluster: &Cluster) -> Result<PathBuf, Error> {
    let file = match cluster {
        Cluster::Default => PathBuf::from(DEFAULT_CLUSTER_FILE),
        Cluster::File(file) => file.clone(),
        Cluster::Content(content) => {
            let file = std::env::temp_dir().join(format!("fdb-{}", rustix::process::geteuid().as_raw()));
            let error = |file: &Path, why: String| Error::Cluster {
                file: file.to_owned(),
                why,
            };
            check_content(content).map_err(|why| error(Path::new("(from FDB_CLUSTER)"), why))?;
            return write_content(&file, content).map_err(|why| error(&file, format!("it cannot be written: {why}")));
        }
    };
    let error = |why: String| Error::Cluster {
        file: file.clone(),
        why,
    };
    let content = fs::read_to_string(&file).map_err(|why| error(format!("it cannot be read: {why}")))?;
    check_content(&content).map_err(error)?;
    Ok(file)
}

/// Writes `content` to a file that only this user can write, under a name derived from it, unless a valid file exists.
fn write_content(folder: &Path, content: &str) -> io::Result<PathBuf> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let existing = fs::symlink_metadata(folder)?;
    let is_own = existing.uid() == rustix::process::geteuid().as_raw();
    if !existing.is_dir() || !is_own || existing.mode() & 0o077 != 0 {
        return Err(io::Error::other("its folder is not private to this user"));
    }
    let file = folder.join(format!("{:016x}.cluster", name_hash(content.trim())));
    if fs::read_to_string(&file).is_ok_and(|existing| check_content(&existing).is_ok()) {
        return Ok(file);
    }
    // By rename, so that the file is complete or absent even if other processes do the same. It also replaces a damaged
    // file.
    let draft = folder.join(format!("{:032x}.draft", fastrand::u128(..)));
    let mut options = fs::OpenOptions::new();
    let mut written = options.write(true).create_new(true).mode(0o600).open(&draft)?;
    let done = written
        .write_all(content.as_bytes())
        .and_then(|()| fs::rename(&draft, &file));
    if done.is_err() {
        // A remaining draft would serve no purpose.
        let _ = fs::remove_file(&draft);
    }
    done?;
    Ok(file)
}

/// FNV-1a. The standard hasher does not guarantee the same value in every process and every version of this program.
fn name_hash(content: &str) -> u64 {
    content.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Checks the form `description:id@host:port,host:port…`. The client would accept a malformed file and wait forever.
fn check_content(content: &str) -> Result<(), String> {
    let mut lines = content
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err("it must have one line of the form `description:id@address:port`".to_owned());
    };
    let word = |text: &str, extra: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
    };
    let address = |text: &str| {
        let text = text.strip_suffix("(fromHostname)").unwrap_or(text);
        let text = text.strip_suffix(":tls").unwrap_or(text);
        text.rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
    };
    let well_formed = line.split_once('@').is_some_and(|(name, addresses)| {
        name.split_once(':')
            .is_some_and(|(description, id)| word(description, "_") && word(id, ""))
            && addresses.split(',').all(address)
    });
    if well_formed {
        Ok(())
    } else {
        Err("it is not of the form `description:id@address:port,…`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_of_a_cluster_file_is_checked() {
        for good in [
            "test:test@127.0.0.1:4500",
            "my_db:aB3@10.0.0.1:4500,10.0.0.2:4500:tls\n",
            "# a comment\n\nd:i@[::1]:4500",
            "d:i@fdb.example.com:4500",
        ] {
            assert_eq!(check_content(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "#",
            "test",
            "test@127.0.0.1:4500",
            "a:b@",
            "a:b@host",
            "a:b@host:0",
            "a:b@h:1\nc:d@h:1",
            "a b:c@h:1",
        ] {
            assert!(check_content(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn content_is_written_once_and_an_updated_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made");
        let file = write_content(&folder, "a:b@127.0.0.1:1").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "a:b@127.0.0.1:1");
        fs::write(&file, "a:b@127.0.0.1:2").unwrap();
        assert_eq!(write_content(&folder, "a:b@127.0.0.1:1\n").unwrap(), file);
        assert_eq!(fs::read_to_string(&file).unwrap(), "a:b@127.0.0.1:2");
        assert_ne!(write_content(&folder, "a:b@127.0.0.1:3").unwrap(), file);

        fs::write(&file, "").unwrap();
        assert_eq!(write_content(&folder, "a:b@127.0.0.1:1").unwrap(), file);
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "a:b@127.0.0.1:1",
            "a damaged file is replaced"
        );

        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        assert!(
            write_content(&folder, "a:b@127.0.0.1:4").is_err(),
            "a folder that other users can write to"
        );
    }
}
