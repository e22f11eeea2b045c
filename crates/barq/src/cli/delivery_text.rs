//! How a delivery reads for people; used by every command that shows one.

use jiff::Timestamp;

use crate::client::types::{Check, Delivery, Rollout, TimelineEntry, Waiting};
use crate::output::text::{clock, count, duration_ms, mark, relative, short, state, strong};

/// The delivery with its checks and rollouts, without its timeline.
pub(super) fn summary(delivery: &Delivery, now: Timestamp) -> String {
    let mut lines = vec![
        format!("{}  {}", strong(&delivery.id), state(&delivery.state)),
        format!(
            "  commit    {}  {}  {}",
            short(&delivery.commit),
            delivery.author,
            first_line(&delivery.message)
        ),
        format!(
            "  pushed    {}{}",
            relative(delivery.created_at, now),
            match delivery.branch.as_str() {
                "" => String::new(),
                branch => format!(", {branch}"),
            }
        ),
    ];
    if let Some(image) = &delivery.image {
        lines.push(format!("  image     {}", short(image)));
    }
    for check in &delivery.checks {
        lines.push(check_line(check));
    }
    for rollout in &delivery.rollouts {
        lines.extend(rollout_lines(rollout));
    }
    if let Some(waiting) = &delivery.waiting {
        lines.push(format!("  waiting   {}", waiting_line(waiting, now)));
    }
    if let Some(reason) = &delivery.reason {
        let reason = crate::output::text::indent(reason, "            ");
        lines.push(format!("  reason    {reason}"));
    }
    lines.join("\n")
}

/// One line of the story: `12:30:05  …`.
pub(crate) fn story_line(entry: &TimelineEntry) -> String {
    let what = match entry.message.is_empty() {
        true => entry.event.clone(),
        false => entry.message.clone(),
    };
    let actor = entry
        .actor
        .as_ref()
        .map_or_else(String::new, |actor| format!("  ({actor})"));
    format!("{}  {what}{actor}", clock(entry.at))
}

/// What something waits for, and how long still.
pub(super) fn waiting_line(waiting: &Waiting, now: Timestamp) -> String {
    let message = match &waiting.command {
        Some(command) => format!("{}: {command}", waiting.message),
        None => waiting.message.clone(),
    };
    match waiting.until {
        Some(until) if until > now => format!("{message} ({})", relative(until, now)),
        _ => message,
    }
}

/// How near the tripwire is. Errors that count no more are told only where there are some.
fn limit(rollout: &Rollout) -> String {
    let Some(max) = rollout.max_errors else {
        return String::new();
    };
    let recent = rollout.recent_errors.filter(|it| *it != rollout.errors);
    match (recent, rollout.window_ms) {
        (Some(recent), Some(window_ms)) => {
            let window = duration_ms(window_ms as f64);
            format!(", {recent} of {max} in the last {window}")
        }
        _ => format!(" of {max}"),
    }
}

/// One line per rollout, and one more where it was taken back.
pub(super) fn rollout_lines(rollout: &Rollout) -> Vec<String> {
    let limit = limit(rollout);
    let steps = rollout
        .steps
        .map_or_else(String::new, |steps| format!("/{steps}"));
    let mut lines = vec![format!(
        "  {}  {}  step {}{steps}, {} % of traffic, {}, {}{limit}",
        rollout.id,
        state(&rollout.state),
        rollout.step,
        rollout.traffic,
        count(rollout.requests, "request"),
        count(rollout.errors, "error"),
    )];
    if let Some(rollback) = &rollout.rollback {
        let shifted = rollback.shifted_ms.map_or_else(String::new, |shifted| {
            format!("; traffic moved in {}", duration_ms(shifted))
        });
        lines.push(format!("    taken back: {}{shifted}", rollback.reason));
    }
    lines
}

/// The first line of a text.
pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn check_line(check: &Check) -> String {
    let ok = match check.state.as_str() {
        "passed" => Some(true),
        "failed" | "timed_out" | "cancelled" => Some(false),
        _ => None,
    };
    let duration = check.duration_ms.map_or_else(String::new, |duration| {
        format!("  {}", duration_ms(duration))
    });
    let reason = check
        .reason
        .as_ref()
        .map_or_else(String::new, |reason| format!("  {}", first_line(reason)));
    format!(
        "  check   {} {}  {}{duration}{reason}",
        mark(ok),
        check.name,
        state(&check.state)
    )
}
