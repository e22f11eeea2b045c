//! Requests as bytes, and what the instance gets of them.

use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr};

use super::{Origin, Request};
use crate::proxy::http1::{
    FIELDS_MAX, Field, Framing, HeadEnd, Refused, read_line, request_framing,
};
use crate::proxy::random::Random;

/// Takes in bytes as a connection does.
fn read(bytes: &str) -> Result<Request, Refused> {
    let bytes = bytes.as_bytes();
    let length = HeadEnd::default().find(bytes)?.expect("a whole head");
    let mut fields = [const { MaybeUninit::<Field<'_>>::uninit() }; FIELDS_MAX];
    let (line, fields) = read_line(&bytes[..length], &mut fields)?;
    let origin = Origin::new(IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)), "http");
    let mut request = Request::default();
    let framing = request_framing(fields, line.version)?;
    request.read(line, framing, fields, &origin, &Random::new(0))?;
    Ok(request)
}

/// The lines that the instance gets, without the request's id.
fn lines(request: &Request) -> Vec<String> {
    let head = String::from_utf8(request.head().to_vec()).unwrap();
    let lines = head
        .lines()
        .filter(|line| !line.starts_with("x-request-id"));
    lines.map(str::to_owned).collect()
}

/// First lines, fields, and the status of the answer; 200: passed on.
const AMBIGUOUS: [(&str, &str, u16); 57] = [
    ("GET / HTTP/1.1", "host: a", 200),
    ("GET / HTTP/1.1", "", 400),
    ("GET / HTTP/1.0", "", 400),
    ("GET / HTTP/1.1", "host: a\r\nhost: a", 400),
    ("GET / HTTP/1.1", "host: user@a", 400),
    ("GET / HTTP/1.1", "host: a b", 400),
    ("GET / HTTP/1.1", "host:", 400),
    ("GET / HTTP/1.1", "host: a:b", 400),
    ("GET / HTTP/1.1", "host: a/b", 400),
    ("GET / HTTP/1.1", "host: a%2eb", 400),
    ("GET / HTTP/1.1", "host: a,b", 400),
    ("GET / HTTP/1.1", "host: [::1]:80", 200),
    ("GET / HTTP/1.1", "host : a", 400),
    ("GET / HTTP/1.1", " host: a", 400),
    ("GET / HTTP/1.1", "host: a\r\n folded: b", 400),
    ("GET / HTTP/1.1", "host: a\r\nno colon", 400),
    ("GET / HTTP/1.1", "host: a\r\nx: a\0b", 400),
    ("GET / HTTP/1.1", "host: a\r\nx: a\rb", 400),
    ("GET / HTTP/1.1", "host: a\r\nx\u{7f}: b", 400),
    ("GET / HTTP/2.0", "host: a", 505),
    ("GET / HTTP/1.2", "host: a", 505),
    ("GET /", "host: a", 400),
    ("GET  / HTTP/1.1", "host: a", 400),
    ("GET / HTTP/1.1 ", "host: a", 400),
    ("G ET / HTTP/1.1", "host: a", 505),
    ("GET x HTTP/1.1", "host: a", 400),
    ("GET * HTTP/1.1", "host: a", 400),
    ("OPTIONS * HTTP/1.1", "host: a", 200),
    ("GET /a#b HTTP/1.1", "host: a", 400),
    ("GET /\u{e4} HTTP/1.1", "host: a", 400),
    ("GET ftp://a/ HTTP/1.1", "host: a", 400),
    ("GET http://a?x HTTP/1.1", "host: a", 400),
    ("GET http://user@a/ HTTP/1.1", "host: a", 400),
    ("CONNECT a:80 HTTP/1.1", "host: a", 400),
    ("CONNECT / HTTP/1.1", "host: a", 405),
    ("TRACE / HTTP/1.1", "host: a", 405),
    (
        "POST / HTTP/1.1",
        "host: a\r\ntransfer-encoding: chunked",
        200,
    ),
    (
        "POST / HTTP/1.1",
        "host: a\r\ntransfer-encoding: Chunked",
        200,
    ),
    (
        "POST / HTTP/1.0",
        "host: a\r\ntransfer-encoding: chunked",
        400,
    ),
    (
        "POST / HTTP/1.1",
        "host: a\r\ntransfer-encoding: gzip, chunked",
        501,
    ),
    (
        "POST / HTTP/1.1",
        "host: a\r\ntransfer-encoding: \"chunked\"",
        501,
    ),
    (
        "POST / HTTP/1.1",
        "host: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: x",
        400,
    ),
    (
        "POST / HTTP/1.1",
        "host: a\r\ntransfer-encoding: chunked\r\ncontent-length: 3",
        400,
    ),
    (
        "POST / HTTP/1.1",
        "host: a\r\ncontent-length: 3\r\ncontent-length: 3",
        400,
    ),
    ("POST / HTTP/1.1", "host: a\r\ncontent-length: 3, 3", 400),
    ("POST / HTTP/1.1", "host: a\r\ncontent-length: +3", 400),
    ("POST / HTTP/1.1", "host: a\r\ncontent-length: 0x3", 400),
    ("POST / HTTP/1.1", "host: a\r\ncontent-length: -0", 400),
    ("POST / HTTP/1.1", "host: a\r\ncontent-length:", 400),
    (
        "POST / HTTP/1.1",
        "host: a\r\ncontent-length: 99999999999999999999",
        400,
    ),
    (
        "POST / HTTP/1.1",
        "host: a\r\nconnection: content-length\r\ncontent-length: 3",
        400,
    ),
    ("GET / HTTP/1.1", "host: a\r\nconnection: close, host", 400),
    ("GET / HTTP/1.1", "host: a\r\nconnection: cookie", 400),
    ("GET / HTTP/1.1", "host: a\r\ncontent_length: 3", 400),
    ("GET / HTTP/1.1", "host: a\r\nX_Forwarded_For: 1.2.3.4", 400),
    ("GET / HTTP/1.1", "host: a\r\nmy_own: 1", 200),
    ("POST / HTTP/1.1", "host: a\r\nexpect: a miracle", 417),
];

