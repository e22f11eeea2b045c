//! What people read about a certificate.

use rustls::crypto::aws_lc_rs::default_provider;

use super::super::files::{FilePair, FilesError};
use super::super::pair::{Pair, PairError};
use super::super::testing::Authority;
use super::{Source, Words};

const HOST: &str = "shop.example.com";

fn pair(from: (i32, u8), until: (i32, u8)) -> Pair {
    let issued = Authority::new().issue_for(&[HOST], from, until);
    Pair::from_pem(
        issued.certificate.as_bytes(),
        issued.key.as_bytes(),
        &default_provider(),
    )
    .unwrap()
}

fn problem(pair: Option<&Pair>, problem: Option<&FilesError>, now: &str) -> String {
    let words = Words {
        host: HOST,
        pair,
        source: Source::Files {
            certificate: "/tls/shop.pem".to_owned(),
            problem,
        },
    };
    words.problem(now.parse().unwrap()).unwrap_or_default()
}

#[test]
fn an_end_that_comes_near_is_spoken_of() {
    let quarter = pair((2026, 1), (2026, 4));
    for (now, expected) in [
        (
            "2025-12-31T00:00:00Z",
            "TLS for shop.example.com: the certificate is not valid before 2026-01-01, and clients refuse it: is the clock of this machine right?",
        ),
        ("2026-01-01T00:00:00Z", ""),
        ("2026-03-17T23:59:59Z", ""),
        (
            "2026-03-18T00:00:01Z",
            "TLS for shop.example.com: the certificate expires on 2026-04-01: put a renewed one in /tls/shop.pem, it is loaded within seconds",
        ),
        (
            "2026-04-01T00:00:00Z",
            "TLS for shop.example.com: the certificate expired on 2026-04-01, and clients refuse it: put a renewed one in /tls/shop.pem, it is loaded within seconds",
        ),
    ] {
        assert_eq!(problem(Some(&quarter), None, now), expected, "{now}");
    }
    // 31 days: a sixth of it is 5 days and 4 hours.
    let month = pair((2026, 1), (2026, 2));
    assert_eq!(problem(Some(&month), None, "2026-01-26T19:00:00Z"), "");
    assert_ne!(problem(Some(&month), None, "2026-01-26T21:00:00Z"), "");
}

#[test]
fn a_problem_says_what_goes_on_meanwhile() {
    let wrong = FilesError::Pair {
        paths: FilePair {
            certificate: "/tls/shop.pem".into(),
            key: "/tls/shop.key".into(),
        },
        reason: PairError::Mismatch,
    };
    let now = "2026-01-02T00:00:00Z";
    assert_eq!(
        problem(None, Some(&wrong), now),
        "TLS for shop.example.com: certificate and key do not belong together (/tls/shop.pem and /tls/shop.key). Put a matching pair in place, readable by barq's user: it is loaded within seconds. Until then it is served by plain HTTP alone"
    );
    let quarter = pair((2026, 1), (2026, 4));
    assert!(
        problem(Some(&quarter), Some(&wrong), now)
            .ends_with("Until then the certificate of before goes on (valid until 2026-04-01)")
    );
}
