//! Times that do not run: what stands in a record, on paper, or lies ahead for days.

use jiff::Timestamp;
use maud::{Markup, html};

use super::elements;

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
