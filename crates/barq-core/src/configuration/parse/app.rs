//! The second reading of what belongs to the app as a whole: checks, build, probes, smoke tests.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::super::defaults::CHECK_TIMEOUT;
use super::super::diagnostics::{Diagnostic, Diagnostics};
use super::super::rules::normal_path;
use super::super::spelling::nearest;
use super::super::units::format_duration;
use super::super::{Build, Check, DetailedProbe, Health, Probe, Requirement, Smoke, SmokeRequest};
use super::table::Table;

/// Keys of `[build]` that make a bundle.
const BUNDLE_KEYS: [&str; 4] = ["run", "files", "command", "cache"];

/// Keys of `[build]` that go with a Dockerfile.
const DOCKERFILE_KEYS: [&str; 3] = ["context", "target", "args"];

/// The checks, and whether their names and needs make sense together.
pub(super) fn checks(report: &mut Diagnostics, file: Table<'_>) -> Vec<Check> {
    let tables: Vec<Table<'_>> = file.items("check").iter().map(Table::of).collect();
    let mut names: BTreeMap<&str, Range<usize>> = BTreeMap::new();
    for table in &tables {
        let Some(name) = table.text("name") else {
            continue;
        };
        let span = table.value_span("name");
        if let Some(first) = names.get(name) {
            let message = format!("two checks are named {name:?}");
            report.push(
                Diagnostic::error(span, message, "again here").also(first.clone(), "first here"),
            );
        } else {
            names.insert(name, span);
        }
    }
    for table in &tables {
        check_needs(report, *table, &names);
    }
    let checks: Vec<Check> = tables.iter().filter_map(|table| check(*table)).collect();
    if let Some(cycle) = cycle(&checks) {
        let message = "checks need each other in a circle, so none of them can start";
        let span = names.get(cycle[0].as_str()).cloned().unwrap_or(0..0);
        report.push(Diagnostic::error(span, message, cycle.join(" needs ")));
    }
    checks
}

/// How the image is made; a bundle or a Dockerfile, never both.
pub(super) fn build(report: &mut Diagnostics, file: Table<'_>) -> Option<Build> {
    file.get("build")?;
    let table = file.table("build");
    let bundle = BUNDLE_KEYS
        .into_iter()
        .find_map(|key| Some((key, table.key_span(key)?)));
    if table.get("dockerfile").is_some() {
        if let Some((key, span)) = bundle {
            let message = "a build is a bundle or a Dockerfile, not both";
            let label = format!("`{key}` is for a bundle");
            let dockerfile = table.key_span("dockerfile").unwrap_or_default();
            report.push(
                Diagnostic::error(span, message, label)
                    .also(dockerfile, "this asks for a Dockerfile build"),
            );
            return None;
        }
        return Some(Build::Dockerfile {
            dockerfile: table.path("dockerfile")?,
            context: table.path("context").unwrap_or_else(|| ".".to_owned()),
            target: table.text("target").map(str::to_owned),
            args: table.text_map("args"),
        });
    }
    for key in DOCKERFILE_KEYS {
        if let Some(span) = table.key_span(key) {
            let message = format!("`{key}` belongs to a Dockerfile build");
            report.push(Diagnostic::error(
                span,
                message,
                "there is no `dockerfile` in `[build]`",
            ));
        }
    }
    if bundle.is_none() {
        let help = "for a bundle give `files` and `command`, for an image build `dockerfile`";
        report
            .push(Diagnostic::error(table.span(), "`[build]` builds nothing", "").help_with(help));
        return None;
    }
    for key in ["files", "command"] {
        if table.get(key).is_none() {
            let message = format!("a bundle needs `{key}`");
            let example = if key == "files" {
                "files = { \"dist\" = \"dist\" }"
            } else {
                "command = [\"./server\"]"
            };
            report.push(
                Diagnostic::error(table.span(), message, "")
                    .help_with(format!("for example: {example}")),
            );
        }
    }
    let files = bundle_files(report, table);
    Some(Build::Bundle {
        run: table.text("run").map(str::to_owned),
        files,
        command: table.texts("command").unwrap_or_default(),
        cache: table.paths("cache"),
    })
}

/// The probes.
pub(super) fn health(report: &mut Diagnostics, file: Table<'_>) -> Health {
    let table = file.table("health");
    let defaults = Health::default();
    Health {
        startup: probe(report, table, "startup", defaults.startup),
        liveness: probe(report, table, "liveness", defaults.liveness),
        readiness: probe(report, table, "readiness", defaults.readiness),
        detailed: DetailedProbe {
            path: table
                .table("detailed")
                .text("path")
                .map_or(defaults.detailed.path, str::to_owned),
        },
    }
}

