//! Planning an upload: where it arrives, and in which parts.

use crate::contents::{self, Digest};
use crate::files::FilePath;
use crate::id::{SessionId, TenantId, UploadId};
use crate::objects::{ObjectKey, PartLengths};
use crate::record::NewerMembers;
use crate::text::Rejection;
use crate::time::Timestamp;
use crate::uploads::{Destination, LIFETIME, MAX_BYTES, MAX_PARTS, Upload, UploadError};

/// The lengths of parts that the store accepts: not so small that one file has many records.
const STORE_PARTS: PartLengths = PartLengths {
    min: 64 << 10,
    default: contents::MAX_BYTES,
    max: contents::MAX_BYTES,
};

/// What a client wants to upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The path that the file will have.
    pub path: FilePath,
    /// The number of bytes.
    pub size: u64,
    /// The digest that the client expects of the whole file.
    pub digest: Option<Digest>,
    /// The number of bytes of each part but the last one, if the client chooses it.
    pub part_size: Option<u64>,
}

impl Draft {
    /// The upload. `object_parts` are the lengths of parts that the object store accepts, if there is one.
    pub(super) fn plan(
        &self,
        id: UploadId,
        tenant: TenantId,
        session: SessionId,
        object_parts: Option<PartLengths>,
        now: Timestamp,
    ) -> Result<Upload, UploadError> {
        let (destination, lengths) = if self.size <= contents::MAX_BYTES {
            (Destination::Store, STORE_PARTS)
        } else {
            let object = ObjectKey::of_upload(tenant, id);
            (
                Destination::Objects { object, upload: None },
                self.object_parts(object_parts)?,
            )
        };
        Ok(Upload {
            id,
            session,
            path: self.path.clone(),
            size: self.size,
            digest: self.digest,
            part_size: self.part_size(lengths)?,
            destination,
            hashed: None,
            created_at: now,
            expires_at: now.plus(LIFETIME),
            newer: NewerMembers::default(),
        })
    }

    fn object_parts(&self, lengths: Option<PartLengths>) -> Result<PartLengths, UploadError> {
        let Some(lengths) = lengths else {
            let limit = contents::MAX_BYTES;
            return Err(rejected(
                "size",
                format!("must be at most {limit}: there is no object store"),
            ));
        };
        let limit = MAX_BYTES.min(lengths.max.saturating_mul(u64::from(MAX_PARTS)));
        if self.size > limit {
            return Err(rejected("size", format!("must be at most {limit}")));
        }
        Ok(lengths)
    }

    fn part_size(&self, lengths: PartLengths) -> Result<u64, UploadError> {
        // With fewer bytes there would be too many parts.
        let enough = self.size.div_ceil(u64::from(MAX_PARTS));
        let min = lengths.min.max(enough);
        let part_size = self.part_size.unwrap_or(lengths.default.max(enough));
        if (min..=lengths.max).contains(&part_size) {
            return Ok(part_size);
        }
        Err(rejected("partSize", format!("must be from {min} to {}", lengths.max)))
    }
}

fn rejected(member: &'static str, reason: String) -> UploadError {
    UploadError::Rejected {
        member,
        reason: Rejection(reason),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::Id as _;

    const OBJECT_PARTS: PartLengths = PartLengths {
        min: 1 << 20,
        default: 4 << 20,
        max: 64 << 20,
    };

    fn plan(size: u64, part_size: Option<u64>, object_parts: Option<PartLengths>) -> Result<Upload, UploadError> {
        let draft = Draft {
            path: FilePath::parse("/a").unwrap(),
            size,
            digest: None,
            part_size,
        };
        let id = Uuid::from_u128(7);
        draft.plan(
            UploadId::from_uuid(id),
            TenantId::from_uuid(id),
            SessionId::from_uuid(id),
            object_parts,
            Timestamp::from_millis(0),
        )
    }

    #[test]
    fn a_small_file_arrives_in_the_store_and_a_large_one_in_the_object_store() {
        for (size, is_object) in [(0, false), (4 << 20, false), ((4 << 20) + 1, true)] {
            let upload = plan(size, None, Some(OBJECT_PARTS)).unwrap();
            assert_eq!(upload.destination != Destination::Store, is_object, "{size}");
        }
    }

    #[test]
    fn the_parts_have_the_length_that_the_client_chooses_and_the_last_one_the_rest() {
        let upload = plan(1_000_000, Some(300_000), None).unwrap();
        assert_eq!(upload.parts(), 4);
        let lengths: Vec<_> = (1..=4).map(|number| upload.part_len(number).unwrap()).collect();
        assert_eq!(lengths, [300_000, 300_000, 300_000, 100_000]);
        for number in [0, 5] {
            assert_eq!(
                upload.part_len(number),
                Err(UploadError::NoSuchPart { number, count: 4 })
            );
        }
        assert_eq!(plan(0, None, None).unwrap().parts(), 0);
        assert_eq!(plan(600_000, Some(300_000), None).unwrap().parts(), 2);
    }

    #[test]
    fn a_large_file_has_parts_that_are_large_enough_for_their_maximum_number() {
        let parts = PartLengths {
            default: 1 << 16,
            min: 1 << 16,
            ..OBJECT_PARTS
        };
        let upload = plan(MAX_BYTES, None, Some(parts)).unwrap();
        assert!(upload.parts() <= MAX_PARTS);
        assert_eq!(
            (1..=upload.parts())
                .map(|number| upload.part_len(number).unwrap())
                .sum::<u64>(),
            MAX_BYTES
        );
    }

    #[test]
    fn a_size_or_part_size_beyond_the_limits_is_rejected_with_the_limits() {
        for (size, part_size, object_parts, member, text) in [
            (
                5 << 20,
                None,
                None,
                "size",
                "must be at most 4194304: there is no object store",
            ),
            (
                MAX_BYTES + 1,
                None,
                Some(OBJECT_PARTS),
                "size",
                "must be at most 4294967296",
            ),
            (1000, Some(0), None, "partSize", "must be from 65536 to 4194304"),
            (1000, Some(u64::MAX), None, "partSize", "must be from 65536 to 4194304"),
            (
                5 << 20,
                Some(1000),
                Some(OBJECT_PARTS),
                "partSize",
                "must be from 1048576 to 67108864",
            ),
        ] {
            let rejected = plan(size, part_size, object_parts);
            assert_eq!(rejected, Err(super::rejected(member, text.to_owned())));
        }
    }
}
