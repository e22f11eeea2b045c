//! Everything that happened, the newest first.

use barq_core::event::Recorded;
use barq_engine::history::Journey;
use maud::{Markup, html};

use super::super::super::story;
use super::super::{elements, times};

/// Entries that are seen at once; the others are folded.
const SHOWN: usize = 10;

pub(super) fn timeline(journey: &Journey) -> Markup {
    let told: Vec<&Recorded> = journey
        .events
        .iter()
        .rev()
        .map(|(_, recorded)| recorded)
        .collect();
    let (newest, older) = told.split_at(told.len().min(SHOWN));
    html! {
        h2 { "What happened" }
        (entries(newest))
        @if !older.is_empty() {
            details #older {
                summary { (older.len()) " earlier" }
                (entries(older))
            }
        }
    }
}

/// Under the day of each.
fn entries(told: &[&Recorded]) -> Markup {
    let days = told.chunk_by(|one, next| times::day(one.at) == times::day(next.at));
    html! {
        @for day in days {
            @if let Some(first) = day.first() { p.day.quiet.small { (times::day(first.at)) } }
            ol.story { @for recorded in day { (entry(recorded)) } }
        }
    }
}

fn entry(recorded: &Recorded) -> Markup {
    html! {
        li {
            span.quiet { (elements::clock(recorded.at)) }
            span.told {
                (story::tell(recorded))
                @if let Some(person) = story::person(recorded) { span.quiet { " · " (person) } }
            }
        }
    }
}
