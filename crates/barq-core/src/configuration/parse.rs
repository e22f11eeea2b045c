//! From the text of a `barq.toml` to a valid [`Configuration`], or to everything that is wrong with it.
//!
//! Two readings: `shapes` judges each value by itself, `read_*` fill in the defaults and judge what values mean
//! together. A value that the first reading refused counts as left out in the second, which keeps quiet about it.

mod app;
mod environments;
mod steps;
mod table;
mod tls;

use toml::de::DeTable;

use super::diagnostics::{Diagnostic, Diagnostics};
use super::keys::FILE;
use super::limits::CONFIGURATION_BYTES_MAX;
use super::shapes::check_table;
use super::{Configuration, ServiceName};
use table::Table;

/// A file that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The effective configuration.
    pub configuration: Configuration,
    /// What the file says but probably does not mean; may be empty.
    pub warnings: Diagnostics,
}

impl Configuration {
    /// Reads a `barq.toml`. `file_name` is only for the report.
    ///
    /// # Errors
    /// All faults of the file at once, each with its line: broken TOML, unknown keys, bad values, contradictions.
    pub fn parse(text: &str, file_name: &str) -> Result<Parsed, Diagnostics> {
        if text.len() > CONFIGURATION_BYTES_MAX {
            let mut report = Diagnostics::new(file_name, "");
            let label = format!(
                "{} bytes, at most {CONFIGURATION_BYTES_MAX} are read",
                text.len()
            );
            report.push(Diagnostic::error(0..0, "the file is too large", label));
            return Err(report);
        }
        let mut report = Diagnostics::new(file_name, text);
        let (document, faults) = DeTable::parse_recoverable(text);
        // What a broken file means beyond its first broken line is a guess: report the breaks alone.
        for fault in &faults {
            report.push(Diagnostic::error(
                fault.span().unwrap_or(0..0),
                "this is not TOML",
                fault.message(),
            ));
        }
        if report.has_errors() {
            report.sort();
            return Err(report);
        }
        check_table(&mut report, document.get_ref(), 0..0, &FILE);
        let configuration = read(&mut report, Table::new(document.get_ref(), 0..0));
        report.sort();
        match configuration {
            Some(configuration) if !report.has_errors() => Ok(Parsed {
                configuration,
                warnings: report,
            }),
            _ => Err(report),
        }
    }
}

/// The second reading. None only where the first one, or this one, has reported why.
fn read(report: &mut Diagnostics, file: Table<'_>) -> Option<Configuration> {
    let service = file
        .text("service")
        .and_then(|name| ServiceName::new(name).ok());
    let checks = app::checks(report, file);
    let build = app::build(report, file);
    let health = app::health(report, file);
    let smoke = app::smoke(file);
    let environments = environments::read(report, file, service.as_ref());
    let mut configuration = Configuration::with_defaults(service?, build?);
    if let Some(branch) = file.text("branch") {
        configuration.branch = branch.to_owned();
    }
    configuration.checks = checks;
    configuration.health = health;
    configuration.smoke = smoke;
    configuration.environments = environments;
    Some(configuration)
}

#[cfg(test)]
mod tests;
