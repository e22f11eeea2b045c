//! All incidents: the open ones first, for whoever must look at them, and after them those that are over, by pages.

use maud::{Markup, html};
use serde::Deserialize;

use super::super::Server;
use super::super::api::incidents::{IncidentState, IncidentsQuery};
use super::super::problem::Problem;
use super::super::shapes::{self, IncidentLine};
use super::filters::{self, Choice};
use super::page::{Fragment, Mood, Page, Section};
use super::{elements, times};

/// Where the list is.
const PATH: &str = "/incidents";

/// Which incidents; what is empty does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default, deserialize_with = "filters::given")]
    app: Option<String>,
    #[serde(default, deserialize_with = "filters::given")]
    environment: Option<String>,
    #[serde(default, deserialize_with = "filters::given")]
    state: Option<IncidentState>,
    #[serde(default, deserialize_with = "filters::given")]
    before: Option<String>,
}

impl Wanted {
    fn query(&self, state: IncidentState) -> IncidentsQuery {
        IncidentsQuery {
            app: self.app.clone(),
            environment: self.environment.clone(),
            state: Some(state),
            before: self.before.clone(),
            ..IncidentsQuery::default()
        }
    }

    /// The same, from another place on, or of another state.
    fn address(&self, state: Option<IncidentState>, before: Option<&str>) -> String {
        let pairs = [
            ("app", self.app.as_deref()),
            ("environment", self.environment.as_deref()),
            ("state", state.map(IncidentState::name)),
            ("before", before),
        ];
        filters::address(PATH, &pairs)
    }

    fn shows(&self, state: IncidentState) -> bool {
        self.state.is_none_or(|wanted| wanted == state)
    }
}

type Lines = shapes::Page<IncidentLine>;

/// The page.
pub(super) async fn page(server: &Server, wanted: &Wanted) -> Result<Page, Problem> {
    let list = async |state| -> Result<Option<Lines>, Problem> {
        // A place in one list means nothing in the other; without a state it is one in the list of those that are over.
        let elsewhere =
            wanted.before.is_some() && wanted.state.is_none() && state == IncidentState::Open;
        if !wanted.shows(state) || elsewhere {
            return Ok(None);
        }
        server.list_incidents(&wanted.query(state)).await.map(Some)
    };
    let open = list(IncidentState::Open).await?;
    let past = list(IncidentState::Resolved).await?;
    let number = open.as_ref().map_or(0, |open| open.items.len());
    let (title, mood) = match number {
        0 => ("Incidents".to_owned(), Mood::Calm),
        1 => ("1 open incident".to_owned(), Mood::Trouble),
        _ => (format!("{number} open incidents"), Mood::Trouble),
    };
    let mut fragments = vec![Fragment::new("incidents-head", head(server, wanted))];
    fragments.extend(open.map(|it| Fragment::new("incidents-open", self::open(wanted, &it))));
    fragments.extend(past.map(|it| Fragment::new("incidents-past", self::past(wanted, &it))));
    Ok(Page {
        kind: "incidents",
        title,
        mood,
        section: Section::Incidents,
        trail: Vec::new(),
        fragments,
    })
}

fn head(server: &Server, wanted: &Wanted) -> Markup {
    let view = server.engine.view();
    let apps = view.state.apps.keys().map(ToString::to_string).collect();
    let mut environments: Vec<String> = Vec::new();
    for service in view.state.services.values() {
        if !environments.contains(&service.environment) {
            environments.push(service.environment.clone());
        }
    }
    let states = [IncidentState::Open, IncidentState::Resolved];
    let states = states.map(|it| it.name().to_owned()).to_vec();
    let state = wanted.state.map(IncidentState::name);
    html! {
        h1 { "Incidents" }
        form.filters method="get" action=(PATH) aria-label="Which incidents" {
            (filters::select(&Choice { name: "app", label: "App", all: "all apps", chosen: wanted.app.as_deref(), options: apps }))
            (filters::select(&Choice { name: "environment", label: "Environment", all: "all environments", chosen: wanted.environment.as_deref(), options: environments }))
            (filters::select(&Choice { name: "state", label: "State", all: "open and over", chosen: state, options: states }))
            button type="submit" { "Show" }
        }
    }
}

fn open(wanted: &Wanted, open: &Lines) -> Markup {
    html! {
        h2 { "Open" }
        @if wanted.state.is_some() && wanted.before.is_some() && open.items.is_empty() {
            p.empty { "No further ones." }
        } @else if open.items.is_empty() {
            p.notice.good { strong { "Nothing is open. " } span { "A rollback or an alert opens an incident; a later delivery that succeeds there ends it." } }
        }
        @for line in &open.items {
            article.notice.bad {
                h3 { a href=(address(line)) { (line.title) } }
                p.row {
                    (elements::state(&line.state))
                    span { (line.id) }
                    span { "in " a href=(service(line)) { (line.service) } }
                    span { "opened " (elements::time(line.opened_at)) }
                    @if let Some(due) = line.postmortem_due { span { "postmortem due " (times::moment(due)) } }
                }
            }
        }
        @if let Some(next) = &open.next {
            p.pager { a href=(wanted.address(Some(IncidentState::Open), Some(next))) { "More open incidents" } }
        }
    }
}

fn past(wanted: &Wanted, past: &Lines) -> Markup {
    html! {
        h2 { "Over" }
        @if past.items.is_empty() {
            p.empty { @if wanted.before.is_some() { "No further ones." } @else { "None yet." } }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Incidents that are over" {
                table {
                    caption.unseen { "Incidents that are over, newest first" }
                    thead { tr {
                        th scope="col" { "Incident" } th scope="col" { "What" } th scope="col" { "Where" }
                        th scope="col" { "Opened" } th scope="col" { "Open for" } th scope="col" { "Postmortem due" }
                    } }
                    tbody { @for line in &past.items { (row(line)) } }
                }
            }
        }
        @if past.next.is_some() || wanted.before.is_some() {
            nav.pager aria-label="Pages" {
                @if wanted.before.is_some() { a href=(wanted.address(wanted.state, None)) { "Newest" } }
                @if let Some(next) = &past.next { a href=(wanted.address(Some(IncidentState::Resolved), Some(next))) { "Older" } }
            }
        }
    }
}

fn row(line: &IncidentLine) -> Markup {
    html! {
        tr {
            th scope="row" { a href=(address(line)) { (line.id) } }
            td { (line.title) }
            td { a href=(service(line)) { (line.service) } }
            td { (times::moment(line.opened_at)) }
            td { @if let Some(closed) = line.closed_at { (elements::took(line.opened_at, closed)) } }
            td { @if let Some(due) = line.postmortem_due { (times::moment(due)) } }
        }
    }
}

fn address(line: &IncidentLine) -> String {
    format!("{PATH}/{}", line.id)
}

fn service(line: &IncidentLine) -> String {
    format!("/services/{}", line.service)
}
