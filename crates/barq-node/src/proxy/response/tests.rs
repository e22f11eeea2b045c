//! Responses as bytes, and what the client gets of them.

use std::mem::MaybeUninit;

use super::{Learned, Mark, read_response};
use crate::proxy::http1::{FIELDS_MAX, Field, Framing, ResponseLine};

fn read(bytes: &str, to_head: bool) -> Option<(Learned, Vec<String>)> {
    let mut fields = [const { MaybeUninit::<Field<'_>>::uninit() }; FIELDS_MAX];
    let (line, fields, length) = ResponseLine::read(bytes.as_bytes(), &mut fields).ok()??;
    assert_eq!(length, bytes.len());
    let mark = Mark {
        revision: Some("r1"),
        request_id: "id",
    };
    let mut head = Vec::new();
    let learned = read_response(line, fields, to_head, mark, &mut head).ok()?;
    let head = String::from_utf8(head).unwrap();
    Some((learned, head.lines().map(str::to_owned).collect()))
}

#[test]
fn responses_lose_hop_by_hop_fields_and_say_who_answered() {
    let (learned, lines) = read(
        "HTTP/1.1 200 Fine\r\nConnection: close, x-internal\r\nX-Internal: 1\r\nContent-Length: 5\r\n\
         x-barq-revision: forged\r\nx-request-id: forged\r\nServer: s\r\n\r\n",
        false,
    )
    .unwrap();
    let expected = [
        "HTTP/1.1 200 Fine",
        "Server: s",
        "x-barq-revision: r1",
        "x-request-id: id",
    ];
    assert_eq!(lines, expected);
    assert_eq!(
        (learned.framing, learned.keeps),
        (Framing::Length(5), false)
    );
}

/// A length and a coding.
const BOTH: &str = "content-length: 3\r\ntransfer-encoding: chunked\r\n";

/// First lines, fields, whether it answers a HEAD; how the body is framed and whether the connection is kept.
type Case = (&'static str, &'static str, bool, Option<(Framing, bool)>);

const BODIES: [Case; 14] = [
    (
        "HTTP/1.1 200 OK",
        "content-length: 3\r\n",
        false,
        Some((Framing::Length(3), true)),
    ),
    (
        "HTTP/1.1 200 OK",
        "content-length: 3\r\ncontent-length: 3\r\n",
        false,
        Some((Framing::Length(3), true)),
    ),
    (
        "HTTP/1.1 200 OK",
        "content-length: 3\r\ncontent-length: 4\r\n",
        false,
        None,
    ),
    (
        "HTTP/1.1 200 OK",
        "transfer-encoding: chunked\r\n",
        false,
        Some((Framing::Chunked, true)),
    ),
    (
        "HTTP/1.1 200 OK",
        "transfer-encoding: gzip, chunked\r\n",
        false,
        None,
    ),
    (
        "HTTP/1.1 200 OK",
        BOTH,
        false,
        Some((Framing::Chunked, false)),
    ),
    (
        "HTTP/1.1 200 OK",
        "",
        false,
        Some((Framing::UntilClose, false)),
    ),
    (
        "HTTP/1.1 200 OK",
        "content-length: 3\r\n",
        true,
        Some((Framing::None, true)),
    ),
    (
        "HTTP/1.1 204 No",
        "content-length: 3\r\n",
        false,
        Some((Framing::None, true)),
    ),
    (
        "HTTP/1.1 304 No",
        "content-length: 3\r\n",
        false,
        Some((Framing::None, true)),
    ),
    (
        "HTTP/1.0 200 OK",
        "content-length: 3\r\n",
        false,
        Some((Framing::Length(3), false)),
    ),
    ("HTTP/1.1 600 No", "", false, None),
    ("HTTP/1.1 099 No", "", false, None),
    ("HTTP/3.0 200 No", "", false, None),
];

#[test]
fn where_the_body_ends() {
    for (first, fields, to_head, expected) in BODIES {
        let learned = read(&format!("{first}\r\n{fields}\r\n"), to_head)
            .map(|(learned, _)| (learned.framing, learned.keeps));
        assert_eq!(learned, expected, "{first} {fields}");
    }
}
