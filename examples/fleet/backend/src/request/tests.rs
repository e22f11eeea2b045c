//! Headers in, ids out.

use super::*;

fn headers(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
}

#[test]
fn a_usable_request_id_is_kept() {
    assert_eq!(request_id(&headers("x-request-id", "abc-123")), "abc-123");
    for bad in ["", "with space", &"x".repeat(129)] {
        let id = request_id(&headers("x-request-id", bad));
        assert!(uuid::Uuid::try_parse(&id).is_ok(), "{bad}: {id}");
    }
    assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
}

#[test]
fn a_trace_is_read_from_either_header() {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let cases = [
        (headers("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01")), Some(trace)),
        (headers("x-cloud-trace-context", &format!("{trace}/123;o=1")), Some(trace)),
        (headers("traceparent", "00-nonsense-x-01"), None),
        (HeaderMap::new(), None),
    ];
    for (headers, expected) in cases {
        assert_eq!(trace_id(&headers).as_deref(), expected, "{headers:?}");
    }
}
