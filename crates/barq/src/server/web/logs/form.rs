//! The filters of a log: a form that asks by its address, so that what is shown can be sent to somebody.

use barq_core::service::Service;
use maud::{Markup, html};

use super::super::service::short_name;
use super::question::{LogsPlace, Window};

/// Revisions that can be chosen.
const REVISIONS_MAX: usize = 30;
/// Severities, and how choosing one reads.
const SEVERITIES: [(&str, &str); 4] = [
    ("DEBUG", "debug and above"),
    ("INFO", "info and above"),
    ("WARNING", "warnings and errors"),
    ("ERROR", "errors"),
];
/// Times, and how choosing one reads.
const SPANS: [(&str, &str); 5] = [
    ("5m", "last 5 minutes"),
    ("15m", "last 15 minutes"),
    ("1h", "last hour"),
    ("6h", "last 6 hours"),
    ("1d", "last day"),
];

/// The form.
pub(super) fn filters(place: &LogsPlace, service: Option<&Service>) -> Markup {
    let path = format!("/services/{}/logs#newest", place.service);
    let text = place.text.as_deref();
    html! {
        form.filters method="get" action=(path) role="search" aria-label="Filter the lines" {
            div.field.wide {
                label for="q" { "Text" }
                input #q name="q" type="search" value=[text] maxlength="200" autocomplete="off" spellcheck="false";
            }
            (select("severity", "Severity", "any", place.severity, &severities()))
            (revision(place, service))
            (since(place))
            div.buttons {
                button.primary type="submit" { "Show" }
                @if place.is_filtered() || place.window != Window::Newest { a.button href=(path) { "Show all" } }
            }
        }
    }
}

fn severities() -> Vec<(String, String)> {
    pairs(&SEVERITIES)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = pairs.iter();
    owned
        .map(|(value, name)| ((*value).to_owned(), (*name).to_owned()))
        .collect()
}

fn revision(place: &LogsPlace, service: Option<&Service>) -> Markup {
    let chosen = place.revision.as_ref().map(ToString::to_string);
    let stable = service.and_then(|service| service.stable.as_ref());
    let revisions = service
        .into_iter()
        .flat_map(|it| it.revisions.values().rev());
    let options: Vec<(String, String)> = revisions
        .take(REVISIONS_MAX)
        .map(|revision| {
            let mut name = short_name(&revision.name);
            if stable == Some(&revision.name) {
                name.push_str(" (stable)");
            }
            (revision.name.to_string(), name)
        })
        .collect();
    select("revision", "Revision", "all", chosen.as_deref(), &options)
}

fn since(place: &LogsPlace) -> Markup {
    let chosen = place.since.as_ref().map(super::question::Since::to_text);
    select(
        "since",
        "Since",
        "the beginning",
        chosen.as_deref(),
        &pairs(&SPANS),
    )
}

/// One of some, or none; what is chosen and none of them stays to be seen.
fn select(
    name: &str,
    label: &str,
    none: &str,
    chosen: Option<&str>,
    options: &[(String, String)],
) -> Markup {
    let other = chosen.filter(|chosen| options.iter().all(|(value, _)| value != chosen));
    html! {
        div.field {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                option value="" { (none) }
                @for (value, words) in options {
                    option value=(value) selected[chosen == Some(value.as_str())] { (words) }
                }
                @if let Some(other) = other { option value=(other) selected { (other) } }
            }
        }
    }
}
