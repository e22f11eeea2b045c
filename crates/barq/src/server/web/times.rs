//! Times that do not run: what stands in a record, on paper, or lies ahead for days.

use jiff::Timestamp;
use maud::{Markup, html};

use super::elements;
use crate::output::text;

/// A moment, to the minute.
pub(super) fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(at) title=(elements::exactly(at)) { (at.strftime("%Y-%m-%d %H:%M").to_string()) } }
}

/// A moment of the day, to the millisecond: where the order of things counts.
pub(super) fn precise(at: Timestamp) -> Markup {
    html! { time.precise datetime=(at) title=(elements::exactly(at)) { (at.strftime("%H:%M:%S%.3f").to_string()) } }
}

/// The day of a moment.
pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// How long it was from one moment to another.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    text::duration_ms((to.as_millisecond() - from.as_millisecond()) as f64)
}
