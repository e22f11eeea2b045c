//! Everything that happened, the newest first.

use barq_core::event::{Event, Recorded, RolloutEvent};
use barq_engine::history::Journey;
use maud::{Markup, html};

use super::super::super::story;
use super::super::elements;

/// Entries that are seen at once; the others are folded.
const SHOWN: usize = 8;

pub(super) fn timeline(journey: &Journey) -> Markup {
    let told: Vec<&Recorded> = journey
        .events
        .iter()
        .rev()
        .map(|(_, recorded)| recorded)
        .filter(|recorded| worth_telling(&recorded.event))
        .collect();
    let (newest, older) = told.split_at(told.len().min(SHOWN));
    html! {
        h2 { "What happened" }
        ol.timeline { @for recorded in newest { (entry(recorded)) } }
        @if !older.is_empty() {
            details #older {
                summary { (older.len()) " earlier" }
                ol.timeline { @for recorded in older { (entry(recorded)) } }
            }
        }
    }
}

/// A count that moves is no event for people.
fn worth_telling(event: &Event) -> bool {
    !matches!(event, Event::Rollout(_, RolloutEvent::Progressed { .. }))
}

fn entry(recorded: &Recorded) -> Markup {
    html! {
        li {
            (elements::clock(recorded.at))
            span { (story::tell(recorded)) }
            @if let Some(person) = story::person(recorded) { span.quiet { (person) } }
        }
    }
}
