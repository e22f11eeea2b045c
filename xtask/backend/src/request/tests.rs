//! Tests of what a head asks for.

use super::*;

#[test]
fn a_head_says_what_is_asked_for() {
    let refused = (Which::Refusal, 0, true);
    for (head, (which, body_bytes, last)) in [
        (
            "GET /small HTTP/1.1\r\nhost: a\r\n\r\n",
            (Which::Small, 0, false),
        ),
        ("GET /64k HTTP/1.1\r\n\r\n", (Which::Medium, 0, false)),
        (
            "GET /1m HTTP/1.1\r\nConnection: close\r\n\r\n",
            (Which::Large, 0, true),
        ),
        (
            "GET / HTTP/1.1\r\nconnection: keep-alive\r\n\r\n",
            (Which::Small, 0, false),
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: 17\r\n\r\n",
            (Which::Small, 17, false),
        ),
        ("POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", refused),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            refused,
        ),
        ("GET\r\n\r\n", refused),
    ] {
        let expected = Request {
            which,
            body_bytes,
            last,
        };
        assert_eq!(parse(head.as_bytes()), expected, "{head}");
    }
}

#[test]
fn a_head_ends_with_an_empty_line() {
    for (bytes, expected) in [
        ("GET / HTTP/1.1\r\n", None),
        ("GET / HTTP/1.1\r\n\r", None),
        ("GET / HTTP/1.1\r\n\r\n", Some(18)),
        ("GET / HTTP/1.1\r\n\r\nGET", Some(18)),
    ] {
        assert_eq!(head_bytes(bytes.as_bytes()), expected, "{bytes:?}");
    }
}
