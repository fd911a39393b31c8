//! Pictures of every kind, and files that are none. `tests/pictures` contains files of 64 × 64 pixels, red on the left
//! and blue on the right, which Pillow has written.

use image::codecs::png::PngEncoder;
use image::{ImageFormat, RgbImage, load_from_memory_with_format};

use super::*;

macro_rules! file {
    ($name:literal) => {
        &include_bytes!(concat!("../tests/pictures/", $name))[..]
    };
}

/// As the domain limits pictures.
const MAX_LEN: usize = 65_536;
const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const WHITE: [u8; 3] = [255, 255, 255];

fn shown(file: &[u8], format: Format) -> RgbImage {
    let jpeg = convert(file, format, MAX_LEN).unwrap();
    let picture = load_from_memory_with_format(&jpeg, ImageFormat::Jpeg)
        .unwrap()
        .into_rgb8();
    assert_eq!(picture.dimensions(), (256, 256));
    picture
}

fn is_near(picture: &RgbImage, x: u32, y: u32, colour: [u8; 3]) -> bool {
    let found = picture.get_pixel(x, y).0;
    found.iter().zip(colour).all(|(one, other)| one.abs_diff(other) < 12)
}

#[track_caller]
fn assert_rejected(file: &[u8], format: Format, why: &str) {
    let reason = convert(file, format, MAX_LEN).expect_err(why);
    assert!(reason.0.contains(why), "{reason}");
}

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut file = Vec::new();
    picture.write_with_encoder(PngEncoder::new(&mut file)).unwrap();
    file
}

#[test]
fn the_orientation_is_applied_and_all_metadata_is_dropped() {
    for (file, format) in [
        (file!("rotated.jpg"), Format::Jpeg),
        (file!("rotated.png"), Format::Png),
        (file!("rotated.webp"), Format::WebP),
    ] {
        // Turned clockwise, the left is above.
        let picture = shown(file, format);
        assert!(
            is_near(&picture, 128, 32, RED) && is_near(&picture, 128, 224, BLUE),
            "{format:?}"
        );
        assert!(file.windows(6).any(|part| part == b"marked"), "the file has metadata");
        let jpeg = convert(file, format, MAX_LEN).unwrap();
        assert!(!jpeg.windows(6).any(|part| part == b"marked"));
        // Application segments from the second on, which contain EXIF, XMP and colour profiles, and comments.
        let is_metadata = |part: &[u8]| part[0] == 0xff && matches!(part[1], 0xe1..=0xef | 0xfe);
        assert!(!jpeg.windows(2).any(is_metadata), "{format:?}");
    }
}

#[test]
fn files_of_every_kind_are_shown() {
    for (file, format) in [
        (file!("plain.webp"), Format::WebP),
        (file!("lossless.webp"), Format::WebP),
        (file!("cmyk.jpg"), Format::Jpeg),
    ] {
        let picture = shown(file, format);
        let [left, right] = [picture.get_pixel(32, 128).0, picture.get_pixel(224, 128).0];
        assert!(
            left[0] > 200 && left[2] < 60 && right[2] > 200 && right[0] < 60,
            "{left:?} {right:?}"
        );
    }
    for (file, format) in [
        (file!("transparent.png"), Format::Png),
        (file!("transparent.webp"), Format::WebP),
    ] {
        let picture = shown(file, format);
        assert!(
            is_near(&picture, 32, 128, RED) && is_near(&picture, 224, 128, WHITE),
            "{format:?}"
        );
    }
    assert!(is_near(&shown(file!("grey16.png"), Format::Png), 9, 9, WHITE));
    shown(file!("palette.png"), Format::Png);
    shown(file!("grey.jpg"), Format::Jpeg);
}

#[test]
fn a_picture_is_the_same_whenever_it_is_sent() {
    assert_eq!(
        convert(file!("rotated.jpg"), Format::Jpeg, MAX_LEN),
        convert(file!("rotated.jpg"), Format::Jpeg, MAX_LEN)
    );
}

