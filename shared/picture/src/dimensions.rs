//! The limits of a picture's dimensions.

use crate::rejection::Rejection;

/// The largest number of pixels in a row or column.
pub(crate) const MAX_SIDE: u32 = 4096;

/// Rejects a picture with too many pixels, or none.
pub(crate) fn check_dimensions(width: u32, height: u32) -> Result<(), Rejection> {
    if width == 0 || height == 0 {
        return Err(Rejection::because("must have at least one pixel"));
    }
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(too_many_pixels());
    }
    Ok(())
}

pub(crate) fn too_many_pixels() -> Rejection {
    Rejection(format!("must have at most {MAX_SIDE} × {MAX_SIDE} pixels"))
}