#[test]
fn what_is_ambiguous_is_refused() {
    for (first, fields, expected) in AMBIGUOUS {
        let fields = match fields {
            "" => String::new(),
            fields => format!("{fields}\r\n"),
        };
        let status = read(&format!("{first}\r\n{fields}\r\n"))
            .map_or_else(|refused| refused.status.as_u16(), |_| 200);
        assert_eq!(status, expected, "{first:?} {fields:?}");
    }
}

#[test]
fn a_line_feed_alone_ends_no_line() {
    for bytes in [
        "GET / HTTP/1.1\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\n",
        "\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let refused = read(bytes).map(|_| ()).unwrap_err();
        assert_eq!(refused.status, 400, "{bytes:?}");
    }
}

#[test]
fn hop_by_hop_fields_end_here() {
    let request = read(
        "GET /x?y=1 HTTP/1.1\r\nHost: a.localhost:7680\r\nConnection: keep-alive, X-Secret\r\nx-secret: 1\r\n\
         Keep-Alive: timeout=5\r\nProxy-Authorization: x\r\nTE: trailers\r\nUpgrade: websocket\r\nAccept: */*\r\n\
         Forwarded: for=1.2.3.4\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n\r\n",
    )
    .unwrap();
    let expected = [
        "GET /x?y=1 HTTP/1.1",
        "host: a.localhost:7680",
        "Accept: */*",
        "x-forwarded-for: 1.2.3.4, 10.1.2.3",
        "x-forwarded-proto: http",
        "x-forwarded-host: a.localhost:7680",
        "",
    ];
    assert_eq!(lines(&request), expected);
    assert_eq!(
        (request.host(), request.method(), request.path()),
        ("a.localhost", "GET", "/x")
    );
    assert!(!request.closes && !request.upgrades && request.is_replayable());
}

#[test]
fn a_change_of_protocol_is_passed_on_when_it_is_asked_for_but_not_to_http2() {
    let upgrade = |first: &str, fields: &str| {
        let request = read(&format!("{first}\r\nhost: a\r\n{fields}\r\n\r\n")).unwrap();
        let passed = lines(&request).contains(&"upgrade: websocket".to_owned());
        assert_eq!(request.upgrades, passed);
        request.upgrades
    };
    let asked = "connection: keep-alive, Upgrade\r\nupgrade: websocket";
    assert!(upgrade("GET / HTTP/1.1", asked));
    assert!(!upgrade("GET / HTTP/1.0", asked));
    assert!(!upgrade("GET / HTTP/1.1", "upgrade: websocket"));
    assert!(!upgrade(
        "GET / HTTP/1.1",
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AA"
    ));
    assert!(!upgrade(
        "POST / HTTP/1.1",
        &format!("{asked}\r\ncontent-length: 1")
    ));
}

#[test]
fn the_target_names_the_host_before_the_field_does() {
    let request =
        read("GET http://B.localhost.:80/x HTTP/1.1\r\nhost: a.localhost\r\n\r\n").unwrap();
    assert_eq!(request.host(), "b.localhost");
    assert_eq!(
        lines(&request)[..2],
        ["GET /x HTTP/1.1", "host: B.localhost.:80"]
    );
}

#[test]
fn bodies_and_connections() {
    let cases = [
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3",
            Framing::Length(3),
            false,
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked",
            Framing::Chunked,
            false,
        ),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: close",
            Framing::None,
            true,
        ),
        ("GET / HTTP/1.0\r\nhost: a", Framing::None, true),
        (
            "GET / HTTP/1.0\r\nhost: a\r\nconnection: Keep-Alive",
            Framing::None,
            false,
        ),
    ];
    for (head, framing, closes) in cases {
        let request = read(&format!("{head}\r\n\r\n")).unwrap();
        assert_eq!(
            (request.framing(), request.closes),
            (framing, closes),
            "{head}"
        );
    }
}

#[test]
fn sane_request_ids_are_kept() {
    let id = |value: &str| {
        let request = read(&format!(
            "GET / HTTP/1.1\r\nhost: a\r\nx-request-id: {value}\r\n\r\n"
        ));
        request.unwrap().id().to_owned()
    };
    assert_eq!(id("abc-123"), "abc-123");
    for insane in [
        "",
        "a b",
        "{\"x\":1}",
        &"a".repeat(129),
        "a\r\nx-request-id: b",
    ] {
        assert_eq!(id(insane).len(), 32, "{insane}");
    }
}

#[test]
fn a_trace_is_passed_on_if_it_is_one() {
    let id = "0af7651916cd43dd8448eb211c80319c";
    let cases = [
        (format!("00-{id}-b7ad6b7169203331-01"), true),
        (format!("cc-{id}-b7ad6b7169203331-01-new"), true),
        (format!("00-{id}-b7ad6b7169203331-01-new"), false),
        (format!("ff-{id}-b7ad6b7169203331-01"), false),
        (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), false),
        (format!("00-{id}-0000000000000000-01"), false),
        (
            format!("00-{}-b7ad6b7169203331-01", id.to_uppercase()),
            false,
        ),
        ("nonsense".to_owned(), false),
    ];
    for (value, expected) in cases {
        let line = format!("traceparent: {value}");
        let request = read(&format!("GET / HTTP/1.1\r\nhost: a\r\n{line}\r\n\r\n")).unwrap();
        assert_eq!(lines(&request).contains(&line), expected, "{value}");
    }
}
