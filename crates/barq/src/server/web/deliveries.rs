//! All deliveries, newest first, a page at a time.
//!
//! A row comes from the state as long as that remembers the delivery. Of the others the journal's read model has the row,
//! and their first and last events the rest: to replay fifty journeys for a page would take longer than the page may.

use barq_core::delivery::Delivery;
use barq_core::event::{DeliveryEvent, Event, Recorded, RolloutEvent};
use barq_core::identity::{DeliveryId, RolloutId};
use barq_core::report::because;
use barq_engine::engine::View;
use barq_engine::journal::{DeliveryCursor, DeliveryFilter, DeliveryRow, EventFilter, Journal};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::problem::Problem;
use super::super::{Server, convert, story};
use super::elements;
use super::filters::{self, Choice};
use super::page::{Fragment, Mood, Page, Section};
use crate::output::text;

/// Where the list is.
const PATH: &str = "/deliveries";
/// Deliveries of a page.
const ROWS: usize = 50;
/// Characters of why a delivery ended, or what it waits for: the delivery's own page has all of it.
const STORY_CHARACTERS_MAX: usize = 160;
/// Last events of a forgotten delivery that are read: the cause of a rollback comes just before its end.
const LAST_EVENTS: usize = 6;

/// Which deliveries: the page's parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveriesQuery {
    /// Of this app; none: of any.
    #[serde(default, deserialize_with = "filters::given")]
    app: Option<String>,
    /// A state, or one of `GROUPS`; none: any.
    #[serde(default, deserialize_with = "filters::given")]
    state: Option<String>,
    /// The `next` of the page before.
    #[serde(default, deserialize_with = "filters::given")]
    before: Option<String>,
}

/// A name that is no delivery's names none.
pub(super) fn parse(id: &str) -> Result<DeliveryId, Problem> {
    id.parse().map_err(|_| Problem::unknown("delivery", id))
}

/// States that people ask for together.
const GROUPS: &[(&str, &str, &[&str])] = &[
    ("under_way", "all under way", UNDER_WAY),
    (
        "ended_badly",
        "all that ended badly",
        &["failed", "rolled_back"],
    ),
];
const UNDER_WAY: &[&str] = &[
    "checking",
    "building",
    "staging",
    "awaiting_approval",
    "production",
];
const ENDED: &[&str] = &[
    "succeeded",
    "failed",
    "rolled_back",
    "rejected",
    "expired",
    "superseded",
    "cancelled",
];

/// What is shown of a delivery.
struct Row {
    id: DeliveryId,
    state: String,
    commit: String,
    subject: String,
    author: String,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
    /// What it waits for, or why it ended as it did.
    story: Option<String>,
    /// Until when it waits, where that is known.
    until: Option<Timestamp>,
}

/// The page.
pub(super) async fn page(
    server: &Server,
    query: &DeliveriesQuery,
    now: Timestamp,
) -> Result<Page, Problem> {
    let cursor = query
        .before
        .as_deref()
        .map(str::parse::<DeliveryCursor>)
        .transpose()
        .map_err(|error| Problem::invalid(format!("before: {error}")))?;
    let view = server.engine.view();
    let journal = server.engine.journal();
    let listed = journal
        .list_deliveries(&query.filter(), cursor.as_ref(), ROWS)
        .await?;
    let rows = listed.items.into_iter();
    let rows = rows.map(|stored| row(&view, journal, stored.row, now));
    let rows = futures::future::try_join_all(rows).await?;
    let next = listed.next.map(|cursor| cursor.to_string());
    let under_way = view.state.deliveries.values().filter(|it| !it.ended());
    let under_way = under_way.count();
    Ok(Page {
        kind: "deliveries",
        title: match under_way {
            0 => "Deliveries".to_owned(),
            count => format!("{count} under way · Deliveries"),
        },
        mood: mood(&view),
        section: Section::Deliveries,
        trail: Vec::new(),
        fragments: vec![
            Fragment::new("filter", heading(&view, query)),
            Fragment::new("deliveries", list(server, query, &rows)),
            Fragment::new("pages", pager(query, next.as_deref())),
        ],
    })
}