/// The smoke tests.
pub(super) fn smoke(file: Table<'_>) -> Smoke {
    let table = file.table("smoke");
    let request = |request: Table<'_>| {
        Some(SmokeRequest {
            path: request.text("path")?.to_owned(),
            method: request.text("method").unwrap_or("GET").to_owned(),
            status: request
                .whole("status")
                .and_then(|status| u16::try_from(status).ok())
                .unwrap_or(200),
            contains: request.text("contains").map(str::to_owned),
        })
    };
    Smoke {
        requests: table
            .items("requests")
            .iter()
            .map(Table::of)
            .filter_map(request)
            .collect(),
        run: table.text("run").map(str::to_owned),
    }
}

fn check(table: Table<'_>) -> Option<Check> {
    let requirement = |text: String| {
        Requirement::ALL
            .into_iter()
            .find(|known| known.name() == text)
    };
    Some(Check {
        name: table.text("name")?.to_owned(),
        run: table.text("run")?.to_owned(),
        directory: table.path("directory").unwrap_or_else(|| ".".to_owned()),
        timeout: table.duration("timeout").unwrap_or(CHECK_TIMEOUT),
        needs: table.texts("needs").unwrap_or_default(),
        cache: table.paths("cache"),
        requires: table
            .texts("requires")
            .unwrap_or_default()
            .into_iter()
            .filter_map(requirement)
            .collect(),
    })
}

/// Needs that name no check.
fn check_needs(report: &mut Diagnostics, table: Table<'_>, names: &BTreeMap<&str, Range<usize>>) {
    for need in table.items("needs") {
        let Some(name) = need.get_ref().as_str() else {
            continue;
        };
        if names.contains_key(name) || !report.is_sound(&need.span()) {
            continue;
        }
        let others = names
            .keys()
            .copied()
            .filter(|other| Some(*other) != table.text("name"));
        let label = match nearest(name, others) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => "not declared in this file".to_owned(),
        };
        report.push(Diagnostic::error(
            need.span(),
            format!("there is no check named {name:?}"),
            label,
        ));
    }
}

/// A circle of needs, from a check back to itself; none if there is none.
///
/// Whatever can start is struck off until nothing more can; what is left holds a circle, or hangs on one.
fn cycle(checks: &[Check]) -> Option<Vec<String>> {
    let known: BTreeSet<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let blocked = |check: &Check, done: &BTreeSet<&str>| {
        let blocks =
            |need: &&String| known.contains(need.as_str()) && !done.contains(need.as_str());
        check.needs.iter().find(blocks).cloned()
    };
    while let Some(check) = checks
        .iter()
        .find(|check| !done.contains(check.name.as_str()) && blocked(check, &done).is_none())
    {
        done.insert(&check.name);
    }
    let mut path = vec![
        checks
            .iter()
            .find(|check| !done.contains(check.name.as_str()))?
            .name
            .clone(),
    ];
    loop {
        let last = path.last()?;
        let next = checks
            .iter()
            .filter(|check| check.name == *last)
            .find_map(|check| blocked(check, &done))?;
        if let Some(start) = path.iter().position(|name| *name == next) {
            path.push(next);
            return Some(path.split_off(start));
        }
        path.push(next);
    }
}

/// The files of a bundle; two sources for one place would overwrite each other.
fn bundle_files(report: &mut Diagnostics, table: Table<'_>) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut places: BTreeMap<String, Range<usize>> = BTreeMap::new();
    for (source, span, value) in table.table("files").entries() {
        let Some(place) = value.get_ref().as_str().map(normal_path) else {
            continue;
        };
        if let Some(first) = places.get(&place) {
            let message = format!("two sources go to {place:?} in the bundle");
            report.push(
                Diagnostic::error(value.span(), message, "again here")
                    .also(first.clone(), "first here"),
            );
        }
        places.insert(place.clone(), value.span());
        if files.insert(normal_path(source), place).is_some() {
            report.push(Diagnostic::error(
                span,
                format!("{source:?} is listed twice"),
                "another spelling of it is above",
            ));
        }
    }
    files
}

/// One probe. A timeout that is left out never exceeds the period.
fn probe(report: &mut Diagnostics, health: Table<'_>, name: &str, default: Probe) -> Probe {
    let table = health.table(name);
    let period = table.duration("period").unwrap_or(default.period);
    let timeout = table.duration("timeout");
    if let Some(timeout) = timeout.filter(|timeout| *timeout > period) {
        let message = format!("`timeout` of `{name}` is longer than its `period`");
        let label = format!(
            "{}: the next request would start before",
            format_duration(timeout)
        );
        let diagnostic = Diagnostic::error(table.value_span("timeout"), message, label);
        let label = format!("the period is {}", format_duration(period));
        report.push(match table.get("period") {
            Some(period) => diagnostic.also(period.span(), label),
            None => diagnostic.help_with(format!("{label} where the file says nothing")),
        });
    }
    Probe {
        path: table.text("path").map_or(default.path, str::to_owned),
        initial_delay: table
            .duration("initial_delay")
            .unwrap_or(default.initial_delay),
        period,
        timeout: timeout.unwrap_or(default.timeout.min(period)),
        failures: table.whole("failures").unwrap_or(default.failures),
    }
}
