//! Tells of the moments at which a crash would tear two things apart that belong together.
//!
//! They are trace events: nothing happens but where somebody listens. The end-to-end tests do, and kill the process there.
//! It must not know what listens.

use barq_core::event::{Event, Recorded};

use crate::journal::Sequence;

/// Events are in the journal; nothing has been done, shown or answered yet.
pub(crate) const APPENDED: &str = "appended";
/// An effect is about to be carried out.
pub(crate) const BEGUN: &str = "begun";
/// An effect was carried out; the journal has no outcome of it.
pub(crate) const CARRIED_OUT: &str = "carried-out";

/// The moment is now. `of` says of what; the two together come once in a journal's life.
pub(crate) fn reached(moment: &'static str, of: &str) {
    tracing::trace!(target: "barq::moment", moment, of);
}

/// The kinds of the events of one append, those of a rollout with its environment, and the place of the last.
pub(crate) fn of_events(events: &[Recorded], last: Sequence) -> String {
    let kinds: Vec<String> = events.iter().map(|it| kind(&it.event)).collect();
    format!("{} {last}", kinds.join("+"))
}

fn kind(event: &Event) -> String {
    let kind = event.kind();
    match event {
        Event::Rollout(id, _) => format!("{kind}@{}", id.environment),
        Event::Service(id, _) => format!("{kind}@{id}"),
        Event::App(..)
        | Event::Delivery(..)
        | Event::Incident(..)
        | Event::Effect(_)
        | Event::Access(_) => kind.to_owned(),
    }
}
