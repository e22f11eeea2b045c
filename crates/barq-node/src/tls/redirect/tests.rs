//! Where requests over plain HTTP are sent.

use super::super::table::Policy;
use super::{Ports, hsts, redirect, split};

const STANDARD: Ports = Ports {
    plain: 80,
    tls: 443,
};
const MAPPED: Ports = Ports {
    plain: 7680,
    tls: 7643,
};
const ODD_TLS: Ports = Ports {
    plain: 80,
    tls: 8443,
};

fn to(host: &str, target: &str, ports: Ports) -> Option<String> {
    let policy = Policy {
        redirect: true,
        hsts: None,
    };
    let location = redirect(host, target, Some(&policy), ports)?;
    Some(location.to_str().unwrap().to_owned())
}

#[test]
fn a_request_is_sent_to_the_same_place_over_tls() {
    for (host, target, ports, expected) in [
        ("a.example", "/", STANDARD, "https://a.example/"),
        (
            "A.Example:80",
            "/x?y=z",
            STANDARD,
            "https://a.example/x?y=z",
        ),
        ("a.example.", "/", STANDARD, "https://a.example/"),
        // Came by a mapped port 80, or told the port that it came to.
        ("a.example", "/", MAPPED, "https://a.example/"),
        ("a.example:7680", "/", MAPPED, "https://a.example:7643/"),
        ("a.example", "/", ODD_TLS, "https://a.example:8443/"),
        // No way out of the host.
        (
            "a.example",
            "//evil.example/",
            STANDARD,
            "https://a.example//evil.example/",
        ),
        (
            "a.example",
            "@evil.example/",
            STANDARD,
            "https://a.example/",
        ),
        ("a.example", "*", STANDARD, "https://a.example/"),
        (
            "a.example",
            "/x\r\nset-cookie: a=b",
            STANDARD,
            "https://a.example/",
        ),
    ] {
        assert_eq!(
            to(host, target, ports).as_deref(),
            Some(expected),
            "{host} {target}"
        );
    }
}

#[test]
fn what_must_be_answered_over_plain_http_is() {
    for (host, target) in [
        ("a.example", "/.well-known/acme-challenge/token"),
        ("shop-production.localhost", "/"),
        ("shop-production.LOCALHOST:7680", "/"),
        ("localhost", "/"),
    ] {
        assert_eq!(to(host, target, STANDARD), None, "{host} {target}");
    }
    let off = Policy::default();
    assert_eq!(redirect("a.example", "/", Some(&off), STANDARD), None);
    assert_eq!(redirect("a.example", "/", None, STANDARD), None);
}

#[test]
fn hosts_are_split() {
    for (host, expected) in [
        ("a.example", ("a.example", None)),
        ("a.example:8080", ("a.example", Some(8080))),
        ("a.example.:8080", ("a.example", Some(8080))),
        ("a.example:", ("a.example", None)),
        ("a.example:x", ("a.example", None)),
        ("[::1]", ("[::1]", None)),
        ("[::1]:80", ("[::1]", Some(80))),
    ] {
        assert_eq!(split(host), expected, "{host}");
    }
}

#[test]
fn a_header_is_made_of_a_time_and_none_of_no_time() {
    assert_eq!(hsts(15_552_000).unwrap(), "max-age=15552000");
    assert_eq!(hsts(0), None);
}
