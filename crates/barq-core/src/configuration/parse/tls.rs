//! The second reading of `tls`: exactly one source of certificates, whole, and domains to serve with them.

use std::time::Duration;

use super::super::diagnostics::{Diagnostic, Diagnostics};
use super::super::shapes::extent;
use super::super::{CertificateSource, Tls};
use super::table::Table;

/// What to write where no source is named.
const SOURCES: &str = "write `acme = true`, or `certificate` and `key` with the paths of two PEM files on the node's machine";

/// TLS of an environment, if it asks for it.
pub(super) fn tls(report: &mut Diagnostics, environment: Table<'_>) -> Option<Tls> {
    let value = environment.get("tls")?;
    // What is wrong with a value of it has been said.
    if !report.is_sound(&extent(value)) {
        return None;
    }
    let table = environment.table("tls");
    let source = source(report, table)?;
    if environment.items("domains").is_empty() && is_free_of_faults(report, environment) {
        let diagnostic = Diagnostic::error(
            table.span(),
            "`tls` has no domain to serve",
            "it is for the environment's `domains`, and there are none",
        );
        let help = "add domains = [\"www.example.com\"]; hosts under `.localhost` are served by plain HTTP alone";
        report.push(diagnostic.help_with(help));
    }
    let default = Tls::with_defaults(source);
    Some(Tls {
        redirect: table.flag("redirect").unwrap_or(default.redirect),
        hsts: hsts(report, table).unwrap_or(default.hsts),
        source: default.source,
    })
}

fn source(report: &mut Diagnostics, table: Table<'_>) -> Option<CertificateSource> {
    let acme = table.flag("acme").unwrap_or(false);
    let files = ["certificate", "key"].map(|key| (key, table.get(key).is_some()));
    match (acme, files) {
        (true, [(_, false), (_, false)]) => Some(CertificateSource::Acme),
        (true, _) => {
            let file = files.into_iter().find(|(_, is_given)| *is_given)?.0;
            let diagnostic = Diagnostic::error(
                table.value_span("acme"),
                "`tls` has two sources of certificates",
                "one is got from a certificate authority",
            );
            let diagnostic = diagnostic.also(table.value_span(file), "one is in files");
            report.push(diagnostic.help_with("leave one of them out"));
            None
        }
        (false, [(_, true), (_, true)]) => Some(CertificateSource::Files {
            certificate: table.text("certificate")?.to_owned(),
            key: table.text("key")?.to_owned(),
        }),
        (false, [(_, false), (_, false)]) => {
            let diagnostic = Diagnostic::error(
                table.span(),
                "`tls` does not say where the certificates come from",
                "no source",
            );
            report.push(diagnostic.help_with(SOURCES));
            None
        }
        (false, [(given, is_certificate), (other, _)]) => {
            let (given, missing) = match is_certificate {
                true => (given, other),
                false => (other, given),
            };
            let diagnostic = Diagnostic::error(
                table.value_span(given),
                format!("`{missing}` is missing"),
                "a certificate and its key go together",
            );
            report.push(diagnostic.help_with(format!(
                "add {missing} = \"/path/of/a/file.pem\", on the node's machine"
            )));
            None
        }
    }
}

/// The header has whole seconds; less would silently be none.
fn hsts(report: &mut Diagnostics, table: Table<'_>) -> Option<Duration> {
    let hsts = table.duration("hsts")?;
    if hsts.subsec_nanos() > 0 {
        let diagnostic = Diagnostic::error(
            table.value_span("hsts"),
            "`hsts` must be whole seconds",
            "browsers are told seconds",
        );
        report.push(diagnostic.help_with("\"0s\" turns it off"));
    }
    Some(hsts)
}

/// Domains that were refused are not there, and that has been said.
fn is_free_of_faults(report: &Diagnostics, environment: Table<'_>) -> bool {
    environment
        .get("domains")
        .is_none_or(|domains| report.is_sound(&domains.span()))
}
