//! What is a pair, and what is said of what is none.

use rustls::crypto::aws_lc_rs::default_provider;

use super::super::testing::Authority;
use super::{Pair, PairError};

fn read(certificate: &str, key: &str) -> Result<Pair, PairError> {
    Pair::from_pem(certificate.as_bytes(), key.as_bytes(), &default_provider())
}

#[test]
fn a_pair_knows_its_hosts_and_its_time() {
    let issued = Authority::new().issue_for(
        &["shop.example.com", "*.wild.example.com"],
        (2026, 1),
        (2026, 4),
    );
    let pair = read(&issued.certificate, &issued.key).unwrap();
    for (host, is_covered) in [
        ("shop.example.com", true),
        ("other.example.com", false),
        ("a.wild.example.com", true),
        ("a.b.wild.example.com", false),
        ("wild.example.com", false),
    ] {
        assert_eq!(pair.covers(host), is_covered, "{host}");
    }
    assert_eq!(pair.not_before().to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(pair.not_after().to_string(), "2026-04-01T00:00:00Z");
}

#[test]
fn what_is_no_pair_is_refused_with_the_reason() {
    let authority = Authority::new();
    let (one, other) = (
        authority.issue(&["shop.example.com"]),
        authority.issue(&["shop.example.com"]),
    );
    let chain: Vec<&str> = one
        .certificate
        .split_inclusive("-----END CERTIFICATE-----\n")
        .collect();
    let turned = format!("{}{}", authority.pem(), chain[0]);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let no_x509 = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let cases = [
        ("", one.key.as_str(), PairError::NoCertificate),
        (&one.key, &one.certificate, PairError::KeyInCertificate),
        (no_x509, &one.key, PairError::BadCertificate),
        (&one.certificate[..200], &one.key, PairError::BadCertificate),
        (&one.certificate, "", PairError::NoKey),
        (&one.certificate, encrypted, PairError::EncryptedKey),
        (&one.certificate, no_key, PairError::BadKey),
        (&one.certificate, &other.key, PairError::Mismatch),
        (&turned, &one.key, PairError::WrongOrder),
    ];
    for (certificate, key, expected) in cases {
        assert_eq!(read(certificate, key).unwrap_err(), expected);
    }
}
