//! An upload whose parts are all there.

use crate::contents::{Content, Digest};
use crate::objects::ObjectKey;
use crate::uploads::{Part, Upload};

/// An upload with all its parts.
#[derive(Clone, Debug)]
pub struct Assembled {
    pub(super) upload: Upload,
    pub(super) body: Body,
}

/// The bytes of an upload.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// In memory, to be written to the store. The parts of which they were made must not have changed.
    Stored { content: Content, parts: Vec<Part> },
    /// In this object.
    Object { digest: Digest, object: ObjectKey },
}

impl Assembled {
    /// The upload.
    pub fn upload(&self) -> &Upload {
        &self.upload
    }

    /// The digest of the whole file.
    pub fn digest(&self) -> Digest {
        match &self.body {
            Body::Stored { content, .. } => content.digest(),
            Body::Object { digest, .. } => *digest,
        }
    }
}
