//! Request bodies with their media types.

use serde_json::Value;

/// A request body.
#[derive(Clone, Debug)]
pub struct Content {
    /// The media type.
    pub media_type: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Content {
    /// A JSON body.
    pub fn json(value: &Value) -> Self {
        Self {
            media_type: "application/json",
            bytes: value.to_string().into_bytes(),
        }
    }

    /// A body of any bytes.
    pub fn bytes(bytes: &[u8]) -> Self {
        Self {
            media_type: "application/octet-stream",
            bytes: bytes.to_vec(),
        }
    }
}

/// A picture that the API accepts: a PNG of one pixel.
pub fn picture() -> Content {
    const PNG: &[u8; 67] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\
        \0\0\0\nIDATx\xdach\0\0\0\x82\0\x81\xdaE\x08;\0\0\0\0IEND\xaeB`\x82";
    Content {
        media_type: "image/png",
        bytes: PNG.to_vec(),
    }
}
