//! The page that explains why nothing was done: what the form said, what is true now, and who changed it in between.

use axum::response::Response;
use barq_core::command::Rejection;
use barq_core::event::{Event, RolloutEvent, ServiceEvent};
use barq_engine::journal::EventFilter;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::super::problem::Problem;
use super::super::super::shapes::TimelineEntry;
use super::super::super::{Server, story};
use super::super::session::Viewer;
use super::super::{elements, failed_at, layout};
use super::action::Action;
use super::effect::{self, Effect};
use super::form::{self, Sent};
use super::pages;

/// Events that are looked at; the newest are what matters.
const EVENTS_MAX: usize = 100;
/// Lines that are shown.
const LINES_MAX: usize = 8;

/// The page.
pub(super) async fn page(
    server: &Server,
    viewer: &Viewer,
    action: &Action,
    sent: &Sent,
    now: Result<Effect, Rejection>,
) -> Response {
    let since = sent.since.parse().ok();
    let happened = match server.happened(action, since).await {
        Ok(happened) => happened,
        Err(problem) => return failed_at(&action.subject_path(), viewer, &problem),
    };
    let rejection = now.as_ref().err();
    let lacks_role = matches!(
        rejection,
        Some(Rejection::NotAllowed { .. } | Rejection::NotSeparate { .. })
    );
    let title = match lacks_role {
        true => "Nothing was done: you may not",
        false => "Nothing was done: it has changed since you looked",
    };
    let content = html! {
        h1 { (title) }
        div.card {
            dl.facts {
                dt { "You asked to" }
                dd { (action.name().to_lowercase()) " " a href=(action.subject_path()) { (action.subject()) } }
                @if !sent.said.is_empty() { dt { "The page said" } dd { (sent.said) } }
                dt { "True now" }
                dd { (true_now(&now, viewer)) }
            }
            @if !lacks_role { (changes(&happened)) }
            (ways_on(action, now.is_ok()))
        }
    };
    let page = pages::page(action, title.to_owned(), content);
    form::answered(form::status(rejection), layout::still(viewer, &page))
}

fn true_now(now: &Result<Effect, Rejection>, viewer: &Viewer) -> Markup {
    match now {
        Ok(effect) => html! { (effect.words.join(" ")) },
        Err(rejection) => html! { (effect::refusal(rejection, viewer.0.role)) "." },
    }
}

fn changes(happened: &[TimelineEntry]) -> Markup {
    html! {
        h2 { "What happened since" }
        @if happened.is_empty() {
            p.quiet { "Nothing that the journal tells; the page may be older than what it still knows." }
        }
        ol.changes {
            @for entry in happened {
                li {
                    (elements::time(entry.at)) " "
                    @if let Some(actor) = &entry.actor { strong { (actor) } ": " }
                    (entry.message)
                }
            }
        }
    }
}

fn ways_on(action: &Action, possible: bool) -> Markup {
    html! {
        p.ways {
            a.button.primary href=(action.subject_path()) { "Look at " (action.subject()) " as it is now" }
            @if possible { a.button href=(again(action)) { "Decide again" } }
        }
    }
}

/// Where the same is asked for, with what is so now.
fn again(action: &Action) -> String {
    match action {
        Action::Approve(id) => format!("/deliveries/{id}/review"),
        Action::RollBack { .. } => action.path(),
        _ => action.address(),
    }
}

impl Server {
    /// What happened to the action's subject since a time, newest first.
    async fn happened(
        &self,
        action: &Action,
        since: Option<Timestamp>,
    ) -> Result<Vec<TimelineEntry>, Problem> {
        let Some(since) = since else {
            return Ok(Vec::new());
        };
        let mut happened = Vec::new();
        for subject in self.subjects(action) {
            let filter = EventFilter {
                subject: Some(subject),
                since: Some(since),
                ..EventFilter::default()
            };
            let journal = self.engine.journal();
            for stored in journal.read_newest(&filter, None, EVENTS_MAX).await? {
                let recorded = barq_engine::decode(&stored).map_err(|error| {
                    Problem::internal("the journal can't be understood", &error)
                })?;
                if recorded.at > since && matters(&recorded.event) {
                    happened.push((stored.sequence, story::entry(&recorded)));
                }
            }
        }
        happened.sort_by_key(|(sequence, _)| std::cmp::Reverse(*sequence));
        let entries = happened.into_iter().map(|(_, entry)| entry);
        Ok(entries.take(LINES_MAX).collect())
    }

    /// Whose events tell of it: a service's, and those of the delivery that moves there.
    fn subjects(&self, action: &Action) -> Vec<String> {
        match action {
            Action::Pause(id)
            | Action::Resume(id)
            | Action::Promote(id)
            | Action::PromoteFull(id)
            | Action::Abort(id) => vec![format!("delivery/{}", id.delivery)],
            Action::Approve(id)
            | Action::Reject(id)
            | Action::Cancel(id)
            | Action::Retry { delivery: id, .. } => {
                let view = self.engine.view();
                let moving = view.state.delivery(id).and_then(|delivery| {
                    let environment = delivery.next_environment()?;
                    let service = delivery.configuration()?.service_in(environment);
                    let service = view.state.service(&service.parse().ok()?)?;
                    let revision = service.stable_revision()?;
                    Some(format!("delivery/{}", revision.rollout.delivery))
                });
                let own = format!("delivery/{id}");
                std::iter::once(own.clone())
                    .chain(moving.filter(|it| *it != own))
                    .collect()
            }
            Action::RollBack { service: id, .. } | Action::Lock(id) | Action::Unlock(id) => {
                let view = self.engine.view();
                let moving = view.state.service(id).and_then(|service| {
                    let latest = service.revisions.values().next_back()?;
                    Some(format!("delivery/{}", latest.rollout.delivery))
                });
                let own = format!("service/{id}");
                std::iter::once(own).chain(moving).collect()
            }
        }
    }
}

/// What people want to hear of: not every plan and every count.
fn matters(event: &Event) -> bool {
    match event {
        Event::Service(_, event) => matches!(
            event,
            ServiceEvent::Locked { .. } | ServiceEvent::Unlocked { .. } | ServiceEvent::Tripped(_)
        ),
        Event::Rollout(_, event) => !matches!(
            event,
            RolloutEvent::Progressed { .. }
                | RolloutEvent::TargetProven { .. }
                | RolloutEvent::RollbackPrepared
        ),
        Event::App(..)
        | Event::Delivery(..)
        | Event::Incident(..)
        | Event::Effect(_)
        | Event::Access(_) => true,
    }
}
