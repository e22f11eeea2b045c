//! The small things that all pages are made of: times, states, hashes, links.
//!
//! A state is never told by colour alone: it has its word and its icon.

use std::time::Duration;

use barq_engine::engine::View;
use jiff::{Timestamp, Unit};
use maud::{Markup, html};

use super::icons::{self, Icon};
use crate::output::text;

/// When something happened: the exact time; the script adds how long ago that is.
pub(super) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at) data-ago title=(exactly(at)) { (exactly(at)) } }
}

/// The same, where a column says that all is of one day: the time of the day alone.
pub(super) fn clock(at: Timestamp) -> Markup {
    html! { time datetime=(at) title=(exactly(at)) { (text::clock(at)) } }
}

/// Until when; the script counts down to it.
pub(super) fn until(at: Timestamp) -> Markup {
    html! { time datetime=(at) data-until title=(exactly(at)) { "until " (exactly(at)) } }
}

/// How long something has lasted that goes on; the script counts on. Beyond `limit` it says so.
pub(super) fn lasting(since: Timestamp, limit: Option<Duration>) -> Markup {
    let limit_s = limit.map(|limit| limit.as_secs());
    html! {
        time datetime=(since) data-since data-limit=[limit_s] title=(exactly(since)) { "since " (exactly(since)) }
    }
}

/// Of when what is shown of the node is, while it can't be seen.
pub(super) fn last_seen(view: &View) -> Markup {
    html! {
        @match view.seen_at {
            Some(at) => { "It was seen last at " (clock(at)) "." }
            None => "It was not seen since this server began.",
        }
    }
}

/// The same beside numbers; nothing while it can be seen.
pub(super) fn numbers_from(view: &View) -> Markup {
    let seen_at = view.seen_at.filter(|_| view.data_plane_error.is_some());
    html! {
        @if let Some(at) = seen_at {
            p.small.wait { (icons::icon(Icon::Warning)) " Numbers from " (clock(at)) ": the node can't be seen." }
        }
    }
}

/// How long something took.
pub(super) fn took(from: Timestamp, to: Timestamp) -> String {
    text::duration_ms(to.duration_since(from).as_millis().max(0) as f64)
}

/// A time in full, as UTC: `2026-03-01 12:30:05`.
pub(super) fn exactly(at: Timestamp) -> String {
    let at = at.round(Unit::Second).unwrap_or(at);
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// How a state looks: its icon, and the name of its colour.
pub(super) fn look(state: &str) -> (Icon, &'static str) {
    match state {
        "succeeded" | "passed" | "healthy" | "ready" | "resolved" => (Icon::Good, "good"),
        "failed" | "rolled_back" | "rejected" | "timed_out" | "unhealthy" | "open"
        | "rolling_back" => (Icon::Bad, "bad"),
        "awaiting_approval" | "paused" => (Icon::Waiting, "wait"),
        "checking" | "building" | "staging" | "production" | "deploying" | "smoke_testing"
        | "canary" | "promoting" | "verifying" | "running" | "starting" => (Icon::Moving, "move"),
        _ => (Icon::Idle, "idle"),
    }
}

/// A state: icon, word, colour.
pub(super) fn state(state: &str) -> Markup {
    let (icon, class) = look(state);
    html! {
        span.state.(class) { (icons::icon(icon)) (state.replace('_', " ")) }
    }
}

/// What was found of something that was looked at; none: too little to say.
pub(super) fn verdict(ok: Option<bool>) -> Markup {
    let (icon, class, words) = match ok {
        Some(true) => (Icon::Good, "good", "good"),
        Some(false) => (Icon::Bad, "bad", "bad"),
        None => (Icon::Warning, "wait", "not enough evidence"),
    };
    html! { span.state.(class) { (icons::icon(icon)) (words) } }
}

/// A commit's or an image's hash, short; whole for those who want it.
pub(super) fn hash(hash: &str) -> Markup {
    html! { code.hash title=(hash) { (text::short(hash)) } }
}

/// A count, its digits in groups: `12 345`.
pub(super) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            // It does not break.
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// A share in percent, to a tenth: `89.6 %`.
pub(super) fn percent(percent: f64) -> String {
    format!("{percent:.1} %")
}

/// An amount of memory: `512 MiB`, `2 GiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    match bytes / MIB {
        mib if mib >= 1024 && mib.is_multiple_of(1024) => format!("{} GiB", mib / 1024),
        mib => format!("{mib} MiB"),
    }
}

/// A delivery, by name.
pub(super) fn delivery(id: &str) -> Markup {
    html! { a href=(format!("/deliveries/{id}")) { (id) } }
}

/// What a commit is about; it may have no message.
pub(super) fn subject(subject: &str) -> &str {
    match subject.trim() {
        "" => "(no message)",
        subject => subject,
    }
}

/// With a capital: reasons and problems begin small, since they also stand inside sentences. What begins with an id or
/// with something quoted keeps it as it is spelt.
pub(super) fn sentence(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    let is_word = first
        .trim_end_matches([',', ':', ';', '.'])
        .chars()
        .all(|it| it.is_alphabetic() || it == '\'');
    let mut characters = text.chars();
    match characters.next() {
        Some(letter) if is_word => letter.to_uppercase().chain(characters).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn a_sentence_begins_with_a_capital_but_an_id_is_spelt_as_it_is() {
        let check = |text, expect| assert_eq!(sentence(text), expect);
        check("the journal can't be read", "The journal can't be read");
        check("élan", "Élan");
        check("can't", "Can't");
        check("shop-7 can't be retried", "shop-7 can't be retried");
        check(
            "shop-production-00002 serves",
            "shop-production-00002 serves",
        );
        check(
            "`latency` is p50, p95 or p99",
            "`latency` is p50, p95 or p99",
        );
        check("\"zzz\" is no state", "\"zzz\" is no state");
        check("barq.toml is not valid", "barq.toml is not valid");
        check("nobody: nothing", "Nobody: nothing");
        check("", "");
    }
}
