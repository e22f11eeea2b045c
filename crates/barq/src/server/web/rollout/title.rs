//! What a glance at the tab must tell: how far it is, of what, and how close to the limit.

use barq_core::rollout::Phase;

use super::super::page::Mood;
use super::sight::Sight;
use crate::output::text;

/// E.g. `▲ 10 % · shop · 2/5 errors`.
pub(super) fn title(sight: &Sight<'_>) -> String {
    let told = of_rollout(sight);
    match sight.is_away() && !sight.rollout.ended() {
        true => format!("node not seen · {told}"),
        false => told,
    }
}

fn of_rollout(sight: &Sight<'_>) -> String {
    let app = &sight.rollout.id.delivery.app;
    let environment = &sight.rollout.id.environment;
    let share = sight.rollout.traffic();
    let errors = match sight.max_errors() {
        Some(limit) => format!(" · {}/{}", sight.recent_errors, text::count(limit, "error")),
        None => String::new(),
    };
    let of = format!("{app} · {environment}");
    if sight.taken.is_some() {
        return format!("↩ traffic taken back · {of}");
    }
    if sight.rollout.paused.is_some() && !sight.rollout.ended() {
        return format!("⏸ {share} % · {app}{errors} · {environment}");
    }
    match &sight.rollout.phase {
        Phase::Deploying => format!("… deploying · {of}"),
        Phase::SmokeTesting => format!("… smoke tests · {of}"),
        Phase::ProvingTarget => format!("… proving stable · {of}"),
        Phase::Holding | Phase::Preparing { .. } => {
            format!("▲ {share} % · {app}{errors} · {environment}")
        }
        Phase::Verifying { .. } => format!("▲ {share} % · {app} · verifying · {environment}"),
        Phase::Succeeded => format!("✓ 100 % · {of}"),
        Phase::RollingBack(_) => format!("↩ rolling back · {of}"),
        Phase::RolledBack => format!("↩ rolled back · {of}"),
        Phase::Failed => format!("✕ failed · {of}"),
        Phase::Aborted => format!("■ aborted · {of}"),
    }
}

/// The tab's icon: trouble for as long as the incident is open.
pub(super) fn mood(sight: &Sight<'_>) -> Mood {
    let resolved = sight
        .incident
        .is_some_and(|incident| incident.resolved.is_some());
    let unseen = sight.is_away() && !sight.rollout.ended();
    if sight.taken.is_some() || unseen {
        return Mood::Trouble;
    }
    match &sight.rollout.phase {
        Phase::RollingBack(_) => Mood::Trouble,
        Phase::RolledBack | Phase::Failed if !resolved && sight.remembered => Mood::Trouble,
        Phase::Succeeded if sight.incident.is_some() && !resolved => Mood::Trouble,
        Phase::RolledBack | Phase::Failed | Phase::Succeeded | Phase::Aborted => Mood::Calm,
        _ if sight.rollout.paused.is_some() => Mood::Waiting,
        Phase::Deploying
        | Phase::SmokeTesting
        | Phase::ProvingTarget
        | Phase::Preparing { .. }
        | Phase::Holding
        | Phase::Verifying { .. } => Mood::Moving,
    }
}

#[cfg(test)]
mod tests;
