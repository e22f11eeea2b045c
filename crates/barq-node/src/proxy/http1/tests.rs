//! Bodies in their framing, cut at every byte.

use proptest::prelude::*;

use super::{Decoded, Decoder, Encoder, Framing};

/// Reads a body that arrives in two pieces: what it is, its trailers, and what is left behind it.
fn decode(framing: Framing, bytes: &[u8], cut: usize) -> Option<(Vec<u8>, Vec<u8>, usize)> {
    let (mut decoder, mut body, mut at) = (Decoder::new(framing), Vec::new(), 0);
    for end in [cut.min(bytes.len()), bytes.len()] {
        loop {
            let (skipped, next) = decoder.decode(&bytes[at..end]).ok()?;
            at += skipped;
            match next {
                Decoded::Data(count) => {
                    body.extend_from_slice(&bytes[at..at + count]);
                    decoder.consumed(count);
                    at += count;
                }
                Decoded::More => break,
                Decoded::End => return Some((body, decoder.trailers().to_vec(), bytes.len() - at)),
            }
        }
    }
    None
}

#[test]
fn chunks_are_read_as_they_are_written_or_not_at_all() {
    let cases: [(&str, Option<&str>); 22] = [
        ("0\r\n\r\n", Some("")),
        ("3\r\nabc\r\n0\r\n\r\n", Some("abc")),
        ("0003\r\nabc\r\n00\r\n\r\n", Some("abc")),
        (
            "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
            Some("01234567890123456789"),
        ),
        ("3;name=value\r\nabc\r\n0;x\r\n\r\n", Some("abc")),
        ("3 ;x\r\nabc\r\n0\r\n\r\n", Some("abc")),
        ("3\r\nabc\r\n0\r\nx: y\r\n\r\n", Some("abc")),
        ("3 \r\nabc\r\n0\r\n\r\n", None),
        (" 3\r\nabc\r\n0\r\n\r\n", None),
        ("3\nabc\r\n0\r\n\r\n", None),
        ("3\r\nabc\n0\r\n\r\n", None),
        ("3\r\nabcd\r\n0\r\n\r\n", None),
        ("0x3\r\nabc\r\n0\r\n\r\n", None),
        ("+3\r\nabc\r\n0\r\n\r\n", None),
        ("-3\r\nabc\r\n0\r\n\r\n", None),
        ("g\r\n", None),
        ("\r\n", None),
        (";x\r\n\r\n", None),
        ("1000000000000000\r\n", None),
        ("3;a\0b\r\nabc\r\n0\r\n\r\n", None),
        ("0\r\nno colon\r\n\r\n", None),
        ("0\r\nx: y\n\r\n", None),
    ];
    for (bytes, expected) in cases {
        for cut in 0..=bytes.len() {
            let body = decode(Framing::Chunked, bytes.as_bytes(), cut);
            assert_eq!(
                body.map(|(body, _, left)| (String::from_utf8(body).unwrap(), left)),
                expected.map(|body| (body.to_owned(), 0)),
                "{bytes:?} cut at {cut}"
            );
        }
    }
}

#[test]
fn what_nobody_needs_has_a_limit() {
    let extension = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(300));
    let trailers = format!("0\r\n{}\r\n", "x: y\r\n".repeat(2000));
    for bytes in [extension, trailers] {
        assert_eq!(decode(Framing::Chunked, bytes.as_bytes(), 0), None);
    }
}

#[test]
fn trailers_that_would_route_or_frame_are_left_out() {
    let lines = "content-length: 3\r\nGrpc-Status: 13\r\nhost: b\r\nx-sum: 1\r\n";
    let bytes = format!("0\r\n{lines}\r\n");
    let (_, trailers, _) = decode(Framing::Chunked, bytes.as_bytes(), 4).unwrap();
    assert_eq!(trailers, lines.as_bytes());
    let mut written = Vec::new();
    Encoder::new(Framing::Chunked)
        .end(&trailers, &mut written)
        .unwrap();
    assert_eq!(written, b"0\r\nGrpc-Status: 13\r\nx-sum: 1\r\n\r\n");
}

#[test]
fn a_length_is_kept() {
    assert_eq!(
        decode(Framing::Length(3), b"abcGET", 1),
        Some((b"abc".to_vec(), vec![], 3))
    );
    assert_eq!(decode(Framing::Length(3), b"ab", 1), None);
    let mut encoder = Encoder::new(Framing::Length(3));
    let mut written = Vec::new();
    assert!(encoder.write(b"ab", &mut written).is_ok());
    assert!(encoder.end(b"", &mut written).is_err());
    assert!(encoder.write(b"cd", &mut written).is_err());
}

proptest! {
    #[test]
    fn what_is_written_is_read(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8), cut in 0..1000_usize) {
        let whole: Vec<u8> = parts.concat();
        for framing in [Framing::Chunked, Framing::Length(whole.len() as u64)] {
            let (mut encoder, mut written) = (Encoder::new(framing), Vec::new());
            for part in &parts {
                prop_assert!(encoder.write(part, &mut written).is_ok());
            }
            prop_assert!(encoder.end(b"", &mut written).is_ok());
            written.extend_from_slice(b"GET /");
            prop_assert_eq!(decode(framing, &written, cut), Some((whole.clone(), vec![], 5)));
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_read_beyond_them(bytes in prop::collection::vec(prop::sample::select(b"0123aF;\r\n\t :x\0".to_vec()), 0..64), cut in 0..64_usize) {
        let whole = decode(Framing::Chunked, &bytes, bytes.len());
        prop_assert_eq!(decode(Framing::Chunked, &bytes, cut), whole);
    }
}
