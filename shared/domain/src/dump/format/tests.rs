//! Dumps round trip, and damaged ones are rejected.

use kv::Versionstamp;
use proptest::prelude::*;

use super::*;

fn dump(entries: &[Entry]) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    let header = Header::new(Uuid::from_u128(7), Timestamp::from_millis(0));
    encoder.header(&mut out, &header).unwrap();
    for entry in entries {
        encoder.entry(&mut out, entry).unwrap();
    }
    encoder.end(&mut out).unwrap();
    out
}

fn read(dump: &[u8], chunk: usize) -> Result<Vec<Entry>> {
    let (mut decoder, mut entries) = (Decoder::default(), Vec::new());
    for bytes in dump.chunks(chunk) {
        decoder.push(bytes);
        while let Some(item) = decoder.next()? {
            if let Item::Entry(entry) = item {
                entries.push(entry);
            }
        }
    }
    decoder.finish()?;
    Ok(entries)
}

fn sample() -> Vec<Entry> {
    let entry = |key: Key, value: &[u8]| {
        Entry::of_stored(kv::Entry {
            key,
            value: value.to_vec(),
        })
    };
    vec![
        entry(Key::of(&("a", 1)), b"one"),
        entry(Key::of(&("a", Versionstamp::from([1; 12]))), b"two"),
        entry(Key::of(&("a", Versionstamp::from([2; 12]))), b""),
        entry(Key::of(&("b",)), b"\n\x00"),
    ]
}

proptest! {
    #[test]
    fn a_dump_round_trips_in_pieces_of_any_size(chunk in 1usize..400) {
        let entries = sample();
        prop_assert_eq!(entries[1].kind, Kind::Append);
        prop_assert_eq!(&entries[1].key, &Key::of(&("a",)));
        prop_assert_eq!(read(&dump(&entries), chunk).unwrap(), entries);
    }

    #[test]
    fn a_truncated_dump_is_rejected(len in 0usize..400) {
        let dump = dump(&sample());
        let len = len % dump.len();
        prop_assert!(read(&dump[..len], 50).is_err(), "{} bytes", len);
    }

    #[test]
    fn a_damaged_dump_is_rejected(at: usize, flip in 1u8..) {
        let mut dump = dump(&sample());
        let at = at % dump.len();
        dump[at] ^= flip;
        prop_assert!(read(&dump, 50).is_err(), "byte {}", at);
    }
}

#[test]
fn entries_in_another_order_are_rejected() {
    for pair in 0..3 {
        let mut entries = sample();
        entries.swap(pair, pair + 1);
        let read = read(&dump(&entries), 50);
        // Entries of one log have the order of their lines.
        assert_eq!(read.is_ok(), pair == 1, "{read:?}");
    }
    let mut twice = sample();
    twice.push(twice[3].clone());
    let error = read(&dump(&twice), 50).unwrap_err().to_string();
    assert!(error.contains("line 6 is not in the order of the keys"), "{error}");
}

#[test]
fn errors_name_the_reason() {
    let good = String::from_utf8(dump(&sample())).unwrap();
    let error = |text: &str| read(text.as_bytes(), 50).unwrap_err().to_string();
    assert!(error(&(good.clone() + "x")).contains("after its end"));
    assert!(error(&good.replace("\"format\":1", "\"format\":2")).contains("format 2"));
    for text in ["", "not a dump\n", "{}\n", &"x".repeat(200_000)] {
        assert!(error(text).contains("is no dump"), "{text}");
    }
    let (without_end, _) = good.trim_end().rsplit_once('\n').unwrap();
    assert!(error(&format!("{without_end}\n")).contains("incomplete"));
}
