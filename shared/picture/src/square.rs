//! The square in the middle of a picture, scaled.

use image::imageops::{FilterType, resize, thumbnail};
use image::{DynamicImage, GenericImageView, Rgb, RgbImage, Rgba};

/// The square in the middle of a picture, on white where it is transparent.
///
/// It converts one pixel at a time. A converted copy of a large picture would take up to 67 MB, and scaling a
/// transparent picture first would mix in the colours of invisible pixels.
struct Square<'a> {
    picture: &'a DynamicImage,
    left: u32,
    top: u32,
    side: u32,
}

impl GenericImageView for Square<'_> {
    type Pixel = Rgb<u8>;

    fn dimensions(&self) -> (u32, u32) {
        (self.side, self.side)
    }

    fn get_pixel(&self, x: u32, y: u32) -> Rgb<u8> {
        let Rgba([red, green, blue, alpha]) = self.picture.get_pixel(self.left + x, self.top + y);
        Rgb([red, green, blue].map(|colour| on_white(colour, alpha)))
    }
}

fn on_white(colour: u8, alpha: u8) -> u8 {
    let [colour, alpha] = [colour, alpha].map(u32::from);
    let mixed = (colour * alpha + 255 * (255 - alpha) + 127) / 255;
    u8::try_from(mixed).unwrap_or(u8::MAX)
}

/// The square in the middle of the picture, with `side` pixels in a row and a column.
pub(crate) fn square(picture: &DynamicImage, side: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let full = width.min(height);
    let square = Square {
        picture,
        left: (width - full) / 2,
        top: (height - full) / 2,
        side: full,
    };
    // Means of pixels are fast, and good for large factors only.
    if full >= 4 * side {
        thumbnail(&square, side, side)
    } else {
        resize(&square, side, side, FilterType::Triangle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparent_pixels_are_white_whatever_their_colour() {
        assert_eq!(on_white(0, 0), 255);
        assert_eq!(on_white(0, 255), 0);
        assert_eq!(on_white(255, 128), 255);
        assert_eq!(on_white(0, 128), 127);
    }

    #[test]
    fn a_picture_of_any_shape_becomes_a_square_of_its_middle() {
        // Red, with a green square in the middle.
        for (width, height) in [(3000, 1200), (1200, 3000), (300, 100), (100, 300), (100, 100)] {
            let side = width.min(height);
            let (left, top) = ((width - side) / 2, (height - side) / 2);
            let picture = RgbImage::from_fn(width, height, |x, y| {
                let is_middle = (left..left + side).contains(&x) && (top..top + side).contains(&y);
                if is_middle { Rgb([0, 255, 0]) } else { Rgb([255, 0, 0]) }
            });
            let square = square(&picture.into(), 256);
            assert_eq!(square.dimensions(), (256, 256));
            assert!(
                square.pixels().all(|pixel| *pixel == Rgb([0, 255, 0])),
                "{width} × {height}"
            );
        }
    }

    #[test]
    fn one_pixel_and_one_row_are_pictures() {
        for (width, height) in [(1, 1), (4096, 1), (1, 4096)] {
            let picture = RgbImage::from_pixel(width, height, Rgb([1, 2, 3]));
            let square = square(&picture.into(), 256);
            assert!(
                square.pixels().all(|pixel| *pixel == Rgb([1, 2, 3])),
                "{width} × {height}"
            );
        }
    }
}
