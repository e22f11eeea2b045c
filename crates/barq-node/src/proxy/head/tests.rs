//! Heads and what becomes of them, as tables.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderValue, Request, StatusCode, header};

use super::{Learned, Refused, rewrite_request, rewrite_response};
use crate::proxy::random::Random;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3));

fn rewrite(
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
) -> (Result<Learned, Refused>, http::request::Parts) {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    let learned = rewrite_request(&mut head, CLIENT, &Random::new(0));
    (learned, head)
}

#[test]
fn what_is_ambiguous_is_refused() {
    const HOST: (&str, &str) = ("host", "a.localhost");
    type Case = (&'static str, &'static [(&'static str, &'static str)], u16);
    let cases: [Case; 14] = [
        ("GET", &[HOST], 200),
        ("GET", &[], 400),
        ("GET", &[HOST, ("host", "b.localhost")], 400),
        ("GET", &[("host", "user@a.localhost")], 400),
        ("GET", &[("host", "a b")], 400),
        ("CONNECT", &[HOST], 405),
        ("TRACE", &[HOST], 405),
        ("POST", &[HOST, ("transfer-encoding", "chunked")], 200),
        ("POST", &[HOST, ("transfer-encoding", "gzip, chunked")], 501),
        (
            "POST",
            &[
                HOST,
                ("transfer-encoding", "chunked"),
                ("transfer-encoding", "chunked"),
            ],
            501,
        ),
        (
            "POST",
            &[
                HOST,
                ("transfer-encoding", "chunked"),
                ("content-length", "3"),
            ],
            400,
        ),
        (
            "POST",
            &[HOST, ("content-length", "3"), ("content-length", "3")],
            400,
        ),
        (
            "POST",
            &[
                HOST,
                ("connection", "content-length"),
                ("content-length", "3"),
            ],
            400,
        ),
        ("POST", &[HOST, ("expect", "a miracle")], 417),
    ];
    for (method, headers, expected) in cases {
        let status = rewrite(method, "/", headers)
            .0
            .map_or_else(|refused| refused.status.as_u16(), |_| 200);
        assert_eq!(status, expected, "{method} {headers:?}");
    }
}

#[test]
fn hop_by_hop_fields_end_here() {
    let (_, head) = rewrite(
        "GET",
        "/x?y=1",
        &[
            ("host", "a.localhost:7680"),
            ("connection", "keep-alive, X-Secret"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "x"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("accept", "*/*"),
            ("forwarded", "for=1.2.3.4"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
        ],
    );
    let mut left: Vec<String> = head
        .headers
        .iter()
        .filter(|(name, _)| *name != "x-request-id")
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    left.sort();
    let expected = [
        "accept: */*",
        "host: a.localhost:7680",
        "x-forwarded-for: 1.2.3.4, 10.1.2.3",
        "x-forwarded-host: a.localhost:7680",
        "x-forwarded-proto: http",
    ];
    assert_eq!(left, expected);
    assert_eq!(head.uri, "/x?y=1");
}

#[test]
fn an_upgrade_is_passed_on_when_it_is_asked_for() {
    let asked = [
        ("host", "a.localhost"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
    ];
    let (learned, head) = rewrite("GET", "/", &asked);
    assert_eq!(
        learned.unwrap().upgrade,
        Some(HeaderValue::from_static("websocket"))
    );
    assert_eq!(
        (
            &head.headers[header::CONNECTION],
            &head.headers[header::UPGRADE]
        ),
        (
            &HeaderValue::from_static("upgrade"),
            &HeaderValue::from_static("websocket")
        )
    );
}

#[test]
fn the_uri_names_the_host_before_the_field_does() {
    let (learned, head) = rewrite(
        "GET",
        "http://B.localhost.:80/x",
        &[("host", "a.localhost")],
    );
    assert_eq!(learned.unwrap().host, "b.localhost");
    assert_eq!(head.headers[header::HOST], "B.localhost.:80");
    assert_eq!(head.uri, "/x");
}

#[test]
fn sane_request_ids_are_kept() {
    let id = |value: &str| {
        rewrite("GET", "/", &[("host", "a"), ("x-request-id", value)])
            .0
            .unwrap()
            .request_id
    };
    assert_eq!(id("abc-123"), "abc-123");
    for insane in ["", "a b", "{\"x\":1}", &"a".repeat(129)] {
        assert_eq!(id(insane).len(), 32, "{insane}");
    }
}

#[test]
fn responses_lose_hop_by_hop_fields_and_say_who_answered() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("connection", "close, x-internal"),
        ("x-internal", "1"),
        ("content-length", "5"),
        ("x-barq-revision", "forged"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    rewrite_response(
        &mut headers,
        StatusCode::OK,
        "r1",
        &HeaderValue::from_static("id"),
    );
    let mut left: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    left.sort();
    assert_eq!(
        left,
        [
            "content-length: 5",
            "x-barq-revision: r1",
            "x-request-id: id"
        ]
    );
}
