//! The steps as a line: what is done, where it is and how much of the hold is served, what comes.

use barq_core::configuration::Step;
use barq_core::event::RollbackCause;
use barq_core::rollout::{Phase, Rollout};
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::elements;
use super::super::icons::{self, Icon};
use super::hold::Hold;
use super::sight::Sight;
use super::story::Story;
use crate::output::text;

/// How a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Over, as it should be.
    Done,
    /// Here it is.
    Now,
    /// Here it stands still.
    Paused,
    /// Here it ended badly.
    Bad,
    /// Here somebody stopped it.
    Stopped,
    /// It comes.
    Next,
    /// It was left out.
    Skipped,
    /// It will not come any more.
    Never,
}

/// A stage of a rollout.
#[derive(Debug, PartialEq)]
struct Stage {
    name: String,
    /// What it asks for.
    rule: String,
    standing: Standing,
    /// Which step it is, from 1.
    step: Option<u32>,
    entered_at: Option<Timestamp>,
}

/// The part of the page.
pub(super) fn steps(sight: &Sight<'_>) -> Markup {
    let hold = Hold::of(sight);
    html! {
        h2 { "Steps" }
        ol.steps {
            @for stage in stages(sight.rollout, sight.story) {
                li.(stage.standing.class()) aria-current=[stage.standing.is_present().then_some("step")] {
                    p.stage-name { (icons::icon(stage.standing.icon())) " " strong { (stage.name) } " " span.unseen { (stage.standing.words()) } }
                    p.small.quiet { (stage.rule) }
                    (progress(sight, &stage, hold))
                }
            }
        }
    }
}

/// How far a stage is, or when it was.
fn progress(sight: &Sight<'_>, stage: &Stage, hold: Option<Hold>) -> Markup {
    let of_step = stage.step == Some(sight.rollout.step);
    let hold = hold.filter(|_| of_step && stage.standing != Standing::Done);
    html! {
        @if let Some(hold) = hold {
            svg.progress role="img" aria-label={ (hold.percent()) " % of the hold served" } width="100%" height="6" {
                rect.ground width="100%" height="6" rx="3" { }
                @if hold.percent() > 0 { rect.served width={ (hold.percent()) "%" } height="6" rx="3" { } }
            }
            p.small {
                (minutes(hold.held_ms)) " of " (minutes(hold.whole_ms)) " served"
            }
        } @else if let Some(at) = stage.entered_at {
            p.small.quiet { "from " (elements::clock(at)) }
        }
    }
}

