//! The second reading of the environments: their order, their names, their sizes, and what they may not share.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::diagnostics::{Diagnostic, Diagnostics};
use super::super::service_name::{LABEL_BYTES_MAX, TAG_SEPARATOR};
use super::super::spelling::nearest;
use super::super::{
    Environment, EnvironmentValue, Instances, Keep, PRODUCTION, Protocol, STAGING, ServiceName,
};
use super::steps;
use super::table::Table;
use super::tls;

/// The longest tag in front of a service in a host name; `r00043` is as long.
const LONGEST_TAG: &str = "canary";

/// What follows a service in the name of a revision.
const REVISION_SUFFIX: &str = "-00043";

/// Letters that an environment's name has in common with a built-in one to look like a short form of it.
const SHORT_FORM_LETTERS: usize = 4;

/// All environments in delivery order.
pub(super) fn read(
    report: &mut Diagnostics,
    file: Table<'_>,
    service: Option<&ServiceName>,
) -> Vec<Environment> {
    let declared = file.table("environments");
    let between = declared
        .entries()
        .into_iter()
        .filter(|(name, _, _)| ![STAGING, PRODUCTION].contains(name));
    let mut names: Vec<&str> = vec![STAGING];
    names.extend(between.map(|(name, _, _)| name));
    names.push(PRODUCTION);
    let mut domains = BTreeMap::new();
    let mut environments = Vec::new();
    for name in names {
        check_name(report, file, service, name);
        let table = declared.table(name);
        check_domains(report, table, name, &mut domains);
        environments.push(environment(report, table, name));
    }
    environments
}

/// One environment: its defaults, overridden key by key.
fn environment(report: &mut Diagnostics, table: Table<'_>, name: &str) -> Environment {
    let default = Environment::with_defaults(name);
    let steps = steps::steps(report, table, default.steps);
    let guard = steps::guard(report, table, &steps, default.guard);
    let keep = table.table("keep");
    check_secrets(report, table);
    Environment {
        name: default.name,
        approval: steps::approval(table, default.approval),
        instances: instances(report, table.table("instances"), default.instances),
        cpu_millis: table.cpu_millis("cpu").unwrap_or(default.cpu_millis),
        memory_bytes: table.size("memory").unwrap_or(default.memory_bytes),
        concurrency: table.whole("concurrency").unwrap_or(default.concurrency),
        protocol: protocol(table).unwrap_or(default.protocol),
        env: variables(table),
        secrets: table.texts("secrets").unwrap_or(default.secrets),
        steps,
        guard,
        shield: table.flag("shield").unwrap_or(default.shield),
        lease: table.duration("lease").unwrap_or(default.lease),
        keep: Keep {
            warm: keep.duration("warm").unwrap_or(default.keep.warm),
            revisions: keep.whole("revisions").unwrap_or(default.keep.revisions),
        },
        domains: table.texts("domains").unwrap_or(default.domains),
        tls: tls::tls(report, table),
        drain: table.duration("drain").unwrap_or(default.drain),
    }
}

/// The size. A bound that is left out gives way to the one that is given.
fn instances(report: &mut Diagnostics, table: Table<'_>, default: Instances) -> Instances {
    match (table.whole("min"), table.whole("max")) {
        (Some(min), Some(max)) => {
            let (min_span, max_span) = (table.value_span("min"), table.value_span("max"));
            if min > max && report.is_sound(&min_span) && report.is_sound(&max_span) {
                let diagnostic =
                    Diagnostic::error(min_span, "`min` is more than `max`", "the fewest instances");
                report.push(diagnostic.also(max_span, "the most"));
            }
            Instances { min, max }
        }
        (Some(min), None) => Instances {
            min,
            max: default.max.max(min),
        },
        (None, Some(max)) => Instances {
            min: default.min.min(max),
            max,
        },
        (None, None) => default,
    }
}

