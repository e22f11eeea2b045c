//! All apps: what serves in each environment and how well, what is on its way there, and what that waits for.
//!
//! A fragment for each app, so that what moves in one sends nothing of the others.

mod app;
mod environment;
mod survey;

use std::borrow::Cow;

use barq_engine::engine::View;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::Server;
use super::super::problem::Problem;
use super::elements;
use super::icons::{self, Icon};
use super::page::{Fragment, Mood, Page, Section};
use crate::output::text;
use survey::{App, Survey};

/// The page.
pub(super) async fn page(server: &Server, now: Timestamp) -> Result<Page, Problem> {
    let view = server.engine.view();
    let survey = Survey::of(&view);
    let mut fragments = vec![Fragment::new("summary", summary(&view, &survey))];
    if survey.apps.is_empty() {
        fragments.push(Fragment::new("first", nothing_yet(server)));
    }
    for app in &survey.apps {
        let id: Cow<'static, str> = format!("app-{}", app.name).into();
        fragments.push(Fragment::new(id, app::card(server, &view, app, now)));
    }
    Ok(Page {
        kind: "home",
        title: title(&survey),
        mood: mood(&view, &survey),
        section: Section::Home,
        trail: Vec::new(),
        fragments,
    })
}

fn mood(view: &View, survey: &Survey) -> Mood {
    if survey.incidents() > 0 || survey.unhealthy() > 0 || view.data_plane_error.is_some() {
        Mood::Trouble
    } else if survey.to_approve() > 0 {
        Mood::Waiting
    } else if survey.under_way() > 0 {
        Mood::Moving
    } else {
        Mood::Calm
    }
}

fn title(survey: &Survey) -> String {
    let told = tellings(survey);
    let words: Vec<&str> = told.iter().map(|it| it.words.as_str()).collect();
    if words.is_empty() {
        "Apps".to_owned()
    } else {
        words.join(" · ")
    }
}

/// Something that a glance must tell.
struct Telling {
    words: String,
    /// Where more is told.
    path: &'static str,
    icon: Icon,
    class: &'static str,
}

fn tellings(survey: &Survey) -> Vec<Telling> {
    let approvals = match survey.to_approve() {
        1 => "1 waits for approval".to_owned(),
        many => format!("{many} wait for approval"),
    };
    let moving = match survey.moving() {
        1 => "1 on its way".to_owned(),
        many => format!("{many} on their way"),
    };
    let counts = [
        (
            survey.to_approve(),
            approvals,
            "/deliveries?state=awaiting_approval",
            Icon::Waiting,
            "wait",
        ),
        (
            survey.moving(),
            moving,
            "/deliveries?state=under_way",
            Icon::Moving,
            "move",
        ),
        (
            survey.incidents(),
            text::count(survey.incidents() as u64, "incident"),
            "/incidents?state=open",
            Icon::Bad,
            "bad",
        ),
        (
            survey.unhealthy(),
            format!("{} unhealthy", survey.unhealthy()),
            "#main",
            Icon::Warning,
            "bad",
        ),
    ];
    let some = counts.into_iter().filter(|(count, ..)| *count > 0);
    some.map(|(_, words, path, icon, class)| Telling {
        words,
        path,
        icon,
        class,
    })
    .collect()
}

fn summary(view: &View, survey: &Survey) -> Markup {
    let told = tellings(survey);
    html! {
        @if !survey.apps.is_empty() {
            div.heading {
                h1 { "Apps" }
                @for it in &told {
                    a.state.(it.class) href=(it.path) { (icons::icon(it.icon)) (it.words) }
                }
                @if told.is_empty() { span.quiet { "Nothing is on its way, nothing is wrong." } }
            }
        }
        @if let Some(error) = &view.data_plane_error {
            div.notice.wait {
                h2 { (icons::icon(Icon::Warning)) "The node can't be seen" }
                p { (elements::sentence(error)) ". " (elements::last_seen(view)) }
                p { "Where it runs, users' requests go on; whether it does, and how revisions are, is not known here now." }
            }
        }
        @if let Some(error) = &view.storage_error {
            div.notice.bad {
                h2 { (icons::icon(Icon::Warning)) "Nothing can be recorded" }
                p { (error) }
            }
        }
    }
}

fn nothing_yet(server: &Server) -> Markup {
    let app = "my-app";
    html! {
        div.card.first {
            h1 { "Nothing here yet" }
            p { "Three commands, in the repository of an application, bring the first one here:" }
            ol.commands {
                li { pre { code { "barq init" } } p { "writes a " code { "barq.toml" } " for what it finds, and adds the git remote " code { "barq" } } }
                li { pre { code { "git add barq.toml && git commit -m 'Deliver by barq'" } } p { "the file travels with the commit that it is for" } }
                li { pre { code { "git push barq main" } } p { "creates the app at " code { (server.url) "/git/" (app) ".git" } " and starts its first delivery" } }
            }
            p.quiet { "Then this page shows, for each app, what serves in each environment and what is on its way there." }
        }
    }
}

#[cfg(test)]
mod tests;