impl DeliveriesQuery {
    /// Checks what may stand only in addresses that people write.
    pub(super) fn checked(self) -> Result<Self, Problem> {
        let groups = GROUPS.iter().map(|(name, _, _)| *name);
        let known: Vec<&str> = groups
            .chain(UNDER_WAY.iter().chain(ENDED).copied())
            .collect();
        match &self.state {
            Some(state) if !known.contains(&state.as_str()) => {
                let why = format!("{state:?} is no state of a delivery");
                Err(Problem::invalid(why).hint(format!("it is one of {}", known.join(", "))))
            }
            _ => Ok(self),
        }
    }

    fn filter(&self) -> DeliveryFilter {
        let group = GROUPS.iter().find(|(name, _, _)| self.has_state(name));
        let states = match group {
            Some((_, _, states)) => states.iter().map(|&state| state.to_owned()).collect(),
            None => self.state.iter().cloned().collect(),
        };
        DeliveryFilter {
            app: self.app.clone(),
            states,
            commit_hash: None,
        }
    }

    fn filters(&self) -> bool {
        self.app.is_some() || self.state.is_some()
    }

    fn has_state(&self, state: &str) -> bool {
        self.state.as_deref() == Some(state)
    }

    /// The address of the page of these deliveries that begins there.
    fn address(&self, before: Option<&str>) -> String {
        let pairs = [
            ("app", self.app.as_deref()),
            ("state", self.state.as_deref()),
            ("before", before),
        ];
        filters::address(PATH, &pairs)
    }
}

async fn row(
    view: &View,
    journal: &Journal,
    row: DeliveryRow,
    now: Timestamp,
) -> Result<Row, Problem> {
    let id: DeliveryId = row
        .id
        .parse()
        .map_err(|error| Problem::internal("the read model can't be read", &error))?;
    match view.state.delivery(&id) {
        Some(delivery) => Ok(remembered(view, delivery, now)),
        None => forgotten(journal, id, row).await,
    }
}

fn remembered(view: &View, delivery: &Delivery, now: Timestamp) -> Row {
    let rollout = |environment: &String| {
        view.state.rollout(&RolloutId {
            delivery: delivery.id.clone(),
            environment: environment.clone(),
        })
    };
    let rollouts: Vec<_> = delivery.entered.iter().filter_map(rollout).collect();
    let waiting = convert::waiting(view, delivery, now);
    let until = waiting.as_ref().and_then(|waiting| waiting.until);
    let story = match waiting {
        Some(waiting) => Some(waiting.message),
        None => convert::reason(delivery, &rollouts).map(|reason| reason.replace('\n', "; ")),
    };
    Row {
        id: delivery.id.clone(),
        state: delivery.state_name().to_owned(),
        commit: delivery.push.commit.hash.to_string(),
        subject: delivery.push.commit.subject.clone(),
        author: delivery.push.commit.author_name.clone(),
        created_at: delivery.created_at,
        finished_at: delivery.finished_at,
        story,
        until,
    }
}

async fn forgotten(journal: &Journal, id: DeliveryId, row: DeliveryRow) -> Result<Row, Problem> {
    let of_it = EventFilter {
        subject: Some(format!("delivery/{id}")),
        ..EventFilter::default()
    };
    // Of these the state says all.
    let plain = matches!(row.state.as_str(), "succeeded" | "expired");
    let newest = if plain { 0 } else { LAST_EVENTS };
    let (first, last) = tokio::try_join!(
        journal.read_matching(&of_it, 0, 1),
        journal.read_newest(&of_it, None, newest),
    )?;
    let decoded = |stored: &barq_engine::journal::Recorded| {
        barq_engine::decode(stored)
            .map_err(|error| Problem::internal("the journal can't be read", &error))
    };
    let first = first.first().map(decoded).transpose()?;
    let commit = match first.map(|it| it.event) {
        Some(Event::Delivery(_, DeliveryEvent::Pushed(push))) => Some(push.commit),
        _ => None,
    };
    let last = last.iter().map(decoded).collect::<Result<Vec<_>, _>>()?;
    let (subject, author) = commit.map_or_else(Default::default, |commit| {
        (commit.subject, commit.author_name)
    });
    Ok(Row {
        id,
        story: ended_why(&last),
        state: row.state,
        commit: row.commit_hash,
        subject,
        author,
        created_at: row.created_at,
        finished_at: row.finished_at,
        until: None,
    })
}