#[test]
fn noise_becomes_small_enough_to_store() {
    let mut state = 1_u32;
    let noise = RgbImage::from_fn(256, 256, |_, _| {
        image::Rgb([(); 3].map(|()| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        }))
    });
    let jpeg = convert(&png(&noise), Format::Png, MAX_LEN).unwrap();
    assert!(jpeg.len() <= MAX_LEN, "{}", jpeg.len());
}

#[test]
fn animations_are_rejected() {
    assert_rejected(file!("animated.png"), Format::Png, "animated");
    assert_rejected(file!("animated.webp"), Format::WebP, "animated");
}

#[test]
fn a_file_of_another_format_than_its_media_type_is_rejected() {
    let files = [
        (file!("rotated.png"), Format::Png),
        (file!("rotated.jpg"), Format::Jpeg),
        (file!("plain.webp"), Format::WebP),
    ];
    for (file, own) in files {
        for (_, format) in files.iter().filter(|(_, format)| *format != own) {
            assert_rejected(file, *format, "as its media type says");
        }
    }
    for format in [Format::Png, Format::Jpeg, Format::WebP] {
        for file in [
            &b""[..],
            b"text",
            file!("other.gif"),
            &[0; 1000],
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        ] {
            assert_rejected(file, format, "as its media type says");
        }
    }
}

#[test]
fn a_truncated_file_is_rejected_wherever_it_ends() {
    for (file, format) in [
        (file!("rotated.jpg"), Format::Jpeg),
        (file!("cmyk.jpg"), Format::Jpeg),
        (file!("rotated.webp"), Format::WebP),
        (file!("plain.webp"), Format::WebP),
        (file!("lossless.webp"), Format::WebP),
        (file!("transparent.webp"), Format::WebP),
    ] {
        for end in 0..file.len() - 1 {
            assert!(
                convert(&file[..end], format, MAX_LEN).is_err(),
                "{format:?}, {end} of {}",
                file.len()
            );
        }
    }
    // The end of the pixels: only the chunk that marks the end of the file may be missing.
    for file in [file!("rotated.png"), file!("transparent.png"), file!("palette.png")] {
        let end_of_data = file.windows(4).position(|name| name == b"IEND").unwrap() - 4;
        for end in 0..end_of_data - 8 {
            assert!(
                convert(&file[..end], Format::Png, MAX_LEN).is_err(),
                "{end} of {}",
                file.len()
            );
        }
    }
}

#[test]
fn pictures_with_too_many_pixels_are_rejected_and_the_largest_is_not() {
    for (width, height) in [(4097, 1), (1, 4097)] {
        let large = RgbImage::new(width, height);
        assert_rejected(&png(&large), Format::Png, "4096 × 4096 pixels");
    }
    assert!(convert(&png(&RgbImage::new(4096, 4096)), Format::Png, MAX_LEN).is_ok());
}

/// The file with another width and height at this place, as 16-bit numbers.
fn with_dimensions(file: &[u8], place: usize, dimensions: [u8; 4]) -> Vec<u8> {
    let mut file = file.to_vec();
    file[place..place + 4].copy_from_slice(&dimensions);
    file
}

/// A PNG with the right checksum of its header.
fn with_checksum(mut png: Vec<u8>) -> Vec<u8> {
    let checksum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    png
}