/// A span as a clock shows it: `3:20`.
fn minutes(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// All stages, in order.
fn stages(rollout: &Rollout, story: &Story) -> Vec<Stage> {
    let settings = &rollout.start.settings;
    let reached = reached(rollout, story);
    let mut names = vec![
        ("Deploy".to_owned(), "at 0 %".to_owned(), None),
        ("Smoke tests".to_owned(), "all pass".to_owned(), None),
    ];
    if rollout.start.stable.is_some() {
        names.push((
            "Way back".to_owned(),
            "stable could take over".to_owned(),
            None,
        ));
    }
    let before_steps = names.len();
    for (number, step) in (1..).zip(&settings.steps) {
        names.push((format!("{} %", step.traffic), rule(step), Some(number)));
    }
    names.push(("Verified".to_owned(), "version and health".to_owned(), None));
    let last = names.len() - 1;
    let at = match reached {
        Reached::Early(stage) => stage.min(before_steps - 1),
        Reached::Step(step) => before_steps + (step as usize).saturating_sub(1),
        Reached::Verification => last,
        Reached::End => last + 1,
    };
    let entered = |step: Option<u32>| {
        let of_step = story
            .steps
            .iter()
            .find(|(_, entry)| Some(entry.step) == step);
        of_step.map(|(at, _)| *at)
    };
    let skips_to = skipped_until(rollout, before_steps + settings.steps.len() - 1);
    names
        .into_iter()
        .enumerate()
        .map(|(index, (name, rule, step))| {
            let entered_at = entered(step);
            let left_out = step.is_some() && entered_at.is_none();
            let standing = match index {
                _ if index < at && left_out => Standing::Skipped,
                _ if index < at => Standing::Done,
                _ if index == at => present(rollout),
                _ if rollout.ended() || rollout.rollback.is_some() => Standing::Never,
                _ if step.is_some() && index < skips_to => Standing::Skipped,
                _ => Standing::Next,
            };
            Stage {
                name,
                rule,
                standing,
                step,
                entered_at,
            }
        })
        .collect()
}

/// What a step asks for.
fn rule(step: &Step) -> String {
    if step.hold.is_zero() {
        return "all traffic".to_owned();
    }
    let hold = text::duration_ms(step.hold.as_millis() as f64);
    let limit = match step.max_errors {
        None => String::new(),
        Some(1) => ", without an error".to_owned(),
        Some(limit) => format!(", fewer than {limit} errors"),
    };
    format!("for {hold}{limit}")
}

/// How far it came.
enum Reached {
    /// Before the first step: deploy, smoke tests, way back.
    Early(usize),
    Step(u32),
    Verification,
    /// All of it.
    End,
}

fn reached(rollout: &Rollout, story: &Story) -> Reached {
    let verified_badly = matches!(
        rollout.rollback.as_ref().map(|record| &record.cause),
        Some(RollbackCause::VerificationFailed { .. })
    );
    match &rollout.phase {
        Phase::Succeeded => Reached::End,
        _ if rollout.was_stable => Reached::End,
        Phase::Verifying { .. } => Reached::Verification,
        _ if verified_badly => Reached::Verification,
        Phase::Preparing { step } => Reached::Step(*step),
        _ if rollout.step > 0 => Reached::Step(rollout.step),
        Phase::ProvingTarget => Reached::Early(2),
        Phase::SmokeTesting => Reached::Early(1),
        Phase::Deploying => Reached::Early(0),
        Phase::Holding
        | Phase::RollingBack(_)
        | Phase::RolledBack
        | Phase::Failed
        | Phase::Aborted => match (story.deployed, rollout.smoke.is_empty()) {
            (false, _) => Reached::Early(0),
            (true, true) => Reached::Early(1),
            (true, false) => Reached::Early(2),
        },
    }
}

/// How the stage stands at which the rollout is.
fn present(rollout: &Rollout) -> Standing {
    match &rollout.phase {
        Phase::RollingBack(_) | Phase::RolledBack | Phase::Failed => Standing::Bad,
        Phase::Aborted => Standing::Stopped,
        Phase::Succeeded => Standing::Done,
        _ if rollout.paused.is_some() => Standing::Paused,
        Phase::Deploying
        | Phase::SmokeTesting
        | Phase::ProvingTarget
        | Phase::Preparing { .. }
        | Phase::Holding
        | Phase::Verifying { .. } => Standing::Now,
    }
}

/// The stage of 100 % where the steps before it are left out.
fn skipped_until(rollout: &Rollout, full: usize) -> usize {
    let no_canary = rollout.direct.is_some() || rollout.start.stable.is_none();
    match rollout.full || no_canary {
        true => full,
        false => 0,
    }
}

impl Standing {
    fn class(self) -> &'static str {
        match self {
            Self::Done => "is-done",
            Self::Now => "is-now",
            Self::Paused => "is-paused",
            Self::Bad => "is-bad",
            Self::Stopped => "is-stopped",
            Self::Next => "is-next",
            Self::Skipped => "is-skipped",
            Self::Never => "is-never",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Now => "now",
            Self::Paused => "paused here",
            Self::Bad => "ended badly here",
            Self::Stopped => "stopped here",
            Self::Next => "to come",
            Self::Skipped => "left out",
            Self::Never => "not reached",
        }
    }

    fn icon(self) -> Icon {
        match self {
            Self::Done => Icon::Good,
            Self::Now => Icon::Moving,
            Self::Paused => Icon::Paused,
            Self::Bad => Icon::Bad,
            Self::Stopped => Icon::Back,
            Self::Next | Self::Skipped | Self::Never => Icon::Idle,
        }
    }

    fn is_present(self) -> bool {
        match self {
            Self::Now | Self::Paused | Self::Bad | Self::Stopped => true,
            Self::Done | Self::Next | Self::Skipped | Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests;
