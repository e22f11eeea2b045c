//! A service's log: its newest lines as they come, or older ones, filtered.
//!
//! One reading for each address, whoever looks at it (`reading`): the node is asked once for each refresh, only for what came
//! since, and the lines are rendered once. What is older than the newest lines is searched for when somebody asks for it
//! (`search`), and then stands still.

mod form;
mod line;
mod question;
mod reading;
mod search;

use std::time::Duration;

use barq_core::service::Service;
use barq_engine::engine::View;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::Server;
use super::super::problem::Problem;
use super::icons::{self, Icon};
use super::page::{Fragment, Mood, Page, Section};
use question::Window;
use reading::Shown;

pub(super) use question::LogsPlace;
pub(super) use reading::Readings;

/// How often a page of the newest lines looks for more.
pub(super) const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// The page.
pub(super) async fn page(
    server: &Server,
    place: &LogsPlace,
    now: Timestamp,
) -> Result<Page, Problem> {
    let view = server.engine.view();
    let service = view.state.service(&place.service);
    if service.is_none() && view.state.declared(&place.service).is_none() {
        return Err(Problem::unknown("service", place.service.as_str()));
    }
    if let Some(problem) = no_revision(place, service) {
        return Err(problem);
    }
    let shown = match service {
        Some(_) => server.kept.logs.read(server, place, now).await?,
        None => Shown::default(),
    };
    let name = place.service.as_str();
    let away = shown.error.is_some();
    let (older, newest) = (older(place, &shown), newest(place, &shown));
    Ok(Page {
        kind: "logs",
        title: title(place),
        mood: if away { Mood::Trouble } else { Mood::Calm },
        section: Section::Home,
        trail: trail(&view, place),
        fragments: vec![
            Fragment::new("head", html! { h1 { "Logs of " (name) } }),
            Fragment::new("filters", form::filters(place, service)),
            Fragment::new("older", older),
            Fragment::lines("lines", shown.lines),
            Fragment::new("newest", newest),
        ],
    })
}

/// Lines of a revision that is gone may still be kept; those of one that never was are not.
fn no_revision(place: &LogsPlace, service: Option<&Service>) -> Option<Problem> {
    let revision = place.revision.as_ref()?;
    let last = service.map_or(0, |service| service.last_revision);
    let known = revision.service == place.service && (1..=last).contains(&revision.number);
    let newest = match last {
        0 => "it has had none yet".to_owned(),
        last => format!("the newest is {last:05}"),
    };
    let why = format!("{revision} is no revision of {}: {newest}", place.service);
    (!known).then(|| Problem::invalid(why))
}

fn trail(view: &View, place: &LogsPlace) -> Vec<(String, String)> {
    let mut trail = super::service::trail_to(view, &place.service);
    let path = format!("/services/{}/logs#newest", place.service);
    trail.push(("logs".to_owned(), path));
    trail
}

fn title(place: &LogsPlace) -> String {
    let mut title = format!("Logs · {}", place.service);
    let revision = place.revision.as_ref().map(super::service::short_name);
    for filter in [
        revision,
        place.severity.map(str::to_owned),
        place.text.clone(),
    ]
    .into_iter()
    .flatten()
    {
        title.push_str(" · ");
        title.push_str(&filter);
    }
    title
}

/// What is before the first line that is shown.
fn older(place: &LogsPlace, shown: &Shown) -> Markup {
    let Some(before) = shown.older else {
        return html! {
            @if !shown.lines.is_empty() { p.quiet { "There is no older line." } }
        };
    };
    html! {
        p.row {
            a.button href=(place.address(Window::Before(before))) rel="prev" { "Older lines" }
            @if let Some(searched) = shown.searched_to {
                span.quiet { "Searched back to " (super::elements::exactly(searched)) "; what is older was not looked at yet." }
            }
        }
    }
}

/// What is after the last line that is shown, and what there is to say where there are none.
fn newest(place: &LogsPlace, shown: &Shown) -> Markup {
    html! {
        @if let Some(error) = &shown.error {
            div.notice.wait {
                h2 { (icons::icon(Icon::Warning)) "The node can't be asked for its log" }
                p { (error) }
                p { "Lines that are shown may not be the newest. It is asked again every second." }
            }
        }
        @if shown.lines.is_empty() && shown.error.is_none() { (nothing(place)) }
        @match place.window {
            Window::Newest if shown.error.is_some() => {}
            // Where an address does not say where to look, the end is looked at: the newest lines are there.
            Window::Newest => p.live tabindex="-1" autofocus { (icons::icon(Icon::Moving)) "Live: new lines come in here." },
            Window::Before(_) | Window::Around(_) => p.row {
                @if let Some(newer) = shown.newer {
                    a.button href=(place.address(Window::Around(newer))) rel="next" { "Newer lines" }
                }
                a.button href=(format!("{}#newest", place.address(Window::Newest))) { "To the newest lines, live" }
            },
        }
    }
}

fn nothing(place: &LogsPlace) -> Markup {
    let everything = format!("/services/{}/logs#newest", place.service);
    html! {
        div.card {
            @if place.is_filtered() {
                h2 { "No line matches" }
                p { "None of the lines that were looked at is of this filter. " a href=(everything) { "Show all lines" } }
            } @else {
                h2 { "No lines yet" }
                p { "What the instances of this service write to their standard output and error appears here." }
            }
        }
    }
}

#[cfg(test)]
mod tests;
