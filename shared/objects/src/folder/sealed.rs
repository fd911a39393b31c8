//! The form of a file: the bytes, and after them a seal with their checksum.
//!
//! The seal is in the file, because two files cannot change together. A file without one is damaged.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::disk::found;
use crate::content::Checksum;
use crate::error::Error;

/// Bytes of a seal: one line of text, filled with spaces.
const SEAL_LEN: usize = 64;
const PREFIX: &str = "object1 ";

/// Bytes that are copied at once.
const BUFFER_LEN: usize = 64 << 10;

/// An open file with a seal.
#[derive(Debug)]
pub(super) struct Sealed {
    file: File,
    pub len: u64,
    pub checksum: Checksum,
}

impl Sealed {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let mut file = found(File::open(path))?;
        let total = file.metadata().map_err(|error| Error::disk(&error))?.len();
        let damaged = || Error::corrupt("the file of an object has no seal");
        let len = total.checked_sub(SEAL_LEN as u64).ok_or_else(damaged)?;
        let mut seal = [0; SEAL_LEN];
        file.seek(SeekFrom::Start(len))
            .and_then(|_| file.read_exact(&mut seal))
            .map_err(|error| Error::disk(&error))?;
        let checksum = std::str::from_utf8(&seal)
            .ok()
            .and_then(|text| text.strip_prefix(PREFIX)?.strip_suffix('\n'))
            .and_then(|text| Checksum::parse(text.trim_end_matches(' ')))
            .ok_or_else(damaged)?;
        Ok(Self { file, len, checksum })
    }

    /// The bytes of the range, up to the end of the object.
    pub(super) fn read(mut self, range: &Range<u64>) -> Result<Vec<u8>, Error> {
        if range.start >= self.len {
            return Err(Error::Range);
        }
        let len = range.end.min(self.len) - range.start;
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| Error::Range)?];
        self.file
            .seek(SeekFrom::Start(range.start))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|error| Error::disk(&error))?;
        Ok(bytes)
    }

    /// Appends the bytes to `target`, and returns their SHA-256.
    pub(super) fn copy_to(mut self, target: &mut impl Write) -> Result<[u8; 32], Error> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; BUFFER_LEN];
        let mut copy = || -> io::Result<()> {
            self.file.seek(SeekFrom::Start(0))?;
            let mut source = (&mut self.file).take(self.len);
            loop {
                let len = source.read(&mut buffer)?;
                if len == 0 {
                    return Ok(());
                }
                let bytes = &buffer[..len];
                hash.update(bytes);
                target.write_all(bytes)?;
            }
        };
        copy().map_err(|error| Error::disk(&error))?;
        Ok(hash.finalize().into())
    }
}

/// Ends a file.
pub(super) fn seal(file: &mut impl Write, checksum: &Checksum) -> io::Result<()> {
    let width = SEAL_LEN - PREFIX.len() - 1;
    writeln!(file, "{PREFIX}{:<width$}", checksum.encode())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;

    fn written(bytes: &[u8], checksum: &Checksum) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("@a");
        let mut file = File::create(&path).unwrap();
        file.write_all(bytes).unwrap();
        seal(&mut file, checksum).unwrap();
        (folder, path)
    }

    #[test]
    fn a_sealed_file_has_the_length_and_the_checksum_of_its_bytes() {
        let long = vec![7; 200_000];
        for bytes in [&b""[..], b"hello", &long] {
            for parts in [None, Some(1), Some(10_000)] {
                let checksum = Checksum {
                    digest: Content::of(bytes).sha256,
                    parts,
                };
                let (_folder, path) = written(bytes, &checksum);
                let file = Sealed::open(&path).unwrap();
                assert_eq!((file.len, file.checksum), (bytes.len() as u64, checksum));
                let mut copied = Vec::new();
                assert_eq!(file.copy_to(&mut copied).unwrap(), checksum.digest);
                assert_eq!(copied, bytes);
            }
        }
    }

    #[test]
    fn a_range_ends_with_the_object_and_never_includes_the_seal() {
        let (_folder, path) = written(b"hello", &Checksum::whole(&Content::of(b"hello")));
        let read = |range| Sealed::open(&path).unwrap().read(&range);
        assert_eq!(read(0..5).unwrap(), b"hello");
        assert_eq!(read(1..3).unwrap(), b"el");
        assert_eq!(read(4..1000).unwrap(), b"o");
        assert_eq!(read(5..6), Err(Error::Range));
    }

    #[test]
    fn a_file_without_its_end_is_damaged() {
        let (_folder, path) = written(b"hello", &Checksum::whole(&Content::of(b"hello")));
        let whole = std::fs::read(&path).unwrap();
        for len in 0..whole.len() {
            std::fs::write(&path, &whole[..len]).unwrap();
            assert!(matches!(Sealed::open(&path), Err(Error::Corrupt { .. })), "{len} bytes");
        }
    }
}