#[test]
fn a_small_file_that_claims_many_pixels_is_rejected_before_they_are_allocated() {
    // A PNG with 4,294,967,295 pixels in a row.
    let mut bomb = file!("rotated.png").to_vec();
    bomb[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    assert!(convert(&with_checksum(bomb), Format::Png, MAX_LEN).is_err());

    // A JPEG with 65,500 lines and columns in its frame header.
    let file = file!("rotated.jpg");
    let frame = file.windows(2).position(|marker| marker == b"\xff\xc2").unwrap();
    let bomb = with_dimensions(file, frame + 5, [0xff, 0xdc, 0xff, 0xdc]);
    assert_rejected(&bomb, Format::Jpeg, "4096 × 4096 pixels");

    // A WebP of 16,383 pixels, alone, and as a frame of a picture with one pixel.
    let file = file!("plain.webp");
    let bomb = with_dimensions(file, 26, [0xff, 0x3f, 0xff, 0x3f]);
    assert_rejected(&bomb, Format::WebP, "4096 × 4096 pixels");
    let canvas = b"VP8X\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let hidden = [b"RIFF\0\0\x10\0WEBP", &canvas[..], &bomb[12..]].concat();
    assert_rejected(&hidden, Format::WebP, "4096 × 4096 pixels");
    // 16,383 in lossless data.
    let lossless = b"RIFF\x12\0\0\0WEBPVP8L\x06\0\0\0\x2f\xfe\xbf\xff\x0f\0";
    assert_rejected(lossless, Format::WebP, "4096 × 4096 pixels");
}

#[test]
fn a_file_without_pixels_is_rejected() {
    let jpeg = file!("rotated.jpg");
    let frame = jpeg.windows(2).position(|marker| marker == b"\xff\xc2").unwrap();
    for dimensions in [[0, 0, 0, 64], [0, 64, 0, 0]] {
        assert_rejected(
            &with_dimensions(jpeg, frame + 5, dimensions),
            Format::Jpeg,
            "is damaged",
        );
        let webp = with_dimensions(file!("plain.webp"), 26, dimensions);
        assert_rejected(&webp, Format::WebP, "must have at least one pixel");
    }
    for place in [16, 20] {
        let png = with_checksum(with_dimensions(file!("rotated.png"), place, [0; 4]));
        assert_rejected(&png, Format::Png, "is damaged");
    }
    // The decoder takes 16,384 in lossless data for 0: it adds one to what the file contains, and keeps 14 bits.
    let lossless = b"RIFF\x12\0\0\0WEBPVP8L\x06\0\0\0\x2f\xff\xff\xff\x0f\0";
    assert_rejected(lossless, Format::WebP, "must have at least one pixel");
}

#[test]
fn webp_files_that_make_the_decoder_allocate_too_much_are_rejected() {
    let chunk = |name: &[u8; 4], stated: u32, length: usize| {
        let content = vec![0; length];
        [b"RIFF\0\0\x10\0WEBP", &name[..], &stated.to_le_bytes(), &content].concat()
    };
    let lossless = chunk(b"VP8L", 600_000, 600_000);
    assert_rejected(&lossless, Format::WebP, "524288 bytes of lossless WebP");
    for name in [b"EXIF", b"VP8L", b"XXXX"] {
        assert_rejected(&chunk(name, u32::MAX, 100), Format::WebP, "is damaged");
    }
}

#[test]
fn webp_files_that_hide_chunks_in_frames_of_an_animation_are_rejected_before_they_are_decoded() {
    let chunk = |name: &[u8; 4], stated: usize, content: &[u8]| {
        let stated = u32::try_from(stated).unwrap();
        [&name[..], &stated.to_le_bytes(), content].concat()
    };
    // 64 × 64 pixels, not animated, and nothing else.
    let canvas = chunk(b"VP8X", 10, b"\0\0\0\0\x3f\0\0\x3f\0\0");
    let pixels = &file!("plain.webp")[12..];
    let file = |hidden: &[u8]| {
        let chunks = [&canvas, pixels, hidden].concat();
        let length = u32::try_from(chunks.len() + 4).unwrap();
        [b"RIFF", &length.to_le_bytes()[..], b"WEBP", &chunks].concat()
    };
    assert!(convert(&file(b""), Format::WebP, MAX_LEN).is_ok());
    let frame = |content: &[u8]| chunk(b"ANMF", 16 + content.len(), &[&[0; 16], content].concat());
    // Metadata that states a length of 4 GiB, and more lossless data than is decoded.
    let metadata = frame(&chunk(b"EXIF", usize::try_from(u32::MAX).unwrap(), &[0; 16]));
    let lossless = frame(&chunk(b"VP8L", 2_000_000, &b"\0".repeat(2_000_000)));
    for hidden in [metadata, lossless, chunk(b"ANIM", 6, &[0; 6])] {
        assert_rejected(&file(&hidden), Format::WebP, "must not be animated");
    }
}

/// The checksum of PNG chunks.
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    !crc
}
