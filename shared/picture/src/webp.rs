//! Limits of WebP files that the decoder does not have.
//!
//! - It allocates a lossy frame before it compares the frame's dimensions with those of the picture. So a small picture
//!   could hide a frame of 16,383 × 16,383 pixels.
//! - It keeps a table of 4 KiB for every code of lossless data, and about twelve bytes of a file make one.
//! - It allocates the length that a chunk of metadata states, whether the file has as many bytes or not.
//! - It takes pixels and metadata from the first frame of an animation, even if the file does not say that it is
//!   animated. So those chunks would escape the other limits.

use crate::dimensions::check_dimensions;
use crate::rejection::Rejection;

/// The maximum length of lossless data in bytes: the tables of its codes then take at most 200 MB.
const MAX_LOSSLESS_BYTES: usize = 512 * 1024;

/// Rejects a file that exceeds these limits, and every animation. The decoder skips chunks that it does not know.
pub(crate) fn check(file: &[u8]) -> Result<(), Rejection> {
    // `RIFF`, the length of the file, `WEBP`; then chunks: a name, a length, and as many bytes, padded to an even
    // number.
    let mut rest = file.get(12..).unwrap_or_default();
    while let Some((header, after)) = rest.split_first_chunk::<8>() {
        let [name @ .., _, _, _, _] = header;
        let [.., a, b, c, d] = header;
        let length = usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
        let Some(content) = after.get(..length) else {
            return Err(Rejection::because("is damaged"));
        };
        match name {
            b"ANIM" | b"ANMF" => return Err(Rejection::because("must not be animated")),
            b"VP8 " => check_frame(content)?,
            b"VP8L" | b"ALPH" if length > MAX_LOSSLESS_BYTES => {
                let max = MAX_LOSSLESS_BYTES;
                return Err(Rejection(format!("must have at most {max} bytes of lossless WebP")));
            }
            _ => {}
        }
        rest = after.get(length + length % 2..).unwrap_or_default();
    }
    Ok(())
}

/// Checks the dimensions of a lossy frame: 14 bits each, after three bytes about the frame and three of a start code
/// (RFC 6386, section 9.1).
fn check_frame(content: &[u8]) -> Result<(), Rejection> {
    let Some([.., a, b, c, d]) = content.get(..10) else {
        return Err(Rejection::because("is damaged"));
    };
    let [width, height] = [[*a, *b], [*c, *d]].map(|bytes| u16::from_le_bytes(bytes) & 0x3fff);
    check_dimensions(width.into(), height.into())
}
