//! `tls` of an environment: what it may say, and what is said of what it may not.

use std::time::Duration;

use insta::assert_snapshot;

use super::{accepted, refused_after_required};
use crate::configuration::{CertificateSource, PRODUCTION, Tls};

fn tls(text: &str) -> Option<Tls> {
    let (configuration, warnings) = accepted(&format!(
        "[environments.production]\ndomains = [\"a.example\"]\n{text}"
    ));
    assert_eq!(warnings, "");
    configuration.environment(PRODUCTION).unwrap().tls.clone()
}

/// The headings of what is wrong, and the advice.
fn faults(text: &str) -> String {
    let report = refused_after_required(&format!(
        "[environments.production]\ndomains = [\"a.example\"]\n{text}"
    ));
    let lines = report
        .lines()
        .filter(|line| line.starts_with("error") || line.contains("= help"));
    lines.map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn certificates_come_from_files_or_from_an_authority() {
    let files = CertificateSource::Files {
        certificate: "/etc/tls/a.pem".to_owned(),
        key: "/etc/tls/a.key".to_owned(),
    };
    let two_files = "certificate = \"/etc/tls/a.pem\"\nkey = \"/etc/tls/a.key\"";
    assert_eq!(tls(""), None);
    assert_eq!(
        tls(&format!("[environments.production.tls]\n{two_files}")),
        Some(Tls::with_defaults(files))
    );
    let acme = Tls::with_defaults(CertificateSource::Acme);
    assert!(acme.redirect);
    assert_eq!(acme.hsts, Duration::from_hours(180 * 24));
    assert_eq!(tls("tls.acme = true"), Some(acme.clone()));
    assert_eq!(
        tls("tls = { acme = true, redirect = false, hsts = \"0s\" }"),
        Some(Tls {
            redirect: false,
            hsts: Duration::ZERO,
            ..acme
        })
    );
}

#[test]
fn a_source_must_be_one_and_whole() {
    let text = "[environments.production]\ndomains = [\"a.example\"]\ntls = { acme = true, key = \"/a.key\" }\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: `tls` has two sources of certificates
     --> barq.toml:5:16
      |
    5 | tls = { acme = true, key = "/a.key" }
      |                ^^^^        -------- one is in files
      |                |
      |                one is got from a certificate authority
      |
      = help: leave one of them out
    "#);
    assert_snapshot!(faults("tls = {}"), @r#"
    error: `tls` does not say where the certificates come from
    = help: write `acme = true`, or `certificate` and `key` with the paths of two PEM files on the node's machine
    "#);
    assert_snapshot!(faults("tls = { acme = false, redirect = true }"), @r#"
    error: `tls` does not say where the certificates come from
    = help: write `acme = true`, or `certificate` and `key` with the paths of two PEM files on the node's machine
    "#);
    assert_snapshot!(faults("tls = { certificate = \"/a.pem\" }"), @r#"
    error: `key` is missing
    = help: add key = "/path/of/a/file.pem", on the node's machine
    "#);
    assert_snapshot!(faults("tls = { key = \"/a.key\" }"), @r#"
    error: `certificate` is missing
    = help: add certificate = "/path/of/a/file.pem", on the node's machine
    "#);
}

#[test]
fn what_is_refused_says_what_to_write() {
    assert_snapshot!(faults("tls = { certificate = \"tls/a.pem\", key = \"/tls/\" }"), @r#"
    error: `certificate` must be an absolute path on the node's machine
    error: `key` must be an absolute path on the node's machine
    "#);
    assert_snapshot!(faults("tls = { acme = true, hsts = false }"), @r#"
    error: `hsts` must be a duration, like "5m"
    = help: write "0s" to turn it off
    "#);
    assert_snapshot!(faults("tls = { acme = true, hsts = \"1500ms\" }"), @r#"
    error: `hsts` must be whole seconds
    = help: "0s" turns it off
    "#);
    assert_snapshot!(faults("tls = { acme = true, hsts = \"1000d\" }"), @r#"error: `hsts` is out of range"#);
    assert_snapshot!(faults("tls = { acme = true, hst = \"1d\" }"), @r#"error: unknown key `hst` in `tls`"#);
    assert_snapshot!(faults("tls = true"), @r#"error: `tls` must be a table"#);
}

#[test]
fn tls_is_for_domains() {
    let text = "[environments.staging]\ntls = { acme = true }\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: `tls` has no domain to serve
     --> barq.toml:4:7
      |
    4 | tls = { acme = true }
      |       ^^^^^^^^^^^^^^^ it is for the environment's `domains`, and there are none
      |
      = help: add domains = ["www.example.com"]; hosts under `.localhost` are served by plain HTTP alone
    "#);
}
