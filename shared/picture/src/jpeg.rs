//! Limits of JPEG files that the decoder does not have.
//!
//! - It fills the missing rows of a truncated file with grey. A user would see half of a picture and not know why.
//! - It limits the scans of progressive files only. Each scan may be a few bytes, and work on every block of the
//!   picture.

use crate::rejection::Rejection;

/// More scans than programs write.
const MAX_SCANS: usize = 100;

/// Rejects a file that is truncated or has too many scans.
pub(crate) fn check(file: &[u8]) -> Result<(), Rejection> {
    let Some(scans) = scans(file).filter(|scans| is_complete(scans)) else {
        return Err(Rejection::because("is damaged or not complete"));
    };
    // In the data of a picture, a marker is always a marker: other bytes are escaped (ITU-T T.81, section B.1.1.5).
    if scans.windows(2).filter(|pair| pair == b"\xff\xda").count() >= MAX_SCANS {
        return Err(Rejection::because("has too many scans"));
    }
    Ok(())
}

/// Whether the data of the picture ends with its marker. Bytes may follow, which some cameras write.
fn is_complete(scans: &[u8]) -> bool {
    scans.windows(2).any(|pair| pair == b"\xff\xd9")
}

/// The part of the file from the first scan on (ITU-T T.81, section B.2). A preview in the metadata before it has an
/// end of its own.
fn scans(file: &[u8]) -> Option<&[u8]> {
    let mut rest = file.get(2..)?;
    loop {
        let ([0xff, marker], after) = rest.split_first_chunk()? else {
            return None;
        };
        match marker {
            // Padding before a marker.
            0xff => rest = rest.get(1..)?,
            // Markers without a segment.
            0x01 | 0xd0..=0xd8 => rest = after,
            0xda => return Some(after),
            _ => {
                let (length, _) = after.split_first_chunk()?;
                rest = after.get(usize::from(u16::from_be_bytes(*length))..)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_ends_after_the_data_of_its_picture_and_has_few_scans() {
        // An APP1 segment with an end marker in it, then a scan.
        let start = b"\xff\xd8\xff\xe1\x00\x06\xff\xd8\xff\xd9\xff\xff\xda\x00\x02\x12\x34";
        assert!(check(start).is_err());
        assert!(check(&[&start[..], b"\xff\xd9"].concat()).is_ok());
        assert!(check(&[&start[..], b"\xff\xd9 trailing bytes"].concat()).is_ok());
        let scans = b"\xff\xda\x00\x02\x12".repeat(MAX_SCANS);
        assert!(check(&[&start[..], &scans, b"\xff\xd9"].concat()).is_err());
        for malformed in [
            &b""[..],
            b"\xff\xd8",
            b"\xff\xd8\x00",
            b"\xff\xd8\xff\xe1\xff\xff",
            b"\xff\xd8\xff",
        ] {
            assert!(check(malformed).is_err(), "{malformed:?}");
        }
    }
}
