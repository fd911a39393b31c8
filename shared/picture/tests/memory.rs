//! The memory for PNG files that unpack to a hundred times their size. Alone in its program, because the peak is that
//! of the whole process.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

use picture::{Format, MAX_BYTES, convert};

const PICTURE: &[u8] = include_bytes!("pictures/grey16.png");

/// The end of the first chunk of a PNG file, the header.
const AFTER_HEADER: usize = 33;

/// Much less than a bomb contains, and more than the limit of the decoder.
const MAX_MEMORY: usize = 64 << 20;

/// The bits of deflate data (RFC 1951), which fill each byte from its lowest bit on.
fn packed(bits: &str) -> Vec<u8> {
    let bytes = bits.as_bytes().chunks(8);
    bytes
        .map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | (bit - b'0')))
        .collect()
}

/// Zeros as zlib data (RFC 1950), 159 times as many as the data has bytes; and their number.
fn bomb(bytes: usize) -> (Vec<u8>, usize) {
    // "258 bytes like the last one", in the fixed code. Eight are 13 bytes.
    let token = "1100010100000";
    let (first, rest) = token.split_at(5);
    // The header of the only block, and one zero.
    let start = packed(&format!("11000110000{first}"));
    let period = packed(&format!("{rest}{}{first}", token.repeat(7)));
    let end = packed(&format!("{rest}0000000"));
    let periods = bytes / period.len();
    let zeros = 1 + 258 * (8 * periods + 1);
    let checksum = u32::try_from(zeros % 65_521).unwrap() << 16 | 1;
    let data = [
        b"\x78\x01",
        &start[..],
        &period.repeat(periods),
        &end,
        &checksum.to_be_bytes(),
    ];
    (data.concat(), zeros)
}

fn chunk(name: &[u8], content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let checked = [name, &content].concat();
    let crc = checked.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    [&length[..], &checked, &(!crc).to_be_bytes()].concat()
}

/// The largest memory of this process so far, in bytes (`proc(5)`).
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn compressed_chunks_of_a_png_take_no_memory_for_their_contents() {
    let (bomb, contents) = bomb(MAX_BYTES - 100_000);
    assert!(contents > 4 * MAX_MEMORY);
    let (header, rest) = PICTURE.split_at(AFTER_HEADER);
    let with = |chunk: Vec<u8>| [header, &chunk, rest].concat();
    let profile = with(chunk(b"iCCP", &[b"name\0\0", &bomb]));
    // The decoder looks for metadata in texts with these names.
    let text = with(chunk(b"zTXt", &[b"Raw profile type iptc\0\0", &bomb]));
    let unicode = with(chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\x01\0\0\0", &bomb]));
    // More than the pixels, which are black.
    let pixels = [header, &chunk(b"IDAT", &[&bomb]), &chunk(b"IEND", &[])].concat();

    for (name, file) in [("iCCP", profile), ("zTXt", text), ("iTXt", unicode), ("IDAT", pixels)] {
        assert!(file.len() <= MAX_BYTES);
        let before = peak();
        let converted = convert(&file, Format::Png, 65_536);
        assert!(converted.is_ok(), "{name}: {converted:?}");
        let taken = peak() - before;
        assert!(taken < MAX_MEMORY, "{name}: {taken} bytes");
    }
}
