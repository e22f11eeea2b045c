//! The rules run dry: what a command would come to now, for a page, an answer or a question. Nothing is recorded or begun.

use barq_core::command::{Command, Context, Rejection};
use barq_core::event::{Actor, Recorded};
use barq_engine::engine::View;
use jiff::Timestamp;

/// The events that a command of this actor would be recorded as.
///
/// # Errors
/// Why the rules refuse it.
pub(super) fn decide(
    view: &View,
    command: Command,
    actor: &Actor,
    now: Timestamp,
) -> Result<Vec<Recorded>, Rejection> {
    barq_core::decide(&view.state, command, &context(view, actor, now))
}

/// Whether the rules would take it: quicker than to know what would follow.
///
/// # Errors
/// Why they refuse it.
pub(super) fn ask(
    view: &View,
    command: Command,
    actor: &Actor,
    now: Timestamp,
) -> Result<(), Rejection> {
    barq_core::ask(&view.state, command, &context(view, actor, now))
}

fn context<'a>(view: &'a View, actor: &'a Actor, now: Timestamp) -> Context<'a> {
    Context {
        now,
        actor,
        observed: &view.observed,
        // It spreads retries, and nothing is tried.
        jitter: 0.0,
    }
}