/// Environment variables.
fn variables(table: Table<'_>) -> BTreeMap<String, EnvironmentValue> {
    let value = |entry: &super::super::shapes::Value<'_>| match entry.get_ref().as_str() {
        Some(text) => Some(EnvironmentValue::Literal(text.to_owned())),
        None => {
            let name = entry
                .get_ref()
                .as_table()?
                .get("from_env")?
                .get_ref()
                .as_str()?;
            Some(EnvironmentValue::FromEnvironment(name.to_owned()))
        }
    };
    let entries = table.table("env").entries().into_iter();
    entries
        .filter_map(|(name, _, entry)| Some((name.to_owned(), value(entry)?)))
        .collect()
}

/// A name that is a variable and a secret would have two values.
fn check_secrets(report: &mut Diagnostics, table: Table<'_>) {
    let variables = table.table("env");
    for secret in table.items("secrets") {
        let both = secret
            .get_ref()
            .as_str()
            .and_then(|name| Some((name, variables.key_span(name)?)));
        if let Some((name, variable)) = both {
            let message = format!("`{}` is a secret and a variable", name.escape_debug());
            let diagnostic =
                Diagnostic::error(secret.span(), message, "one of them would win silently");
            report.push(diagnostic.also(variable, "the variable"));
        }
    }
}

/// A request for a domain goes to one environment.
fn check_domains<'a>(
    report: &mut Diagnostics,
    table: Table<'a>,
    environment: &'a str,
    domains: &mut BTreeMap<&'a str, (&'a str, Range<usize>)>,
) {
    for item in table.items("domains") {
        let Some(domain) = item.get_ref().as_str() else {
            continue;
        };
        match domains.get(domain) {
            // Twice in one list is the first reading's to report.
            Some((first, _)) if *first == environment => {}
            Some((first, span)) => {
                let message = format!("{domain:?} is a domain of two environments");
                let diagnostic = Diagnostic::error(item.span(), message, "again here");
                report
                    .push(diagnostic.also(span.clone(), format!("a domain of `{first}` already")));
            }
            None => {
                domains.insert(domain, (environment, item.span()));
            }
        }
    }
}

/// Whether the names made of service and environment fit, and whether the environment is one that was meant.
fn check_name(
    report: &mut Diagnostics,
    file: Table<'_>,
    service: Option<&ServiceName>,
    name: &str,
) {
    let key = file.table("environments").key_span(name);
    if let Some(span) = key.clone().filter(|span| report.is_sound(span)) {
        let built_in = [STAGING, PRODUCTION];
        let short_form =
            |known: &&str| name.get(..SHORT_FORM_LETTERS) == known.get(..SHORT_FORM_LETTERS);
        let close = nearest(name, built_in).or_else(|| built_in.into_iter().find(short_form));
        // `production-eu` is meant as it is.
        let close = close.filter(|meant| *meant != name && !name.contains('-'));
        if let Some(meant) = close {
            let message = format!("`{name}` is an environment of its own, beside `{meant}`");
            report.push(Diagnostic::warning(
                span,
                message,
                format!("did you mean `{meant}`?"),
            ));
        }
    }
    let Some(service) = service else { return };
    let full = format!("{service}-{name}");
    let tagged = full.len() + LONGEST_TAG.len() + TAG_SEPARATOR.len();
    let longest = tagged.max(full.len() + REVISION_SUFFIX.len());
    if longest > LABEL_BYTES_MAX {
        let message = format!("the host name of `{full}` would be too long");
        let label = format!("{} bytes too many", longest - LABEL_BYTES_MAX);
        let help = format!(
            "`{LONGEST_TAG}{TAG_SEPARATOR}{full}` has {longest} bytes, and a DNS label has at most {LABEL_BYTES_MAX}"
        );
        let diagnostic =
            Diagnostic::error(file.value_span("service"), message, label).help_with(help);
        report.push(match key {
            Some(span) => diagnostic.also(span, "with this environment"),
            None => diagnostic,
        });
    }
}

fn protocol(table: Table<'_>) -> Option<Protocol> {
    let named = table.text("protocol")?;
    Protocol::ALL
        .into_iter()
        .find(|known| known.name() == named)
}
