//! Values as releases have stored them (`tests/fixtures/records`): this code must read all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::access_tokens::ops::Created;
use crate::access_tokens::{AccessToken, TokenRights};
use crate::audit::Event;
use crate::contents::Header;
use crate::deletion::{DeletedAccount, Deletion, Removal};
use crate::dump::progress::Progress;
use crate::exports::Export;
use crate::files::Entry;
use crate::files::changes::{Change, Feed};
use crate::files::changeset::MadeDirectory;
use crate::files::preparations::{Pending, Preparation};
use crate::files::records::{Head, Job, Location, Removal as DirectoryRemoval, StoredItem};
use crate::files::snapshots::{Snapshot, TakenSnapshot};
use crate::idempotency::Stored;
use crate::logins::Login;
use crate::mail::Mail;
use crate::mail_tokens::StoredToken;
use crate::objects::ObjectDeletion;
use crate::sessions::{SearchText, Session};
use crate::suppressions::Suppression;
use crate::tenants::{Membership, Tenant};
use crate::throttle::Counter;
use crate::uploads::{Committed, Part, Upload};
use crate::usage::OwnLimits;
use crate::users::ops::Registered;
use crate::users::profile::Profile;
use crate::users::{FormerEmail, User};

/// A kind of record.
struct Kind {
    name: &'static str,
    version: u32,
    /// Decodes and encodes a value.
    rewrite: fn(&[u8]) -> Result<Vec<u8>>,
    /// Decodes a value, and returns whether rewriting keeps newer members.
    keeps_newer: fn(&[u8]) -> Result<bool>,
}

impl Kind {
    fn of<T: Record>(name: &'static str) -> Self {
        Self {
            name,
            version: T::VERSION,
            rewrite: |value| encode(&decode::<T>(value)?),
            keeps_newer: |value| Ok(decode::<T>(value)?.newer().is_some_and(NewerMembers::is_present)),
        }
    }

    /// The kind's fixtures: one value in each line.
    fn values(&self) -> Vec<String> {
        let file = folder().join(self.name.replace(' ', "_")).with_extension("jsonl");
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        text.lines().map(str::to_owned).collect()
    }
}

/// Every kind of record. The outcomes of requests with an idempotency key are three kinds.
fn kinds() -> Vec<Kind> {
    vec![
        Kind::of::<AccessToken>("access token"),
        Kind::of::<TokenRights>("access token rights"),
        Kind::of::<Counter>("throttle"),
        Kind::of::<Event>("audit event"),
        Kind::of::<Header>("content"),
        Kind::of::<DeletedAccount>("deleted account"),
        Kind::of::<Deletion>("deletion"),
        Kind::of::<Mail>("email"),
        Kind::of::<FormerEmail>("former email"),
        Kind::of::<Export>("export"),
        Kind::of::<Change>("file change"),
        Kind::of::<Feed>("file feed"),
        Kind::of::<Entry>("file entry"),
        Kind::of::<Head>("file head"),
        Kind::of::<Job>("file job"),
        Kind::of::<Location>("directory"),
        Kind::of::<DirectoryRemoval>("directory removal"),
        Kind::of::<StoredItem>("trash item"),
        Kind::of::<Snapshot>("snapshot"),
        Kind::of::<Preparation>("file preparation"),
        Kind::of::<Pending>("pending directory"),
        Kind::of::<Progress>("import"),
        Kind::of::<OwnLimits>("limits"),
        Kind::of::<Login>("login"),
        Kind::of::<StoredToken>("mail token"),
        Kind::of::<ObjectDeletion>("object deletion"),
        Kind::of::<Membership>("membership"),
        Kind::of::<Profile>("profile"),
        Kind::of::<SearchText>("search text"),
        Kind::of::<Session>("session"),
        Kind::of::<Stored<Created>>("access token creation"),
        Kind::of::<Stored<Registered>>("registration"),
        Kind::of::<Removal>("removal"),
        Kind::of::<Stored<Session>>("idempotency record"),
        Kind::of::<Suppression>("suppression"),
        Kind::of::<Tenant>("tenant"),
        Kind::of::<Upload>("upload"),
        Kind::of::<Committed>("committed upload"),
        Kind::of::<MadeDirectory>("made directory"),
        Kind::of::<TakenSnapshot>("taken snapshot"),
        Kind::of::<Part>("upload part"),
        Kind::of::<User>("user"),
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records")
}

/// The version in a stored value.
fn version(value: &str) -> u32 {
    let value: serde_json::Value = serde_json::from_str(value).unwrap();
    u32::try_from(value["v"].as_u64().unwrap()).unwrap()
}

/// The kinds that the sources below `folder` define, except those of tests in `record/`.
fn defined(folder: &Path, kinds: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("record") {
                defined(&path, kinds);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let definitions = source.split("const KIND: &'static str = \"").skip(1);
            kinds.extend(definitions.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
}

#[test]
fn every_kind_of_record_has_fixtures() {
    let mut defined_kinds = BTreeSet::new();
    defined(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut defined_kinds);
    let listed: BTreeSet<_> = kinds().iter().map(|kind| kind.name.to_owned()).collect();
    assert_eq!(
        listed, defined_kinds,
        "list the kind in `kinds`, and add a file of fixtures"
    );
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let files: BTreeSet<_> = files
        .map(|file| file.file_stem().unwrap().to_str().unwrap().replace('_', " "))
        .collect();
    assert_eq!(files, listed);
}

#[test]
fn every_stored_value_is_readable_and_the_current_version_is_written_unchanged() {
    for kind in kinds() {
        let values = kind.values();
        for value in &values {
            let rewritten = (kind.rewrite)(value.as_bytes()).unwrap_or_else(|error| panic!("{value}: {error}"));
            if version(value) == kind.version {
                assert_eq!(str::from_utf8(&rewritten).unwrap(), value);
            }
        }
        let versions: BTreeSet<_> = values.iter().map(|value| version(value)).collect();
        let expected: BTreeSet<_> = (1..=kind.version).collect();
        assert_eq!(versions, expected, "{}: add a value of each version", kind.name);
    }
}

#[test]
fn every_record_is_readable_with_a_further_member_in_the_next_version() {
    // The other kinds are never rewritten.
    let rewritten = [
        "access token",
        "deletion",
        "email",
        "export",
        "file entry",
        "file feed",
        "file head",
        "file job",
        "file preparation",
        "directory",
        "snapshot",
        "limits",
        "login",
        "membership",
        "profile",
        "removal",
        "session",
        "tenant",
        "throttle",
        "upload",
        "user",
    ];
    for kind in kinds() {
        for value in kind.values().iter().filter(|value| version(value) == kind.version) {
            let start = format!(r#"{{"v":{},"#, kind.version);
            let members = value.strip_prefix(&start).expect("the version comes first");
            // The outcome of a request is a record of its own version.
            let end = if members.contains(r#""outcome":"#) { "}}}" } else { "}}" };
            let members = members.strip_suffix(end).expect("the record is last");
            let next = format!(r#"{{"v":{},{members},"further":{{"a":1}}{end}"#, kind.version + 1);
            let keeps_newer = (kind.keeps_newer)(next.as_bytes()).unwrap_or_else(|error| panic!("{next}: {error}"));
            assert_eq!(keeps_newer, rewritten.contains(&kind.name), "{}", kind.name);
            let after_next = next.replacen(&(kind.version + 1).to_string(), &(kind.version + 2).to_string(), 1);
            assert!(
                (kind.rewrite)(after_next.as_bytes()).is_err(),
                "{after_next} was decoded"
            );
        }
    }
}
