//! The lines of a dump; `README.md` describes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kv::Key;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::error::{Error, Result};
use crate::check::space;
use crate::time::Timestamp;

/// The version of the format that this program writes and reads.
pub const FORMAT: u32 = 1;

/// The value of `dump` in the first line.
const NAME: &str = "coditect-v5";

/// The longest line: a key and a value of the maximum length in base64, and the rest.
const MAX_LINE: usize = (kv::MAX_VALUE_LEN + kv::MAX_KEY_LEN) * 4 / 3 + 256;

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Header {
    dump: String,
    format: u32,
    /// Identifies the dump, so that only the same one continues an import.
    pub(super) id: Uuid,
    created_at: Timestamp,
}

/// What the first line of a dump of any version has.
#[derive(Deserialize)]
struct AnyHeader {
    dump: String,
    format: u32,
}

impl Header {
    pub(super) fn new(id: Uuid, created_at: Timestamp) -> Self {
        Self {
            dump: NAME.to_owned(),
            format: FORMAT,
            id,
            created_at,
        }
    }

    fn parse(line: &[u8]) -> Result<Self> {
        let any: AnyHeader = serde_json::from_slice(line).map_err(|_| Error::NoDump)?;
        if any.dump != NAME {
            return Err(Error::NoDump);
        }
        if any.format != FORMAT {
            return Err(Error::Version(any.format, FORMAT));
        }
        serde_json::from_slice(line).map_err(|error| damaged(1, &error))
    }
}

/// An entry of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// The key, or for an appended entry its prefix: the stamp belongs to the store.
    pub(super) key: Key,
    pub(super) value: Vec<u8>,
}

/// How an entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Set,
    /// In the order of the lines.
    Append,
}

impl Entry {
    /// The entry without what belongs to its store.
    pub(super) fn of_stored(entry: kv::Entry) -> Self {
        let kv::Entry { key, value } = entry;
        match key.appended_to() {
            Some(prefix) => Self {
                kind: Kind::Append,
                key: prefix,
                value,
            },
            None => Self {
                kind: Kind::Set,
                key,
                value,
            },
        }
    }

    /// Adds the entry to a digest, unambiguously.
    pub(super) fn digest(&self, digest: &mut Sha256) {
        let kind = match self.kind {
            Kind::Set => b"s",
            Kind::Append => b"a",
        };
        digest.update(kind);
        for part in [self.key.as_bytes(), &self.value] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
    }

    /// Where the entry is among the others: its key, as far as a dump contains it.
    fn place(&self) -> Vec<u8> {
        match self.kind {
            Kind::Set => self.key.as_bytes().to_vec(),
            // The type code of a stamp.
            Kind::Append => [self.key.as_bytes(), &[0x33]].concat(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.key.as_bytes().len() + self.value.len()
    }
}

/// A line after the first one.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    append: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<End>,
}

/// The last line: what the lines before it contain.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    entries: u64,
    spaces: BTreeMap<String, u64>,
    /// SHA-256 of all bytes before this line, in hexadecimal digits.
    sha256: String,
}

/// The numbers of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All entries.
    pub entries: u64,
    /// The entries by the first element of their key.
    pub spaces: BTreeMap<String, u64>,
}

impl Totals {
    pub(super) fn count(&mut self, entry: &Entry) {
        self.entries += 1;
        *self.spaces.entry(space(&entry.key)).or_default() += 1;
    }
}

/// Writes the lines of a dump.
#[derive(Default)]
pub(super) struct Encoder {
    digest: Sha256,
    pub(super) totals: Totals,
}

impl Encoder {
    pub(super) fn header(&mut self, out: &mut Vec<u8>, header: &Header) -> Result<()> {
        self.line(out, header)
    }

    pub(super) fn entry(&mut self, out: &mut Vec<u8>, entry: &Entry) -> Result<()> {
        self.totals.count(entry);
        let key = Some(URL_SAFE_NO_PAD.encode(entry.key.as_bytes()));
        let (set, append) = match entry.kind {
            Kind::Set => (key, None),
            Kind::Append => (None, key),
        };
        let value = Some(URL_SAFE_NO_PAD.encode(&entry.value));
        let line = Line {
            set,
            append,
            value,
            end: None,
        };
        self.line(out, &line)
    }

    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let end = End {
            entries: self.totals.entries,
            spaces: self.totals.spaces.clone(),
            sha256: hex(&self.digest.clone().finalize()),
        };
        let line = Line {
            end: Some(end),
            ..Line::default()
        };
        self.line(out, &line)
    }

    fn line(&mut self, out: &mut Vec<u8>, line: &impl Serialize) -> Result<()> {
        let start = out.len();
        serde_json::to_writer(&mut *out, line).map_err(|error| Error::Damaged(error.to_string()))?;
        out.push(b'\n');
        self.digest.update(&out[start..]);
        Ok(())
    }
}

