//! Pictures of clients: decoded under limits, and made into a small JPEG without metadata.
//!
//! **The work is bounded before it begins.** The file has at most 2 MiB. Its dimensions are read first, and a file with
//! more than [`MAX_SIDE`] pixels in a row or column is not decoded; nor is one with several frames. The decoders then
//! allocate in proportion to the pixels, at most about 300 MB, and read each byte of the file once; that of JPEGs stops
//! after a hundred scans. So no timer has to stop a thread.

mod dimensions;
mod jpeg;
mod rejection;
mod square;
mod webp;

use std::io::Cursor;

use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::error::LimitErrorKind;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, Limits};

use crate::dimensions::{MAX_SIDE, check_dimensions, too_many_pixels};
pub use crate::rejection::Rejection;
use crate::square::square;

/// The largest picture that a client may send, in bytes.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;

/// The number of pixels in a row or column of the result.
const SIDE: u32 = 256;

/// The memory that a decoder may allocate for anything but pixels, such as compressed colour profiles.
const MAX_EXTRA_BYTES: u64 = 16 << 20;

/// The qualities of the result, the first of which makes it small enough. Only noise needs another one than the first.
const QUALITIES: [u8; 4] = [85, 70, 50, 25];

/// The formats that clients may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `image/png`
    Png,
    /// `image/jpeg`
    Jpeg,
    /// `image/webp`
    WebP,
}

impl Format {
    /// The media types of all formats.
    pub const MEDIA_TYPES: [&str; 3] = ["image/png", "image/jpeg", "image/webp"];

    /// The format with one of these media types.
    pub fn of_media_type(media_type: &str) -> Self {
        match media_type {
            "image/png" => Self::Png,
            "image/webp" => Self::WebP,
            _ => Self::Jpeg,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
        }
    }

    /// Whether the file begins like one of this format.
    fn has_signature(self, file: &[u8]) -> bool {
        match self {
            Self::Png => file.starts_with(b"\x89PNG\r\n\x1a\n"),
            Self::Jpeg => file.starts_with(b"\xff\xd8\xff"),
            Self::WebP => file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP"),
        }
    }
}

/// The picture in a file of this format, as the API shows it: the square in the middle, upright, as a JPEG of at most
/// `max_len` bytes.
// Inlined into a caller that is compiled for size, it would be, too.
#[inline(never)]
pub fn convert(file: &[u8], format: Format, max_len: usize) -> Result<Vec<u8>, Rejection> {
    if !format.has_signature(file) {
        let name = format.name();
        return Err(Rejection(format!("must be a {name} file, as its media type says")));
    }
    let input = Cursor::new(file);
    let (picture, orientation) = match format {
        Format::Png => {
            let decoder = PngDecoder::with_limits(input, limits()).map_err(undecodable)?;
            if decoder.is_apng().map_err(undecodable)? {
                return Err(Rejection::because("must not be animated"));
            }
            decode(decoder)?
        }
        Format::Jpeg => {
            jpeg::check(file)?;
            decode(JpegDecoder::new(input).map_err(undecodable)?)?
        }
        Format::WebP => {
            webp::check(file)?;
            decode(WebPDecoder::new(input).map_err(undecodable)?)?
        }
    };
    let mut small = DynamicImage::ImageRgb8(square(&picture, SIDE));
    // The large picture is not needed any more.
    drop(picture);
    small.apply_orientation(orientation);
    encode(&small, max_len)
}

/// Limits that the decoders observe. Those of JPEG and WebP observe only the dimensions, which are checked here, too.
fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_EXTRA_BYTES);
    limits
}

fn decode(mut decoder: impl ImageDecoder) -> Result<(DynamicImage, Orientation), Rejection> {
    let (width, height) = decoder.dimensions();
    check_dimensions(width, height)?;
    decoder.set_limits(limits()).map_err(undecodable)?;
    // Damaged metadata is no reason to reject a picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(undecodable)?;
    Ok((picture, orientation))
}

/// The message does not repeat the decoder's, which may quote the file.
fn undecodable(error: image::ImageError) -> Rejection {
    match error {
        image::ImageError::Limits(limit) if limit.kind() == LimitErrorKind::DimensionError => too_many_pixels(),
        image::ImageError::Limits(_) => Rejection::because("needs too much memory"),
        image::ImageError::Unsupported(_) => Rejection::because("has a form that is not supported"),
        _ => Rejection::because("is damaged"),
    }
}

fn encode(picture: &DynamicImage, max_len: usize) -> Result<Vec<u8>, Rejection> {
    for quality in QUALITIES {
        let mut jpeg = Vec::with_capacity(max_len);
        let encoder = JpegEncoder::new_with_quality(&mut jpeg, quality);
        picture.write_with_encoder(encoder).map_err(undecodable)?;
        if jpeg.len() <= max_len {
            return Ok(jpeg);
        }
    }
    Err(Rejection::because("has too much detail"))
}

#[cfg(test)]
mod tests;