/// Why a delivery ended as it did, of its last events, the newest first; none where it succeeded.
fn ended_why(last: &[Recorded]) -> Option<String> {
    last.iter().find_map(|recorded| match &recorded.event {
        Event::Rollout(id, RolloutEvent::RollbackStarted { cause, .. }) => {
            Some(format!("{}: {}", id.environment, because(cause)))
        }
        Event::Delivery(
            _,
            DeliveryEvent::Failed { .. }
            | DeliveryEvent::Rejected { .. }
            | DeliveryEvent::Expired
            | DeliveryEvent::Superseded { .. }
            | DeliveryEvent::Cancelled { .. },
        ) => Some(story::tell(recorded)),
        _ => None,
    })
}

fn mood(view: &View) -> Mood {
    let mut under_way = view.state.deliveries.values().filter(|it| !it.ended());
    let mut mood = Mood::Calm;
    if let Some(first) = under_way.next() {
        let waits = |it: &Delivery| it.state_name() == "awaiting_approval";
        let anybody = waits(first) || under_way.any(|it| waits(it));
        mood = if anybody { Mood::Waiting } else { Mood::Moving };
    }
    mood
}

fn heading(view: &View, query: &DeliveriesQuery) -> Markup {
    let apps = view.state.apps.keys().map(ToString::to_string).collect();
    html! {
        h1 { "Deliveries" }
        form.filter method="get" action=(PATH) {
            (filters::select(&Choice { name: "app", label: "App", all: "all apps", chosen: query.app.as_deref(), options: apps }))
            div.field {
                label for="state" { "State" }
                select #state name="state" {
                    option value="" { "all states" }
                    @for (name, words, _) in GROUPS { (choice(name, words, query)) }
                    optgroup label="Under way" { @for it in UNDER_WAY { (choice(it, &spaced(it), query)) } }
                    optgroup label="Ended" { @for it in ENDED { (choice(it, &spaced(it), query)) } }
                }
            }
            button type="submit" { "Show" }
            @if query.filters() { a.clear href=(PATH) { "Show all" } }
        }
    }
}

fn choice(value: &str, words: &str, query: &DeliveriesQuery) -> Markup {
    html! { option value=(value) selected[query.has_state(value)] { (words) } }
}

fn spaced(state: &str) -> String {
    state.replace('_', " ")
}

fn list(server: &Server, query: &DeliveriesQuery, rows: &[Row]) -> Markup {
    html! {
        @if rows.is_empty() { (nothing(server, query)) }
        @else {
            ul.rows aria-label="Deliveries, newest first" { @for row in rows { (item(row)) } }
        }
    }
}

fn item(row: &Row) -> Markup {
    html! {
        li.row-of-list {
            span.of-state { (elements::state(&row.state)) }
            div.what {
                a.subject href=(format!("/deliveries/{}", row.id)) { (elements::subject(&row.subject)) }
                p.quiet.small {
                    span.id { (row.id) } " · " (elements::hash(&row.commit)) " · " (row.author)
                }
                @if let Some(story) = &row.story {
                    p.now.small {
                        (text::shorten(story, STORY_CHARACTERS_MAX))
                        @if let Some(until) = row.until { " · " (elements::until(until)) }
                    }
                }
            }
            span.when.quiet.small {
                (elements::time(row.created_at))
                @match row.finished_at {
                    Some(end) => span.took { "took " (elements::took(row.created_at, end)) },
                    None => span.took { (elements::lasting(row.created_at, None)) },
                }
            }
        }
    }
}

fn nothing(server: &Server, query: &DeliveriesQuery) -> Markup {
    html! {
        div.card {
            @if query.before.is_some() {
                p { "Nothing is older than that." }
                p { a href=(query.address(None)) { "To the newest deliveries" } }
            } @else if query.filters() {
                p { "No delivery is like that." }
                p { a href=(PATH) { "Show all deliveries" } }
            } @else {
                h2 { "Nothing was delivered yet" }
                p { "Every push to a delivered branch begins one:" }
                pre { code { "git push barq main" } }
                p.quiet { "A first push creates its app, at " code { (server.url) "/git/my-app.git" } "; " code { "barq init" } " sets the remote up." }
            }
        }
    }
}

fn pager(query: &DeliveriesQuery, next: Option<&str>) -> Markup {
    html! {
        @if next.is_some() || query.before.is_some() {
            nav.pager aria-label="Pages" {
                @if query.before.is_some() { a href=(query.address(None)) { "Newest" } }
                @if let Some(next) = next { a rel="next" href=(query.address(Some(next))) { "Older" } }
            }
        }
    }
}