/// A part of a dump.
pub(super) enum Item {
    Header(Header),
    Entry(Entry),
}

/// Reads and verifies a dump.
#[derive(Default)]
pub(super) struct Decoder {
    /// Bytes that were not decoded yet.
    buffer: Vec<u8>,
    /// The start of the next line in the buffer.
    start: usize,
    lines: u64,
    digest: Sha256,
    totals: Totals,
    /// The place of the last entry.
    last: Vec<u8>,
    has_ended: bool,
}

impl Decoder {
    /// Adds bytes to decode.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next part; `None` if it needs more bytes.
    pub(super) fn next(&mut self) -> Result<Option<Item>> {
        let rest = &self.buffer[self.start..];
        if self.has_ended {
            return if rest.is_empty() {
                Ok(None)
            } else {
                Err(Error::Trailing)
            };
        }
        let Some(len) = rest.iter().position(|byte| *byte == b'\n') else {
            // Without a line break, the input is no dump, or damaged.
            return match (rest.len() > MAX_LINE, self.lines) {
                (false, _) => Ok(None),
                (true, 0) => Err(Error::NoDump),
                (true, _) => Err(Error::Damaged(format!("line {} is too long", self.lines + 1))),
            };
        };
        let line = &rest[..len];
        self.lines += 1;
        let item = if self.lines == 1 {
            Some(Item::Header(Header::parse(line)?))
        } else {
            let parsed: Line = serde_json::from_slice(line).map_err(|error| damaged(self.lines, &error))?;
            if let Line {
                set: None,
                append: None,
                value: None,
                end: Some(end),
            } = parsed
            {
                let sha256 = hex(&self.digest.clone().finalize());
                let is_complete = (end.entries, &end.spaces) == (self.totals.entries, &self.totals.spaces);
                if !is_complete || end.sha256 != sha256 {
                    return Err(Error::Damaged("its digest or its counts are wrong".to_owned()));
                }
                self.has_ended = true;
                None
            } else {
                let entry = parsed
                    .into_entry()
                    .ok_or_else(|| Error::Damaged(format!("line {} is not an entry", self.lines)))?;
                let place = entry.place();
                let is_in_order = match entry.kind {
                    Kind::Set => self.last < place,
                    Kind::Append => self.last <= place,
                };
                if !is_in_order {
                    return Err(Error::Damaged(format!(
                        "line {} is not in the order of the keys",
                        self.lines
                    )));
                }
                self.last = place;
                self.totals.count(&entry);
                Some(Item::Entry(entry))
            }
        };
        self.digest.update(&rest[..=len]);
        self.start += len + 1;
        match item {
            Some(item) => Ok(Some(item)),
            // The last line: whatever follows is an error.
            None => self.next(),
        }
    }

    /// The totals so far.
    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The totals, after the last bytes.
    pub(super) fn finish(&self) -> Result<&Totals> {
        match (self.has_ended, self.lines) {
            (true, _) => Ok(&self.totals),
            (false, 0) => Err(Error::NoDump),
            (false, _) => Err(Error::Truncated),
        }
    }
}

impl Line {
    fn into_entry(self) -> Option<Entry> {
        let (kind, key) = match (self.set, self.append, self.end) {
            (Some(key), None, None) => (Kind::Set, key),
            (None, Some(key), None) => (Kind::Append, key),
            _ => return None,
        };
        let key = URL_SAFE_NO_PAD.decode(key).ok()?;
        let value = URL_SAFE_NO_PAD.decode(self.value?).ok()?;
        Some(Entry {
            kind,
            key: Key::from_bytes(key),
            value,
        })
    }
}

fn damaged(line: u64, error: &serde_json::Error) -> Error {
    // Without the message, which may quote a value.
    Error::Damaged(format!("line {line} does not decode at column {}", error.column()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests;
